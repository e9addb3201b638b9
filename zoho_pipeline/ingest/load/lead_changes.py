"""Which leads of a load differ from the rows held before: asked and announced before the load, told after it."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.platform import lead_changes
from zoho_pipeline.channels.platform.lead_changes import LeadVersion, LoadedLead
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.tables import LEADS
from zoho_pipeline.ingest.raw.queries import columns_of_ids
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)

_COLUMNS = ("id", "lead_status", "owner_id", "converted", "modified_time", "modified_by_id", "synced_at")


def are_told(channel: Channel) -> bool:
    """Whether changes of leads are told: not before the channel's first complete sync, which would tell every lead."""
    return channel.last_complete_sync_at is not None


def loaded_leads(connection: Connection, channel: Channel, tables: Mapping[str, pa.Table]) -> list[LoadedLead]:
    """The leads of a load, each with the row that is held before the load. [] if the load has none.

    It is one query per 5,000 leads. A row that the load leaves out, because the held one is newer, is left out too.
    """
    incoming = tables.get(LEADS.name)
    if incoming is None or not incoming.num_rows or not are_told(channel):
        return []
    rows = incoming.select(list(_COLUMNS)).to_pylist()
    held = columns_of_ids(connection, LEADS, _COLUMNS, channel.id, [row["id"] for row in rows])
    pairs = ((row, held.get(row["id"])) for row in rows)
    return [
        LoadedLead(_version(row), None if before is None else _version(before))
        for row, before in pairs
        if before is None or not _is_earlier(row, before)
    ]


def tell(registry: Registry, channel: Channel, announced: int | None) -> None:
    """Tell what was announced and is loaded now. If the registry refuses, the next holder of the channel tells it."""
    if announced is None:
        return
    try:
        lead_changes.tell(registry, channel, announced)
    except RegistryError as error:
        log.warning("channel %s: changes of leads are told later: %s", channel.id, error)


def settle(registry: Registry, warehouse: Warehouse, channel: Channel) -> None:
    """Tell or drop what a process that was killed beside its load had announced. The caller holds the channel."""

    def held(lead_id: str) -> LeadVersion | None:
        with warehouse.connect() as connection:
            row = columns_of_ids(connection, LEADS, _COLUMNS, channel.id, [lead_id]).get(lead_id)
        return None if row is None else _version(row)

    lead_changes.settle(registry, channel, held)


def _is_earlier(row: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    """Whether the merge leaves the row out; see `dlt_source.newest_wins`."""
    new, old = row["modified_time"], held["modified_time"]
    if new is None or old is None:
        return False
    read_earlier: bool = held["synced_at"] >= row["synced_at"]
    return bool(old > new and read_earlier)


def _version(row: Mapping[str, Any]) -> LeadVersion:
    modified: datetime | None = row["modified_time"]
    return LeadVersion(
        id=row["id"],
        status=row["lead_status"] or None,
        owner_id=row["owner_id"],
        is_converted=bool(row["converted"]),
        modified_at=modified,
        modified_by=row["modified_by_id"],
    )

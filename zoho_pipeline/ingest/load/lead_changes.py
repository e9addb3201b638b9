"""Which leads of a load differ from the rows held before: asked before the load, told after it."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.platform.lead_changes import LeadVersion, LoadedLead, tell_loaded
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.tables import LEADS
from zoho_pipeline.ingest.raw.queries import columns_of_ids
from zoho_pipeline.warehouse.connection import Connection

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


def tell(registry: Registry, channel: Channel, loaded: list[LoadedLead]) -> None:
    """Tell the platform what changed. The rows are loaded whatever becomes of it, so it stops no sync."""
    if not loaded:
        return
    try:
        tell_loaded(registry, channel, loaded)
    except RegistryError as error:
        log.warning("channel %s: changes of leads could not be told: %s", channel.id, error)


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

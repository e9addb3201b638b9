"""History where Zoho keeps none: a status that two successive syncs saw differently.

A stay is known to have begun at the latest when the record was modified with it; what came and went
between two syncs is not seen. Such rows are marked `observed`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from zoho_pipeline.ingest.catalog.tables import DEAL_STAGE_HISTORY, DEALS, LEAD_STATUS_HISTORY, LEADS, RawTable
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.raw.queries import values_of
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection


@dataclass(frozen=True)
class Observation:
    """Which column of which table makes which history."""

    source: RawTable
    column: str
    history: RawTable
    parent: str


OBSERVATIONS: Mapping[str, Observation] = {
    LEAD_STATUS_HISTORY.name: Observation(LEADS, "lead_status", LEAD_STATUS_HISTORY, "lead_id"),
    DEAL_STAGE_HISTORY.name: Observation(DEALS, "stage", DEAL_STAGE_HISTORY, "deal_id"),
}


def observe(connection: Connection, seen: Observation, channel_id: str, incoming: pa.Table) -> pa.Table:
    """Stays that begin and end with the rows about to be loaded, against those stored; possibly none."""
    columns = incoming.select(["id", seen.column, "modified_time"]).to_pylist()
    stored = values_of(connection, seen.source, seen.column, channel_id, [row["id"] for row in columns])
    moved = [row for row in columns if row["id"] in stored and stored[row["id"]][0] != row[seen.column]]
    running = _running(connection, seen, channel_id, [row["id"] for row in moved])
    rows: list[dict[str, Any]] = []
    for row in moved:
        was, since = stored[row["id"]]
        rows += _stays(seen, channel_id, row, was, running.get(row["id"], since))
    return of_values(seen.history, rows)


def _stays(
    seen: Observation, channel_id: str, row: Mapping[str, Any], was: str | None, since: datetime | None
) -> list[dict[str, Any]]:
    now = row["modified_time"]
    common = {"channel_id": channel_id, seen.parent: row["id"], "basis": "observed", "synced_at": datetime.now(UTC)}
    ended = {
        "id": _stay_id(row["id"], since),
        seen.column: was,
        "moved_to": row[seen.column],
        "modified_time": since,
        "duration_days": None if since is None or now is None else max((now - since).days, 0),
    }
    begun = {"id": _stay_id(row["id"], now), seen.column: row[seen.column], "moved_to": None, "modified_time": now}
    return [common | ended, common | begun] if ended["id"] != begun["id"] else [common | begun]


def _running(connection: Connection, seen: Observation, channel_id: str, parents: list[str]) -> dict[str, datetime]:
    """When the observed stays that have not ended began."""
    rows = connection.rows(
        f"select {seen.parent} as parent, max(modified_time) as began from {RAW_SCHEMA}.{seen.history.name}"  # noqa: S608
        f" where channel_id = ? and basis = 'observed' and moved_to is null and {seen.parent} = any(?)"
        f" group by {seen.parent}",
        (channel_id, parents),
    )
    return {row["parent"]: row["began"] for row in rows}


def _stay_id(record_id: str, began: datetime | None) -> str:
    return f"{record_id}:{int(began.timestamp()) if began else 0}"

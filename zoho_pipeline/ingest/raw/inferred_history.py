"""History for tables without a history at Zoho: two successive syncs found different values of a status.

A stay is the time that a record spends in one status or stage. A stay that is seen had begun when the record was last
modified, or before. A stay that began and ended between two syncs is never seen. Such rows are marked `observed`.
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
class HistoryRule:
    """A column of a table, and the history made from it. `parent` is the column of the history with the record's id."""

    source: RawTable
    column: str
    history: RawTable
    parent: str


HISTORY_RULES: Mapping[str, HistoryRule] = {
    LEAD_STATUS_HISTORY.name: HistoryRule(LEADS, "lead_status", LEAD_STATUS_HISTORY, "lead_id"),
    DEAL_STAGE_HISTORY.name: HistoryRule(DEALS, "stage", DEAL_STAGE_HISTORY, "deal_id"),
}


def infer_stays(connection: Connection, rule: HistoryRule, channel_id: str, incoming: pa.Table) -> pa.Table:
    """Rows of the history: the stays that end and begin where an incoming row differs from the stored one."""
    columns = incoming.select(["id", rule.column, "modified_time"]).to_pylist()
    stored = values_of(connection, rule.source, rule.column, channel_id, [row["id"] for row in columns])
    moved = [row for row in columns if row["id"] in stored and stored[row["id"]][0] != row[rule.column]]
    running = _running(connection, rule, channel_id, [row["id"] for row in moved])
    rows: list[dict[str, Any]] = []
    for row in moved:
        was, since = stored[row["id"]]
        rows += _stays(rule, channel_id, row, was, running.get(row["id"], since))
    return of_values(rule.history, rows)


def _stays(
    rule: HistoryRule, channel_id: str, row: Mapping[str, Any], was: str | None, since: datetime | None
) -> list[dict[str, Any]]:
    now = row["modified_time"]
    common = {"channel_id": channel_id, rule.parent: row["id"], "basis": "observed", "synced_at": datetime.now(UTC)}
    ended = {
        "id": _stay_id(row["id"], since),
        rule.column: was,
        "moved_to": row[rule.column],
        "modified_time": since,
        "duration_days": None if since is None or now is None else max((now - since).days, 0),
    }
    begun = {"id": _stay_id(row["id"], now), rule.column: row[rule.column], "moved_to": None, "modified_time": now}
    return [common | ended, common | begun] if ended["id"] != begun["id"] else [common | begun]


def _running(connection: Connection, rule: HistoryRule, channel_id: str, parents: list[str]) -> dict[str, datetime]:
    """Record id → the start of its inferred stay that has not ended."""
    rows = connection.rows(
        f"select {rule.parent} as parent, max(modified_time) as began from {RAW_SCHEMA}.{rule.history.name}"  # noqa: S608
        f" where channel_id = ? and basis = 'observed' and moved_to is null and {rule.parent} = any(?)"
        f" group by {rule.parent}",
        (channel_id, parents),
    )
    return {row["parent"]: row["began"] for row in rows}


def _stay_id(record_id: str, began: datetime | None) -> str:
    return f"{record_id}:{int(began.timestamp()) if began else 0}"

"""Add to a load what ended: records that were deleted, deletions that were undone, and stays in a stage that ended."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pyarrow as pa

from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.row_filter import Tables
from zoho_pipeline.ingest.load.batch import LoadBatch
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.queries import held, open_deletions, open_stays
from zoho_pipeline.ingest.routes import by_id, deletions
from zoho_pipeline.ingest.routes.deletions import Deletions
from zoho_pipeline.warehouse.connection import Connection


def add_deletions(sync: SyncContext, connection: Connection, reader: ModuleReader, batch: LoadBatch) -> set[str]:
    """Add the deletions of stored rows, and the deletions that were undone. Returns the listed ids of other records."""
    found = reader.deletions or Deletions()
    known, module, table = reader.baseline.deletions, reader.spec.module, reader.spec.table
    # an incremental sync reads the list before the rows: a record seen alive since then was restored
    alive = reader.rows.live_again.keys() if reader.baseline.since is not None else set()
    listed = {id_: row for id_, row in found.listed.items() if id_ not in alive}
    news = {id_: row for id_, row in listed.items() if deletions.is_news(row, known.get(id_))}
    pending = _ids(batch.tables.get(table.name, ()))
    ours = held(connection, table, sync.channel.id, news.keys() - pending) | (news.keys() & pending)
    now = sync.window.now()
    ended = deletions.entries(module, [news[id_] for id_ in sorted(ours)], now, sync.channel.id)
    reader.report.deleted_rows += ended.table.num_rows
    deleted: Tables = {DELETED_RECORDS.name: [ended.table]} if ended.table.num_rows else {}
    reader.rows.reject(ended.rejected, now, deleted)
    batch.put(deleted)
    back = {id_: at for id_, at in reader.rows.live_again.items() if id_ not in listed}
    if found.restored:
        tables: Tables = {}
        reader.rows.convert(list(found.restored.values()), now, tables)
        batch.put(tables)
        back |= dict.fromkeys(found.restored, now)
        reader.report.rows += len(found.restored.keys() - reader.rows.live_again.keys())
    rows = restored_rows(connection, sync.channel.id, module, back)
    if rows:
        batch.put({DELETED_RECORDS.name: [of_values(DELETED_RECORDS, rows)]})
    return news.keys() - ours


def restored_rows(
    connection: Connection, channel_id: str, module: str, back: dict[str, datetime]
) -> list[dict[str, Any]]:
    """The stored deletions of these records, with their end: id → when the record was seen alive."""
    stored = open_deletions(connection, channel_id, module, back)
    return [row | {"restored_at": back[row["id"]], "synced_at": back[row["id"]]} for row in stored]


def ended_stays(connection: Connection, reader: ModuleReader, batch: LoadBatch) -> set[str]:
    """The ids of stored stays that have ended, because a later stay of the same parent is about to be loaded.

    When a stay ends, Zoho fills in the next stage. The Modified_Time of the stay does not change: it is its start.
    """
    table = reader.spec.table
    parts = batch.tables.get(table.name)
    if not parts or reader.baseline.empty:
        return set()
    parent = "deal_id" if any(c.name == "deal_id" for c in table.columns) else "lead_id"
    parents = {id_ for part in parts for id_ in part[parent].to_pylist() if id_}
    return open_stays(connection, table, parent, reader.module.channel_id, parents) - _ids(parts)


def read_again(sync: SyncContext, reader: ModuleReader, ids: set[str], batch: LoadBatch) -> None:
    """Read these records again and add them."""
    if not ids:
        return
    now = sync.window.now()
    tables: Tables = {}
    reader.rows.convert(
        list(by_id.fetch(reader.client, reader.spec.module, reader.fields.plan, ids).values()), now, tables
    )
    batch.put(tables)
    reader.report.count(reader.client.meter)


def _ids(parts: Iterable[pa.Table]) -> set[str]:
    return {id_ for part in parts for id_ in part["id"].to_pylist()}

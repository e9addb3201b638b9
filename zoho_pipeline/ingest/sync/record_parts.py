"""Parts of records: subforms, multi-select lookups and files of chosen modules, where a person asks for them.

Only the call for a single record returns them, so they cost one credit per record. The two tables themselves say which
records wait: those without parts, or with the parts of another version. So a crash or the bound of one sync loses
nothing: the next sync goes on.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial

from zoho_pipeline.ingest.catalog.chosen_modules import MODULE_RECORD_PARTS, parts_of
from zoho_pipeline.ingest.catalog.field_selection import parts_of_record
from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS, REJECTED_RECORDS
from zoho_pipeline.ingest.convert.cell_values import as_json
from zoho_pipeline.ingest.convert.json_to_arrow import of_values, to_arrow
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.row_filter import rejections
from zoho_pipeline.ingest.extract.state import ModuleState
from zoho_pipeline.ingest.load.batch import LoadBatch
from zoho_pipeline.ingest.load.commit import load
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.sync.parallel_calls import call_for_each
from zoho_pipeline.warehouse.connection import RAW_SCHEMA
from zoho_pipeline.zoho.errors import Permanent, Retryable
from zoho_pipeline.zoho.parsing import ODD, joined, odd_values, parse
from zoho_pipeline.zoho.read import records
from zoho_pipeline.zoho.read.pages import Row

FORGOTTEN_AT_ONCE = 5_000
"""Records whose parts lose a field in one load."""


def read_parts(sync: SyncContext) -> None:
    """Read the parts of records that changed, or that earlier syncs left, for each module that asks for them."""
    for module, reader in sync.readers.items():
        report = sync.reports[module]
        if sync.fatal is not None or report.outcome != "complete" or not reader.spec.has_parts:
            continue
        try:
            _read(sync, reader)
        except (Permanent, Retryable) as error:
            report.fail(error, "subforms and multi-select lookups were not read to their end")
        finally:
            report.count(reader.client.meter)


def _read(sync: SyncContext, reader: ModuleReader) -> None:
    module, limits = reader.spec.module, sync.limits
    state = _with_fields(sync, reader)
    if state.parts_from is None or sync.full:  # also the parts that were read before are read again
        state = replace(state, parts_from=sync.window.now())
    load(sync, LoadBatch(states={module: state}))
    due = _due(sync, reader, limits.most_single_reads + 1)
    now = due[: limits.most_single_reads]
    for start in range(0, len(now), limits.parts_per_load):
        ids = now[start : start + limits.parts_per_load]
        rows = call_for_each(partial(records.get_one, reader.client, module), ids, limits.single_calls)
        _load(sync, reader, [row for id_, row in zip(ids, rows, strict=True) if row is not None and row["id"] == id_])
    if now:
        reader.report.took("single")
    if len(due) > len(now):
        most = limits.most_single_reads
        reader.report.note(f"subforms of {most} records were read, the most of one sync; the next sync goes on")


def _with_fields(sync: SyncContext, reader: ModuleReader) -> ModuleState:
    """The state with the subforms and other parts that the module has now. No record gets a new time from a change.

    Those that are gone or hidden leave the stored parts. For one that appeared, all parts are read again:
    it may have been hidden from the connected user before.
    """
    state, found = sync.state.of(reader.spec.module), reader.fields.parts
    if found is None:
        return state
    known = found if state.part_fields is None else frozenset(state.part_fields)
    if gone := known - found:
        _forget(sync, reader, gone)
    if new := found - known:
        reader.report.note(f"subforms of all records are read again: {', '.join(sorted(new))} is new or back")
    parts_from = sync.window.now() if new else state.parts_from
    return replace(state, part_fields=tuple(sorted(found)), parts_from=parts_from)


def _forget(sync: SyncContext, reader: ModuleReader, names: Collection[str]) -> None:
    """Take these fields out of the stored parts. When the parts were read stays, so that others still wait."""
    table, after = parts_of(reader.spec.module), ""
    while True:
        with sync.warehouse.connect() as connection:
            rows = connection.rows(
                f"select * from {table.source} t where channel_id = ? and id > ?"  # noqa: S608
                f" order by id limit {FORGOTTEN_AT_ONCE}",
                (sync.channel.id, after),
            )
        changed = []
        for row in rows:
            parts = parse(str(row["parts"] or "{}").encode())
            if parts.keys() & set(names):
                kept = {name: value for name, value in parts.items() if name not in names}
                changed.append(row | {"parts": as_json(kept)})
        batch = LoadBatch()
        batch.put({MODULE_RECORD_PARTS.name: [of_values(table, changed)]})
        load(sync, batch)
        if len(rows) < FORGOTTEN_AT_ONCE:
            return
        after = rows[-1]["id"]


def _due(sync: SyncContext, reader: ModuleReader, most: int) -> list[str]:
    """The ids of live records whose parts are missing, are those of another version, or must be read again.

    A record without a time has no version: its parts are read again whenever it was loaded after them. Those that were
    read longest ago come first. In the order of change, each full sync would read the same ones up to its bound.
    """
    spec, state = reader.spec, sync.state.of(reader.spec.module)
    with sync.warehouse.connect() as connection:
        rows = connection.rows(
            f"select t.id from {spec.table.source} t left join {RAW_SCHEMA}.{MODULE_RECORD_PARTS.name} p"  # noqa: S608
            " on p.channel_id = t.channel_id and p.module = ? and p.id = t.id"
            f" left join {RAW_SCHEMA}.{DELETED_RECORDS.name} d on d.channel_id = t.channel_id and d.module = ?"
            " and d.id = t.id and d.restored_at is null where t.channel_id = ? and d.id is null"
            " and (p.id is null or p.modified_time is distinct from t.modified_time or p.synced_at < ?"
            " or (t.modified_time is null and p.synced_at < t.synced_at))"
            f" order by p.synced_at nulls first, t.modified_time, t.id limit {int(most)}",
            (spec.module, spec.module, sync.channel.id, state.parts_from),
        )
    return [row["id"] for row in rows]


def _load(sync: SyncContext, reader: ModuleReader, whole: Sequence[Row]) -> None:
    module, now = reader.spec.module, sync.window.now()
    shaped = [
        joined(
            {"id": row["id"], "Modified_Time": row.get("Modified_Time"), "parts": parts_of_record(row)},
            {ODD: odd_values(row)},
        )
        for row in whole
    ]
    converted = to_arrow(parts_of(module), shaped, channel_id=sync.channel.id, synced_at=now)
    batch = LoadBatch()
    batch.put({MODULE_RECORD_PARTS.name: [converted.table]})
    if converted.rejected:
        reader.report.rejected_rows += len(converted.rejected)
        batch.put({REJECTED_RECORDS.name: [rejections(sync.channel.id, module, converted.rejected, now)]})
    load(sync, batch)
    sync.progress.advance(f"{module}, subforms", len(whole))

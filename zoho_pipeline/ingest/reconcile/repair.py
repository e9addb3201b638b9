"""Compares one module with Zoho id by id, and repairs what differs."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.row_filter import Tables
from zoho_pipeline.ingest.load.apply_deletions import restored_rows
from zoho_pipeline.ingest.load.batch import LoadBatch
from zoho_pipeline.ingest.load.commit import load
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.queries import has_created_since, known_deletions, live_totals
from zoho_pipeline.ingest.reconcile import diff
from zoho_pipeline.ingest.reconcile.diff import Difference, Version
from zoho_pipeline.ingest.report import Comparison
from zoho_pipeline.ingest.routes import by_id, change_probe
from zoho_pipeline.ingest.routes.deletions import deleted_at, since_of
from zoho_pipeline.ingest.routes.deletions import read as read_deletions
from zoho_pipeline.zoho.errors import BadAnswer

_VERSION = FieldPlan(("Modified_Time",))


def repair(sync: SyncContext, reader: ModuleReader) -> Comparison:
    """Compare ids and versions of one module, fetch missing and stale records, and mark records that no longer exist.

    Many records are read again by another route than the one that left the difference, then by the next route. A few
    are read by their ids. If a difference remains after that, the outcome of the module is `failed`.
    """
    module, client, limits = reader.spec.module, reader.client, sync.limits
    shown = f"{module}, compared"
    tell = partial(sync.progress.advance, shown)
    can = {"by_query": reader.routes.can_query, "created": reader.state.shows_creation}
    route, source = diff.source_versions(client, module, sync.window, **can, tell=tell)
    sync.progress.finish(shown)
    first = found = _difference(sync, reader, route, source)
    reader.report.took(f"compare-{route}")
    gone = _really_gone(reader, found.vanished)
    _mark_gone(sync, reader, gone)
    fetched: set[str] = set()
    for _ in range(limits.repair_rounds):
        wanted = found.unknown | found.stale - fetched
        if not wanted:
            break
        if len(wanted) > limits.most_repairs:
            _read_all_again(sync, reader, wanted)
        else:
            rows = by_id.fetch(client, module, reader.fields.ensure_for(sorted(wanted)), wanted)
            fetched |= rows.keys()
            reader.report.rows += len(rows)
            _put_rows(sync, reader, rows)
        found = _difference(sync, reader, route, source)
        if len(wanted) <= limits.most_repairs:
            break
    left = _really_left(reader, route, found.unknown | found.stale - fetched, limits.most_asked)
    _conclude(sync, reader, found, left, more=len(found.vanished - gone) - len(found.impossible))
    return Comparison(
        module,
        route,
        first.source_rows,
        first.stored_rows,
        len(first.unknown & fetched | first.unknown - found.unknown),
        len(first.stale & fetched | first.stale - found.stale),
        len(gone),
    )


def _difference(sync: SyncContext, reader: ModuleReader, route: str, source: Mapping[str, Version]) -> Difference:
    spec, hi = reader.spec, sync.window.hi
    with sync.warehouse.connect() as connection:
        stored = diff.stored_versions(connection, spec.table, spec.module, sync.channel.id, hi)
    return diff.difference(route, source, stored, hi)


def _really_left(reader: ModuleReader, route: str, ids: set[str], most: int) -> set[str]:
    """Those of the differing records that still exist: one may have been deleted since it was listed."""
    if not ids or len(ids) > most or route != "coql":
        return ids
    return ids & change_probe.listed(reader.client, reader.spec.module, ids)


def _conclude(sync: SyncContext, reader: ModuleReader, found: Difference, left: set[str], more: int) -> None:
    """Store the differences that the comparison left, and report them."""
    spec, report, words = reader.spec, reader.report, ""
    if left:
        some = ", ".join(sorted(left)[:3]) + (" …" if len(left) > 3 else "")
        words = (
            f"{len(left)} of {found.source_rows} records differ from Zoho ({some}). Run `zoho-pipeline reconcile "
            f"{sync.channel.id}`; if they remain, ask an administrator of Zoho whether the connected user may read them"
        )
        report.outcome = "failed"
        report.note(f"a difference remains after its repair: {words}")
    if found.impossible:
        report.note(
            f"{len(found.impossible)} of {found.source_rows} records have an id that no record can have, or none: they "
            "are not loaded (see the table rejected_records)"
        )
    known = sync.state.modules.get(spec.module) or reader.state
    # the repair may have been the first to read the fields, and the report tells what they let the next sync do
    state = replace(known.with_fields_of(reader.state), doubt=False, compared=None)
    if len(left) > sync.limits.most_asked:
        state = replace(state, doubt=True)  # so many may come by themselves: compared again by the next sync
    else:
        with sync.warehouse.connect() as connection:
            here = live_totals(connection, spec.table, spec.module, sync.channel.id, sync.window.hi)
        state = replace(state, compared=change_probe.left_by(reader.routes.there, here, more, len(left), words))
    with sync.warehouse.connect() as connection:
        if has_created_since(connection, spec.table, sync.channel.id, sync.window.hi):
            state = replace(state, doubt=True)  # Zoho's clock is behind these: left out here, compared when it is right
    if state != known:
        load(sync, LoadBatch(states={spec.module: state}))


def _really_gone(reader: ModuleReader, vanished: set[str]) -> set[str]:
    """Those of the vanished records that a call by id does not show either: a query may hide what a list shows."""
    if not vanished:
        return set()
    module = reader.spec.module
    shown = by_id.fetch(reader.client, module, _VERSION, vanished).keys()
    if shown - vanished:
        raise BadAnswer(f"GET {module}: a record has no usable id, so it is unknown which records were deleted.")
    return vanished - shown


def _mark_gone(sync: SyncContext, reader: ModuleReader, gone: set[str]) -> None:
    if gone:
        batch = LoadBatch()
        batch.put({DELETED_RECORDS.name: [of_values(DELETED_RECORDS, _vanished_rows(sync, reader, gone))]})
        load(sync, batch)
    reader.report.deleted_rows += len(gone)


def _live_again(sync: SyncContext, reader: ModuleReader, ids: set[str], batch: LoadBatch) -> None:
    """End the stored deletions of records that Zoho shows."""
    module = reader.spec.module
    with sync.warehouse.connect() as connection:
        known = known_deletions(connection, [sync.channel.id], module)[sync.channel.id].get(module, {})
        back = dict.fromkeys(ids & known.keys(), sync.window.now())
        rows = restored_rows(connection, sync.channel.id, module, back)
    if rows:
        batch.put({DELETED_RECORDS.name: [of_values(DELETED_RECORDS, rows)]})


def _read_all_again(sync: SyncContext, reader: ModuleReader, wanted: set[str]) -> None:
    """Read every row of the module again, in loads of the usual size."""
    batch = LoadBatch()
    for checkpoint in reader.reread():
        batch.add(checkpoint)
        if batch.is_full(sync.limits):
            load(sync, batch)
            batch = LoadBatch()
    _live_again(sync, reader, wanted, batch)
    load(sync, batch)


def _put_rows(sync: SyncContext, reader: ModuleReader, rows: Mapping[str, Any]) -> None:
    if not rows:
        return
    batch, tables = LoadBatch(), Tables()
    reader.rows.convert(list(rows.values()), sync.window.now(), tables)
    batch.put(tables)
    _live_again(sync, reader, set(rows), batch)
    load(sync, batch)


def _vanished_rows(sync: SyncContext, reader: ModuleReader, gone: set[str]) -> list[dict[str, Any]]:
    """Rows of `deleted_records` for records that are gone: from Zoho's list of deletions, else as `vanished`."""
    module, now, clock = reader.spec.module, sync.window.now(), sync.window.clock()
    listed = read_deletions(reader.client, module, since_of(clock, {}, clock), {}).listed
    rows = []
    for id_ in sorted(gone):
        entry = listed.get(id_)
        at = (deleted_at(entry) if entry else None) or clock
        rows.append(
            {
                "channel_id": sync.channel.id,
                "module": module,
                "id": id_,
                "deleted_time": at,
                "deletion_type": str(entry.get("type") or "") if entry else "vanished",
                "restored_at": None,
                "synced_at": now,
            }
        )
    return rows

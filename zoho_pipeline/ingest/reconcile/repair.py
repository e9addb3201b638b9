"""After the steps are in: do count and latest change of live records agree, and if not, which records differ?"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.extract.extraction import Extraction
from zoho_pipeline.ingest.extract.step import Gathered
from zoho_pipeline.ingest.load.commit import load, restored_rows
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.queries import known_deletions, live_totals
from zoho_pipeline.ingest.reconcile import diff
from zoho_pipeline.ingest.reconcile.diff import Difference, Version
from zoho_pipeline.ingest.report import Comparison
from zoho_pipeline.ingest.routes import by_id, change_probe
from zoho_pipeline.ingest.routes.deletions import read as read_deletions
from zoho_pipeline.ingest.routes.deletions import since_of
from zoho_pipeline.zoho.errors import CreditsExhausted, Permanent

log = logging.getLogger(__name__)

_VERSION = FieldPlan(("Modified_Time",))


def check_counts(run: SyncContext) -> None:
    """Compare count and latest change of every module that was read to its end, and repair those that differ.

    `run.reconcile` compares ids at once, whatever they say; so does a module in doubt (see `watermarks.mended`). What
    still differs after its repair, or cannot be compared, is no complete sync.
    """
    for module, extraction in run.extractions.items():
        report = run.reports[module]
        if report.outcome != "complete" or not extraction.target.has_deletions:
            continue
        try:
            if run.reconcile or _is_in_doubt(run, extraction) or _differs(run, extraction):
                run.comparisons[module] = repair(run, extraction)
            elif left := _compared(run, module).get("left"):
                report.outcome = "failed"
                report.note(f"{left} records differ as before: {_compared(run, module)['words']}")
        except Permanent as error:
            report.outcome = "stopped" if isinstance(error, CreditsExhausted) else "failed"
            report.note(f"not compared with Zoho: {error}")
        finally:
            report.credits, report.requests = extraction.client.meter.credits, extraction.client.meter.requests
        if (born := extraction.intake.after_clock) is not None:
            report.outcome = "failed"
            report.note(
                f"a record was created at {born:%Y-%m-%d %H:%M:%S} UTC, and Zoho's clock (the Date header) is behind "
                "that: run sync again when the clock of Zoho, or of the proxy on the way, is right"
            )


def _compared(run: SyncContext, module: str) -> dict[str, Any]:
    return run.states.get(module, {}).get("compared") or {}


def _is_in_doubt(run: SyncContext, extraction: Extraction) -> bool:
    if not run.states.get(extraction.target.module, {}).get("doubt"):
        return False
    extraction.report.note("an earlier sync, or this one, met a wrong clock, or left a difference: compared id by id")
    return True


def _differs(run: SyncContext, extraction: Extraction) -> bool:
    if extraction.unchanged or not extraction.can_query:
        return False
    module = extraction.target.module
    try:
        there = extraction.there = extraction.there or change_probe.totals(extraction.client, module, run.window.hi)
    except Permanent as error:
        log.debug("channel %s: %s cannot be counted: %s", run.channel.id, module, error)
        return False
    said = change_probe.difference(there, _here(run, extraction), run.window.hi, _compared(run, module))
    extraction.report.note(f"{said}: compared id by id" if said else "")
    return bool(said)


def _here(run: SyncContext, extraction: Extraction) -> change_probe.Totals:
    with run.warehouse.connect() as connection:
        target = extraction.target
        return live_totals(connection, target.table, target.module, run.channel.id, run.window.hi)


def repair(run: SyncContext, extraction: Extraction) -> Comparison:
    """Compare ids and versions of one module, fetch what is missing or stale, mark what is gone.

    What is many is read again by another route than the one that left it; then again by the next, and the few
    by their ids. What differs after all that makes the module's outcome `failed`.
    """
    target, client = extraction.target, extraction.client
    route, source = diff.source_versions(client, target.module, run.window, by_query=extraction.can_query)
    first = found = _difference(run, extraction, route, source)
    extraction.report.took(f"compare-{route}")
    gone = _really_gone(extraction, found.vanished)
    _mark_gone(run, extraction, gone)
    fetched: set[str] = set()
    for _ in range(run.limits.repair_rounds):
        wanted = found.unknown | found.stale - fetched
        if not wanted:
            break
        if len(wanted) > run.limits.most_repairs:
            _read_all_again(run, extraction, wanted)
        else:
            extraction._note_plan()  # a run that saw no change has not looked at the fields
            rows = by_id.fetch(client, target.module, extraction.plan, wanted)
            fetched |= rows.keys()
            extraction.report.rows += len(rows)
            _put_rows(run, extraction, rows)
        found = _difference(run, extraction, route, source)
        if len(wanted) <= run.limits.most_repairs:
            break
    left = _really_left(run, extraction, route, found.unknown | found.stale - fetched)
    _conclude(run, extraction, found, left, more=len(found.vanished - gone))
    return Comparison(
        target.module,
        route,
        first.source_rows,
        first.stored_rows,
        len(first.unknown & fetched | first.unknown - found.unknown),
        len(first.stale & fetched | first.stale - found.stale),
        len(gone),
    )


def _difference(run: SyncContext, extraction: Extraction, route: str, source: Mapping[str, Version]) -> Difference:
    target = extraction.target
    with run.warehouse.connect() as connection:
        stored = diff.stored_versions(connection, target.table, target.module, run.channel.id, run.window.hi)
    return diff.difference(route, source, stored, run.window.hi)


def _really_left(run: SyncContext, extraction: Extraction, route: str, ids: set[str]) -> set[str]:
    """Those of the differing records that are still there: one may have been deleted since it was listed."""
    if not ids or len(ids) > run.limits.most_asked or route != "coql":
        return ids
    return ids & change_probe.listed(extraction.client, extraction.target.module, ids)


def _conclude(run: SyncContext, extraction: Extraction, found: Difference, left: set[str], more: int) -> None:
    """Remember what the comparison left, and say it."""
    module, report, words = extraction.target.module, extraction.report, ""
    if left:
        some = ", ".join(sorted(left)[:3]) + (" …" if len(left) > 3 else "")
        words = (
            f"{len(left)} of {found.source_rows} records are not as Zoho tells ({some}). Run `zoho-pipeline reconcile "
            f"{run.channel.id}`; if they remain, ask an administrator of Zoho whether the connected user may read them"
        )
        report.outcome = "failed"
        report.note(f"a difference remains after its repair: {words}")
    known = run.states.get(module) or extraction.state
    state = {name: value for name, value in known.items() if name not in ("doubt", "compared")}
    if len(left) > run.limits.most_asked:
        state["doubt"] = True  # so many may come by themselves: compared again by the next run
    elif kept := change_probe.remembered(extraction.there, _here(run, extraction), more, len(left), words):
        state["compared"] = kept
    if state != known:
        gathered = Gathered()
        gathered.states[module] = state
        load(run, gathered)


def _mark_gone(run: SyncContext, extraction: Extraction, gone: set[str]) -> None:
    if gone:
        gathered = Gathered()
        rows = _vanished_rows(run, extraction, gone)
        gathered.put({DELETED_RECORDS.name: [of_values(DELETED_RECORDS, rows)]})
        load(run, gathered)
    extraction.report.deleted_rows += len(gone)


def _live_again(run: SyncContext, extraction: Extraction, ids: set[str], gathered: Gathered) -> None:
    """End the deletions that we hold of records which Zoho shows."""
    with run.warehouse.connect() as connection:
        known = known_deletions(connection, run.channel.id, extraction.target.module)
        back = dict.fromkeys(ids & known.keys(), run.window.now())
        rows = restored_rows(connection, run.channel.id, extraction.target.module, back)
    if rows:
        gathered.put({DELETED_RECORDS.name: [of_values(DELETED_RECORDS, rows)]})


def _read_all_again(run: SyncContext, extraction: Extraction, wanted: set[str]) -> None:
    """Every row in loads of the usual size."""
    gathered = Gathered()
    for step in extraction.reread():
        gathered.add(step)
        if gathered.is_full(run.limits):
            load(run, gathered)
            gathered = Gathered()
    _live_again(run, extraction, wanted, gathered)
    load(run, gathered)


def _really_gone(extraction: Extraction, vanished: set[str]) -> set[str]:
    """Those of the vanished that a call by id does not show either: a query may hide what a list shows."""
    if not vanished:
        return set()
    return vanished - by_id.fetch(extraction.client, extraction.target.module, _VERSION, vanished).keys()


def _put_rows(run: SyncContext, extraction: Extraction, rows: Mapping[str, Any]) -> None:
    if not rows:
        return
    now = run.window.now()
    tables: dict[str, list[pa.Table]] = {}
    converted = extraction.target.convert(list(rows.values()), run.channel.id, now)
    extraction.intake.reject(converted.rejected, now, tables)
    gathered = Gathered()
    gathered.put({extraction.target.table.name: [converted.table], **tables})
    _live_again(run, extraction, set(rows), gathered)
    load(run, gathered)


def _vanished_rows(run: SyncContext, extraction: Extraction, gone: set[str]) -> list[dict[str, Any]]:
    """Rows of `deleted_records` for what is gone: as Zoho's list of deletions has it, else `vanished`."""
    module, now, clock = extraction.target.module, run.window.now(), run.window.clock()
    listed = read_deletions(extraction.client, module, since_of(clock, {}, clock), {}).listed
    rows = []
    for id_ in sorted(gone):
        entry = listed.get(id_)
        at = datetime.fromisoformat(entry["deleted_time"]) if entry else clock
        rows.append(
            {
                "channel_id": run.channel.id,
                "module": module,
                "id": id_,
                "deleted_time": at,
                "deletion_type": entry.get("type") if entry else "vanished",
                "restored_at": None,
                "synced_at": now,
            }
        )
    return rows

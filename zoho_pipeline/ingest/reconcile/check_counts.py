"""Compares count and latest change of the live records with Zoho, after the checkpoints are loaded."""

import logging

from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.queries import live_totals
from zoho_pipeline.ingest.reconcile.repair import repair
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.routes import change_probe
from zoho_pipeline.zoho.errors import BadAnswer, Permanent

log = logging.getLogger(__name__)


def check_counts(sync: SyncContext) -> None:
    """Compare count and latest change of every module that was read to its end, and repair those that differ.

    With `sync.reconcile` the ids are compared even if the counts agree. So are the ids of a module in doubt (see
    `watermarks.corrected`). A module that still differs after its repair, or cannot be compared, is not complete.
    """
    for module, reader in sync.readers.items():
        report = sync.reports[module]
        if report.outcome != "complete":
            continue
        if not reader.spec.has_deletions:
            _note_nameless(report, len(reader.rows.nameless))
            continue
        try:
            _check(sync, reader)
        except (Permanent, BadAnswer) as error:
            report.fail(error, "not compared with Zoho")
        finally:
            report.count(reader.client.meter)
        _check_clock(reader, report)


def _check(sync: SyncContext, reader: ModuleReader) -> None:
    module, report = reader.spec.module, reader.report
    if sync.reconcile or _is_in_doubt(sync, reader) or _differs(sync, reader):
        sync.comparisons[module] = repair(sync, reader)
        return
    compared = sync.state.of(module).compared
    if compared is None:
        return
    _note_nameless(report, -compared.more)
    if compared.left:
        report.outcome = "failed"
        report.note(f"{compared.left} records differ as before: {compared.words}")


def _note_nameless(report: ModuleReport, rows: int) -> None:
    if rows > 0:
        report.note(f"{rows} records of Zoho have no usable id, so they are not loaded: see the table rejected_records")


def _check_clock(reader: ModuleReader, report: ModuleReport) -> None:
    if (created := reader.rows.after_clock) is not None:
        report.outcome = "failed"
        report.note(
            f"a record was created at {created:%Y-%m-%d %H:%M:%S} UTC, and Zoho's clock (the Date header) is behind "
            "that: run sync again when the clock of Zoho, or of the proxy on the way, is right"
        )


def _is_in_doubt(sync: SyncContext, reader: ModuleReader) -> bool:
    if not sync.state.of(reader.spec.module).doubt:
        return False
    reader.report.note(
        "an earlier sync or this one had a wrong clock, left a difference or met a record without a usable id: "
        "compared id by id"
    )
    return True


def _differs(sync: SyncContext, reader: ModuleReader) -> bool:
    if reader.unchanged or not reader.routes.can_query:
        return False
    module, hi = reader.spec.module, sync.window.hi
    try:
        there = reader.routes.there = reader.routes.there or reader.routes.ask_totals()
    except Permanent as error:
        log.debug("channel %s: %s cannot be counted: %s", sync.channel.id, module, error)
        return False
    with sync.warehouse.connect() as connection:
        here = live_totals(connection, reader.spec.table, module, sync.channel.id, hi)
    said = change_probe.difference(there, here, hi, sync.state.of(module).compared)
    reader.report.note(f"{said}: compared id by id" if said else "")
    return bool(said)

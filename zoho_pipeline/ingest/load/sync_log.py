"""The log of the runs: one row per module in `sync_runs`, and the status of each module in the registry."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from zoho_pipeline.channels.errors import LockLost
from zoho_pipeline.channels.registry.model import ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.sync_records import Run
from zoho_pipeline.ingest.catalog.tables import SYNC_RUNS
from zoho_pipeline.ingest.raw.small_tables import insert_rows
from zoho_pipeline.ingest.report import ModuleReport, outcome_of
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.warehouse.connection import RAW_SCHEMA
from zoho_pipeline.warehouse.warehouse import Warehouse


def run_of(
    reports: Iterable[ModuleReport], hi: datetime | None, *, run_id: str | None, whole: bool, spent: float
) -> Run:
    """The results of a sync for the registry.

    Args:
        hi: the end of the window; None: nothing was read.
        whole: the sync was to read every module.
        spent: all credits of the sync, also those that no module spent.
    """
    parts = [
        ModuleSync(
            report.module,
            hi if report.outcome == "complete" else None,
            report.outcome,
            report.rows,
            report.credits,
            report.detail or None,
            report.route or None,
            not_after=hi,
        )
        for report in reports
    ]
    return Run(run_id, whole, parts, max(spent - sum(part.credits for part in parts), 0.0))


def record_failure(
    registry: Registry,
    warehouse: Warehouse,
    channel_id: str,
    modules: Iterable[str],
    run_id: str,
    started_at: datetime,
    error: PipelineError,
    *,
    spent: float,
    whole: bool = False,
) -> None:
    """Log a run that read nothing (token revoked, credits used up, Zoho not reachable, load failed), per module.

    A run whose end is in `sync_runs` already gets no second row there.

    Args:
        spent: the credits that the run had spent. They count, whatever ended it.
    """
    reports = [ModuleReport(module, outcome=outcome_of(error), detail=str(error)) for module in modules]
    if isinstance(error, LockLost):  # the status of the channel belongs to another run
        registry.add_credits(channel_id, spent)
    else:
        registry.record_runs({channel_id: run_of(reports, None, run_id=run_id, whole=whole, spent=spent)})
    with warehouse.connect(read_only=False) as connection:
        if SYNC_RUNS.name not in connection.tables(RAW_SCHEMA):  # before the first successful run
            return
        # a group of endings may be stored when the registry fails, and the locks be lost with it before a second try
        written = f"select 1 from {RAW_SCHEMA}.{SYNC_RUNS.name} where channel_id = ? and run_id = ?"  # noqa: S608
        if not connection.fetch(written, (channel_id, run_id))[1]:
            now = registry.database.now()
            insert_rows(connection, SYNC_RUNS, [row(channel_id, run_id, started_at, report, now) for report in reports])


def row(
    channel_id: str, run_id: str, started_at: datetime, report: ModuleReport, finished_at: datetime
) -> dict[str, Any]:
    """The row of `sync_runs` for one module."""
    return {
        "channel_id": channel_id,
        "run_id": run_id,
        "module": report.module,
        "started_at": started_at,
        "finished_at": finished_at,
        "duration_seconds": report.seconds,
        "route": report.route or None,
        "route_reason": report.route_reason or None,
        "window_start": report.window_start,
        "window_end": report.window_end,
        "rows": report.rows,
        "deleted_rows": report.deleted_rows,
        "rejected_rows": report.rejected_rows,
        "credits": report.credits,
        "tokens": report.tokens,
        "requests": report.requests,
        "outcome": report.outcome,
        "detail": report.detail or None,
    }

"""What a sync tells Dagster: materialisations with their figures, and checks, channel by channel.

Events are logged as each channel ends rather than yielded at the end of the run: what is done is
shown, and stays, whatever becomes of the rest of the batch.
"""

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from dagster import AssetCheckEvaluation

from zoho_pipeline.ingest.catalog.tables import BY_MODULE, MODULE_TABLES
from zoho_pipeline.orchestration.assets.asset_keys import raw_key

if TYPE_CHECKING:
    from zoho_pipeline.ingest.report import ModuleReport, ReconcileReport, SyncReport

SYNCED, MATCHES_ZOHO, FRESH = "synced", "matches_zoho", "fresh"
CHANNELS_KEY = raw_key("channels")
MODULE_NAMES = frozenset(table.name for table in MODULE_TABLES)
EVERY_SYNC = frozenset({"channels", "sync_runs"})
"""Tables without a module that each sync writes to."""


class Spent:
    """Seconds of the clock, and of this process's CPU, in the block."""

    def __enter__(self) -> Self:
        self._began, self._used = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds, self.cpu = time.monotonic() - self._began, time.process_time() - self._used


def keep_connection(instance: dg.DagsterInstance) -> None:
    """Let this process keep its connection to the event log, as Dagster's webserver does.

    Otherwise Postgres is connected to anew three times an event: 18 ms, of hundreds of events a run, against 4.
    """
    instance.event_log_storage.optimize_for_webserver(statement_timeout=600_000, pool_recycle=3_600, max_overflow=4)


def log_sync(context: dg.OpExecutionContext, report: "SyncReport", tables: Iterable[str], *, whole: bool) -> None:
    """A materialisation of this channel's partition for every table whose module did not fail.

    Of the tables that come along with a sync (users, stages, deletions …) only those that it wrote to; with
    `whole`, as after a first sync, all. At 5,000 channels the others would be 50,000 events a night.
    """
    parts = {_table_of(module): module for module in report.modules}
    written = _written(report)
    for table in sorted(tables):
        part = parts.get(table)
        if part.outcome == "failed" if part else not report.complete:
            continue
        if whole or table in MODULE_NAMES or table in written:
            metadata = module_metadata(part) if part else {"run_id": report.run_id}
            context.log_event(dg.AssetMaterialization(raw_key(table), partition=report.channel_id, metadata=metadata))


def _table_of(module: "ModuleReport") -> str:
    return BY_MODULE[module.module].name if module.module in BY_MODULE else module.module


def _written(report: "SyncReport") -> set[str]:
    """The tables without a module of their own that got rows."""
    rows = {"deleted_records": "deleted_rows", "rejected_records": "rejected_rows"}
    found = {table for table, count in rows.items() if any(getattr(m, count) for m in report.modules)}
    return found | {_table_of(m) for m in report.modules if m.rows} | EVERY_SYNC


def log_synced(context: dg.OpExecutionContext, channel_id: str, trouble: str | None, spent: Spent) -> None:
    """The channel's one clear event: its last sync completed, or why it did not, and what it took."""
    figures = {"seconds": round(spent.seconds, 3), "cpu_seconds": round(spent.cpu, 3)}
    log_check(context, CHANNELS_KEY, SYNCED, channel_id, trouble is None, {"reason": trouble or "complete"} | figures)


def log_reconciled(context: dg.OpExecutionContext, report: "ReconcileReport") -> None:
    """A check a module: no record differed, or how many did (they are repaired: severity is a warning)."""
    for found in report.comparisons:
        table = BY_MODULE.get(found.module)
        if table is None:
            continue
        names = ("source_rows", "warehouse_rows", "added", "updated", "removed")
        figures = {name: getattr(found, name) for name in names}
        same = not (found.added or found.updated or found.removed)
        metadata = {**figures, "route": found.route}
        log_check(context, raw_key(table.name), MATCHES_ZOHO, report.channel_id, same, metadata, warn=True)


def log_check(
    context: dg.OpExecutionContext,
    asset: dg.AssetKey,
    name: str,
    channel_id: str,
    passed: bool,
    metadata: Mapping[str, Any],
    *,
    warn: bool = False,
) -> None:
    """One evaluation of a check for one channel."""
    context.log_event(
        AssetCheckEvaluation(  # type: ignore[arg-type]  # taken by the code, not yet by its annotation
            asset_key=asset,
            check_name=name,
            passed=passed,
            metadata=metadata,
            severity=dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR,
            partition=channel_id,
        )
    )


def module_metadata(module: "ModuleReport") -> dict[str, Any]:
    """The figures of one module's sync; the UI plots each of them over time."""
    facts: dict[str, Any] = {
        "rows": module.rows,
        "deleted_rows": module.deleted_rows,
        "rejected_rows": module.rejected_rows,
        "credits": module.credits,
        "requests": module.requests,
        "tokens": module.tokens,
        "seconds": round(module.seconds, 3),
        "rows_per_second": round(module.rows / module.seconds, 1) if module.seconds else 0.0,
        "route": module.route or "none",
        "outcome": module.outcome,
    }
    words = {"route_reason": module.route_reason, "detail": module.detail}
    facts |= {name: text for name, text in words.items() if text}
    if module.window_end is not None:
        facts["window_end"] = dg.MetadataValue.timestamp(module.window_end)
    return facts

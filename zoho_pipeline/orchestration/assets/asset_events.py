"""What a sync logs to Dagster for one channel: materializations with their numbers, and check evaluations.

The events are logged when a channel ends and not when the run ends. So the UI shows finished channels at once, and
their events remain when a later channel of the batch ends the run.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
from dagster import AssetCheckEvaluation

from zoho_pipeline.ingest.catalog.chosen_modules import MODULE_RECORD_PARTS
from zoho_pipeline.ingest.catalog.tables import BY_MODULE, BY_NAME, MODULE_TABLES
from zoho_pipeline.orchestration.naming import Naming

if TYPE_CHECKING:
    from zoho_pipeline.ingest.report import ModuleReport, ReconcileReport, SyncReport

SYNCED, MATCHES_ZOHO, FRESH = "synced", "matches_zoho", "fresh"
MODULE_TABLE_NAMES = frozenset(table.name for table in MODULE_TABLES)
WRITTEN_BY_EVERY_SYNC = frozenset({"channels", "sync_runs"})
"""Tables without a Zoho module that every sync writes to."""


class Stopwatch:
    """Measures a `with` block: `seconds` of elapsed time and `cpu_seconds` of this process."""

    def __enter__(self) -> Self:
        self._started, self._cpu_started = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._started
        self.cpu_seconds = time.process_time() - self._cpu_started


def keep_event_log_connection(instance: dg.DagsterInstance) -> None:
    """Let this process keep its connection to the event log, as Dagster's webserver does.

    Without it, Dagster connects to Postgres three times per event: 18 ms per event instead of 4, and a run writes
    hundreds of events.
    """
    instance.event_log_storage.optimize_for_webserver(statement_timeout=600_000, pool_recycle=3_600, max_overflow=4)


def committed_together(instance: dg.DagsterInstance) -> AbstractContextManager[None]:
    """A block whose events are committed at its end, where the event log is ours. Elsewhere it changes nothing."""
    one_commit = getattr(instance.event_log_storage, "one_commit", nullcontext)
    block: AbstractContextManager[None] = one_commit()
    return block


def hide_unyielded_checks(context: dg.OpExecutionContext) -> None:
    """Keep Dagster's line about checks without a result out of the log of this step.

    A refresh with nothing to do evaluates no check, and Dagster then names all 160 of them in one line of 9 kB. The
    checks of a sync are logged per channel, which Dagster does not count either.
    """
    context.log.addFilter(_is_not_about_unyielded_checks)


def _is_not_about_unyielded_checks(record: logging.LogRecord) -> bool:
    return "did not yield or return expected outputs" not in record.getMessage()


def log_materializations(
    context: dg.OpExecutionContext, naming: Naming, report: "SyncReport", tables: Iterable[str], *, all_tables: bool
) -> None:
    """Log a materialization of this channel's partition for each of `tables` whose module did not fail.

    Tables without a module of their own (users, stages, deletions …) are logged only when the sync wrote to them, or
    when `all_tables` is true, as after a first sync. With 5,000 channels, the rest would be 50,000 events per night.
    """
    # chosen modules share a table, and it failed if one of them did
    ordered = sorted(report.modules, key=lambda module: module.outcome == "failed")
    modules = {_table_name(module): module for module in ordered}
    with_new_rows = _tables_with_new_rows(report)
    for table in sorted(tables):
        module = modules.get(table)
        failed = module.outcome == "failed" if module else not report.complete
        if failed:
            continue
        if all_tables or table in MODULE_TABLE_NAMES or table in with_new_rows:
            metadata = module_metadata(module) if module else {"run_id": report.run_id}
            key = naming.raw_key(table)
            context.log_event(dg.AssetMaterialization(key, partition=report.channel_id, metadata=metadata))


def _table_name(module: "ModuleReport") -> str:
    return module.table or module.module


def _tables_with_new_rows(report: "SyncReport") -> set[str]:
    counts = {"deleted_records": "deleted_rows", "rejected_records": "rejected_rows"}
    found = {table for table, count in counts.items() if any(getattr(m, count) for m in report.modules)}
    # a reference table counts the rows that it has at Zoho, and mostly they are those of the warehouse
    found |= {_table_name(m) for m in report.modules if m.rows and m.module not in BY_NAME}
    if any("single" in m.route.split("+") for m in report.modules if m.route):
        found.add(MODULE_RECORD_PARTS.name)
    return found | set(report.written) | WRITTEN_BY_EVERY_SYNC


def log_synced_check(
    context: dg.OpExecutionContext,
    naming: Naming,
    channel_id: str,
    failure_reason: str | None,
    seconds: float,
    cpu_seconds: float,
) -> None:
    """Log check `synced` of one channel: whether its sync completed, why it did not, and how long it took.

    Args:
        cpu_seconds: of the whole process, since the check of another channel was logged.
    """
    numbers = {"seconds": round(seconds, 3), "cpu_seconds": round(cpu_seconds, 3)}
    metadata = {"reason": failure_reason or "complete"} | numbers
    log_check_evaluation(context, naming.channels_key, SYNCED, channel_id, failure_reason is None, metadata)


def log_matches_zoho_checks(context: dg.OpExecutionContext, naming: Naming, report: "ReconcileReport") -> None:
    """Log check `matches_zoho` per module. A difference is a warning and no error: the reconciliation repaired it."""
    for comparison in report.comparisons:
        table = BY_MODULE.get(comparison.module)
        if table is None:
            continue
        names = ("source_rows", "warehouse_rows", "added", "updated", "removed")
        numbers = {name: getattr(comparison, name) for name in names}
        equal = not (comparison.added or comparison.updated or comparison.removed)
        metadata = {**numbers, "route": comparison.route}
        key = naming.raw_key(table.name)
        log_check_evaluation(context, key, MATCHES_ZOHO, report.channel_id, equal, metadata, warn=True)


def log_check_evaluation(
    context: dg.OpExecutionContext,
    asset: dg.AssetKey,
    name: str,
    channel_id: str,
    passed: bool,
    metadata: Mapping[str, Any],
    *,
    warn: bool = False,
) -> None:
    """Log one evaluation of a check for one channel. `warn`: a failed check is a warning instead of an error."""
    context.log_event(
        AssetCheckEvaluation(  # type: ignore[arg-type]  # log_event accepts it, but its annotation does not say so yet
            asset_key=asset,
            check_name=name,
            passed=passed,
            metadata=metadata,
            severity=dg.AssetCheckSeverity.WARN if warn else dg.AssetCheckSeverity.ERROR,
            partition=channel_id,
        )
    )


def module_metadata(module: "ModuleReport") -> dict[str, Any]:
    """The metadata of one module's materialization. The Dagster UI plots each number over time."""
    metadata: dict[str, Any] = {
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
    texts = {"route_reason": module.route_reason, "detail": module.detail}
    metadata |= {name: text for name, text in texts.items() if text}
    if module.window_end is not None:
        metadata["window_end"] = dg.MetadataValue.timestamp(module.window_end)
    return metadata

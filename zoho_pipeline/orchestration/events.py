"""What a sync tells Dagster: materialisations with their figures, and checks, channel by channel.

Events are logged as each channel ends rather than yielded at the end of the run: what is done is
shown, and stays, whatever becomes of the rest of the batch.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import AssetCheckEvaluation

from zoho_pipeline.ingest.catalog import BY_MODULE
from zoho_pipeline.orchestration.keys import raw_key

if TYPE_CHECKING:
    from zoho_pipeline.ingest.reconcile import ReconcileReport
    from zoho_pipeline.ingest.report import ModuleReport, SyncReport

SYNCED, MATCHES_ZOHO, FRESH = "synced", "matches_zoho", "fresh"
CHANNELS_KEY = raw_key("channels")


def log_sync(context: dg.OpExecutionContext, report: "SyncReport", tables: Iterable[str]) -> None:
    """A materialisation of this channel's partition for every table whose module did not fail."""
    by_table = {BY_MODULE[m.module].name: m for m in report.modules if m.module in BY_MODULE}
    for table in sorted(tables):
        module = by_table.get(table)
        if module.outcome == "failed" if module else not report.complete:
            continue
        metadata = module_metadata(module) if module else {"run_id": report.run_id}
        context.log_event(dg.AssetMaterialization(raw_key(table), partition=report.channel_id, metadata=metadata))


def log_synced(context: dg.OpExecutionContext, channel_id: str, trouble: str | None) -> None:
    """The channel's one clear event: its last sync completed, or why it did not."""
    log_check(context, CHANNELS_KEY, SYNCED, channel_id, trouble is None, {"reason": trouble or "complete"})


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
        "route_reason": module.route_reason or "",
        "outcome": module.outcome,
        "detail": module.detail or "",
    }
    if module.window_end is not None:
        facts["window_end"] = dg.MetadataValue.timestamp(module.window_end)
    return facts

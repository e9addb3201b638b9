"""Model assets: one asset per SQL model, with the tests of its yml and the singular tests as asset checks.

One step builds all models of a run, because the marts are published together. A mart that was materialized apart
from the others could contradict them. The checks are a part of the build. So a run of checks alone builds and publishes
all models for all channels: without that, it would check nothing while nothing has changed.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from zoho_pipeline.orchestration.assets.asset_events import hide_unyielded_checks, keep_event_log_connection
from zoho_pipeline.orchestration.assets.model_manifest import CheckEntry, ModelManifest
from zoho_pipeline.orchestration.assets.model_specs import check_specs, column_lineage, model_key
from zoho_pipeline.orchestration.channel_batch import forbid_run_retries, is_permanent
from zoho_pipeline.orchestration.naming import MODELS_OP, Naming
from zoho_pipeline.orchestration.services import Services
from zoho_pipeline.settings import PipelineError

if TYPE_CHECKING:
    from zoho_pipeline.transform.run.checks import CheckResult
    from zoho_pipeline.transform.run.transform import TransformReport

INSIGHT_MART = "channel_insight"
MAX_PAGES = 5
"""Insight pages per event, each of about 5 kB. `zoho-pipeline insight` shows the page of any other channel."""


class TransformConfig(dg.Config):
    """The config of a run that builds the models."""

    as_of: str | None = Field(
        default=None,
        description="An ISO timestamp to count up to. When empty, each channel counts up to its last complete sync.",
    )
    weekly: bool = Field(default=False, description="Mark the channel_insight rows of this run as the weekly ones.")
    full: bool = Field(default=False, description="Rebuild every channel, not only the channels that changed.")


def build_model_assets(naming: Naming, manifest: ModelManifest, specs: Sequence[dg.AssetSpec]) -> dg.AssetsDefinition:
    """The multi-asset of all models, whose specs are those of `model_specs`."""

    @dg.multi_asset(
        name=naming.name(MODELS_OP),
        specs=specs,
        check_specs=check_specs(naming, manifest),
        can_subset=True,
        pool=naming.marts_pool,
        required_resource_keys={naming.resource},
    )
    def models(
        context: dg.AssetExecutionContext, config: TransformConfig
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        services = naming.services(context.resources)
        keep_event_log_connection(context.instance)
        hide_unyielded_checks(context.op_execution_context)
        selected = {key.path[-1] for key in context.selected_asset_keys}
        checks_only = not selected
        select = None if checks_only or selected == manifest.models.keys() else selected
        try:
            report = _transform(services, config, select, full=config.full or checks_only)
        except PipelineError as error:
            if is_permanent(error):
                forbid_run_retries(context.op_execution_context)
            raise
        if not report.published:
            context.log.info("Nothing changed since the last refresh, so nothing was built.")
        for result in _results(naming, manifest, report, services):
            if not checks_only and result.asset_key in context.selected_asset_keys:
                yield result
            elif checks_only and result.asset_key:  # Dagster takes no output of an asset that the run did not plan
                context.log_event(dg.AssetMaterialization(result.asset_key, metadata=result.metadata))
        yield from _check_results(context, naming, manifest, report)
        if report.held_back:
            forbid_run_retries(context.op_execution_context)  # the same data would be held back again
            raise dg.Failure(_held_back(report), metadata=dict(report.held_back), allow_retries=False)
        if report.copy_error:
            raise dg.Failure(report.copy_error)  # a retry copies what is missing

    return models


def _held_back(report: "TransformReport") -> str:
    reasons = "; ".join(f"{channel}: {reason}" for channel, reason in sorted(report.held_back.items()))
    return f"{len(report.held_back)} channels keep their last published rows: {reasons}"


def _transform(
    services: Services, config: TransformConfig, select: set[str] | None, *, full: bool
) -> "TransformReport":
    from zoho_pipeline.ingest.load.channel_tables import publish
    from zoho_pipeline.transform.run.transform import transform

    publish(services.settings, services.registry, services.warehouse)
    report = transform(services.warehouse, as_of=config.as_of, select=select, full=full, weekly=config.weekly)
    if report.published:
        services.registry.record_published(report.channels, report.build_at)
    return report


def _results(
    naming: Naming, manifest: ModelManifest, report: "TransformReport", services: Services
) -> Iterator[dg.MaterializeResult[None]]:
    for built in report.models:
        if built.name in manifest.models:
            model = manifest.models[built.name]
            metadata: dict[str, Any] = {
                "dagster/row_count": built.rows,
                "seconds": round(built.seconds, 3),
                "channels": len(report.channels),
                "model": dg.MetadataValue.path(str(Path(model.path))),
            }
            if lineage := column_lineage(naming, manifest, model):
                metadata["dagster/column_lineage"] = lineage
            if built.name == INSIGHT_MART:
                metadata |= _insight_pages(services, report)
            yield dg.MaterializeResult(asset_key=model_key(naming, manifest, built.name), metadata=metadata)


def _insight_pages(services: Services, report: "TransformReport") -> dict[str, Any]:
    """The insight page of the first rebuilt channels, as markdown with a chart (see `zoho-pipeline insight`)."""
    from zoho_pipeline.reading import insight, insight_page

    shown = [channel for channel in report.channels if channel not in report.held_back][:MAX_PAGES]
    pages = {channel: insight.read(services.warehouse, channel) for channel in shown if report.published}
    texts = {
        c: f"![leads per week]({insight.chart(page)})\n\n{insight_page.markdown(page)}" for c, page in pages.items()
    }
    return {f"insight of {channel}": dg.MetadataValue.md(text) for channel, text in texts.items()}


def _check_results(
    context: dg.AssetExecutionContext, naming: Naming, manifest: ModelManifest, report: "TransformReport"
) -> Iterator[dg.AssetCheckResult]:
    """One result per selected check whose tests ran in this transform."""
    selected = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
    results = {result.name: result for result in report.checks}
    if results:
        passed = sum(result.passed for result in report.checks)
        context.log.info(
            f"{passed} of {len(results)} tests passed. Dagster shows them as {len(manifest.checks)} checks: all "
            "not_null tests of a model are one check, and tests of seeds have none."
        )
    for check in manifest.checks:
        key = model_key(naming, manifest, check.model)
        tests = [results[name] for name in check.tests if name in results]
        if tests and (key, check.name) in selected:
            yield _check_result(key, check, tests)


def _check_result(key: dg.AssetKey, check: CheckEntry, tests: "Sequence[CheckResult]") -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    failed = [test for test in tests if not test.passed]
    channels = sorted({channel or "(no channel)" for test in failed for channel in test.channels})
    metadata: dict[str, Any] = {"tests": len(tests), "failing_rows": sum(test.failures for test in failed)}
    if failed:
        metadata["channels"] = ", ".join(channels)
        metadata["failed"] = "; ".join(f"{test.description or test.name} ({test.failures} rows)" for test in failed)
    return dg.AssetCheckResult(
        asset_key=key, check_name=check.name, passed=not failed, severity=severity, metadata=metadata
    )

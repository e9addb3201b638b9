"""Model assets: one per SQL model, its yml's tests and the invariants as asset checks.

All models of a run are one step, because they are published in one piece: a mart that could be
materialised apart from the others could contradict them.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from zoho_pipeline.orchestration.raw_assets import raw_key
from zoho_pipeline.orchestration.resources import Rooms
from zoho_pipeline.transform.checks import Check, CheckResult, project_checks
from zoho_pipeline.transform.model import Model
from zoho_pipeline.transform.project import Project, Seed

if TYPE_CHECKING:
    from zoho_pipeline.transform.run import TransformReport

MODELS_OP = "models"
INSIGHT_MARTS = frozenset({"channel_insight", "topic_performance"})
POOL = "marts"  # one publication at a time: the published file is replaced whole


class TransformConfig(dg.Config):
    """What a run of the models may be asked for."""

    as_of: str | None = None  # ISO instant; None: the last complete sync of each channel
    weekly: bool = False  # mark the channel_insight rows of this run as the week's
    full: bool = False  # recompute every channel, not only those that changed


def model_key(model: Model | Seed) -> dg.AssetKey:
    return dg.AssetKey([model.layer if isinstance(model, Model) else "seeds", model.name])


def build_model_assets(dialect: str) -> dg.AssetsDefinition:
    """The multi-asset of all models; `dialect` is shown as the storage kind."""
    project = Project.load()
    checks = project_checks(project)
    on_models = [check for check in checks if check.model in project.models]

    @dg.multi_asset(
        name=MODELS_OP,
        specs=[_spec(project, model, dialect) for model in project.models.values()],
        check_specs=[_check_spec(project, check) for check in on_models],
        can_subset=True,
        pool=POOL,
    )
    def models(
        context: dg.AssetExecutionContext, config: TransformConfig, rooms: dg.ResourceParam[Rooms]
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        selected = {key.path[-1] for key in context.selected_asset_keys}
        report = _transform(rooms, config, selected if selected != set(project.models) else None)
        yield from _results(project, report, selected)
        yield from _check_results(context, project, report)
        if report.held_back:
            raise dg.Failure(_held_back(report), metadata=dict(report.held_back), allow_retries=False)

    return models


def _held_back(report: "TransformReport") -> str:
    kept = "; ".join(f"{channel}: {why}" for channel, why in sorted(report.held_back.items()))
    return f"{len(report.held_back)} channels keep their last published rows: {kept}"


def _spec(project: Project, model: Model, dialect: str) -> dg.AssetSpec:
    deps = [model_key(project.models[name]) for name in model.depends_on if name in project.models]
    columns = [
        dg.TableColumn(column.name, column.data_type or "unknown", description=column.description or None)
        for column in model.docs.columns
    ]
    metadata: dict[str, object] = {
        "dagster/table_name": f"{model.layer}.{model.name}",
        "sql": dg.MetadataValue.md(f"```sql\n{model.text.strip()}\n```"),
    }
    if columns:
        metadata["dagster/column_schema"] = dg.TableSchema(columns=columns)
    return dg.AssetSpec(
        model_key(model),
        deps=[*deps, *(raw_key(table) for table in model.raw_tables)],
        description=model.description or None,
        group_name="insight" if model.name in INSIGHT_MARTS else model.layer,
        kinds={"sql", dialect},
        skippable=True,
        metadata=metadata,
        code_version=project.fingerprint[:12],
    )


def _check_spec(project: Project, check: Check) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=model_key(project.models[check.model]),
        description=check.description or None,
        blocking=False,  # the runner itself keeps a broken channel's rows back
    )


def _transform(rooms: Rooms, config: TransformConfig, select: set[str] | None) -> "TransformReport":
    from zoho_pipeline.ingest.registry_tables import publish
    from zoho_pipeline.transform.run import transform

    publish(rooms.settings, rooms.registry, rooms.warehouse)
    return transform(rooms.warehouse, as_of=config.as_of, select=select, full=config.full, weekly=config.weekly)


def _results(project: Project, report: "TransformReport", selected: set[str]) -> Iterator[dg.MaterializeResult[None]]:
    for built in report.models:
        if built.name in selected:
            yield dg.MaterializeResult(
                asset_key=model_key(project.models[built.name]),
                metadata={"dagster/row_count": built.rows, "seconds": round(built.seconds, 3)},
            )


def _check_results(
    context: dg.AssetExecutionContext, project: Project, report: "TransformReport"
) -> Iterator[dg.AssetCheckResult]:
    wanted = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
    for result in report.checks:
        if result.model not in project.models:
            continue
        key = model_key(project.models[result.model])
        if (key, result.name) in wanted:
            yield _check_result(key, result)


def _check_result(key: dg.AssetKey, result: CheckResult) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if result.severity == "error" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=result.name,
        passed=result.passed,
        severity=severity,
        metadata={
            "failing_rows": result.failures,
            "channels": ", ".join(channel or "(no channel)" for channel in result.channels),
        },
    )

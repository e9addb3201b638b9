"""Model assets: one per SQL model, its yml's tests and the invariants as asset checks.

All models of a run are one step, because they are published in one piece: a mart that could be
materialised apart from the others could contradict them.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from zoho_pipeline.orchestration.assets.asset_events import keep_connection
from zoho_pipeline.orchestration.assets.asset_keys import ANALYSTS, ENGINEERS, RAW_GROUP, file_link, raw_key
from zoho_pipeline.orchestration.assets.model_manifest import Catalogue, CheckEntry, ColumnEntry, ModelEntry
from zoho_pipeline.orchestration.assets.raw_specs import FRESHNESS
from zoho_pipeline.orchestration.pools import MARTS_POOL
from zoho_pipeline.orchestration.services import Rooms

if TYPE_CHECKING:
    from zoho_pipeline.transform.run.checks import CheckResult
    from zoho_pipeline.transform.run.transform import TransformReport

MODELS_OP = "models"
INSIGHT_MARTS = frozenset({"channel_insight", "topic_performance"})
INSIGHT_MART = "channel_insight"
PAGES_SHOWN = 5  # an event holds some 5 kB a page; the other channels are one `zoho-pipeline insight` away


class TransformConfig(dg.Config):
    """What a run of the models may be asked for."""

    as_of: str | None = Field(default=None, description="ISO instant; none: the last complete sync of each channel.")
    weekly: bool = Field(default=False, description="Mark the channel_insight rows of this run as the week's.")
    full: bool = Field(default=False, description="Recompute every channel, not only those that changed.")


def seed_key(name: str) -> dg.AssetKey:
    return dg.AssetKey(["seeds", name])


def build_model_assets(catalogue: Catalogue, dialect: str) -> dg.AssetsDefinition:
    """The multi-asset of all models; `dialect` is shown as the storage kind."""
    keys = {name: dg.AssetKey([model.layer, name]) for name, model in catalogue.models.items()}

    @dg.multi_asset(
        name=MODELS_OP,
        specs=[_spec(catalogue, model, dialect) for model in catalogue.models.values()],
        check_specs=[_check_spec(keys[check.model], check) for check in catalogue.checks],
        can_subset=True,
        pool=MARTS_POOL,
    )
    def models(
        context: dg.AssetExecutionContext, config: TransformConfig, rooms: dg.ResourceParam[Rooms]
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        keep_connection(context.instance)
        selected = {key.path[-1] for key in context.selected_asset_keys}
        report = _transform(rooms, config, selected if selected != set(keys) else None)
        yield from _results(catalogue, report, selected, rooms)
        yield from _check_results(context, catalogue, report)
        if report.held_back:
            raise dg.Failure(_held_back(report), metadata=dict(report.held_back), allow_retries=False)

    return models


def seed_specs(catalogue: Catalogue) -> list[dg.AssetSpec]:
    """The CSV files of the project: they change with a release, never with a run."""
    return [
        dg.AssetSpec(
            seed_key(name),
            description="A CSV file of the SQL project; edit it and refresh the marts.",
            group_name="seeds",
            owners=[ANALYSTS],
            kinds={"csv"},
            metadata=file_link(path),
        )
        for name, path in catalogue.seeds.items()
    ]


def _held_back(report: "TransformReport") -> str:
    kept = "; ".join(f"{channel}: {why}" for channel, why in sorted(report.held_back.items()))
    return f"{len(report.held_back)} channels keep their last published rows: {kept}"


def _key(catalogue: Catalogue, name: str) -> dg.AssetKey:
    """The asset of a relation as the models call it: a model, a seed, or `zoho_raw.table`."""
    schema, _, table = name.rpartition(".")
    if schema == RAW_GROUP:
        return raw_key(table)
    return seed_key(name) if name in catalogue.seeds else dg.AssetKey([catalogue.models[name].layer, name])


def _spec(catalogue: Catalogue, model: ModelEntry, dialect: str) -> dg.AssetSpec:
    raw = [
        dg.AssetDep(raw_key(table), partition_mapping=dg.AllPartitionMapping()) for table in model.raw_tables
    ]  # a model is built over all channels at once
    metadata: dict[str, object] = {
        "dagster/table_name": f"{model.layer}.{model.name}",
        "sql": dg.MetadataValue.md(f"```sql\n{model.text}\n```"),
        **file_link(model.path),
    }
    if model.primary_key:
        metadata["primary_key"] = ", ".join(model.primary_key)
    if model.columns:
        metadata["dagster/column_schema"] = dg.TableSchema(columns=[_column(column) for column in model.columns])
    if lineage := _lineage(catalogue, model):
        metadata["dagster/column_lineage"] = lineage
    return dg.AssetSpec(
        dg.AssetKey([model.layer, model.name]),
        deps=[*(_key(catalogue, name) for name in model.depends_on), *raw],
        description=model.description or None,
        group_name="insight" if model.name in INSIGHT_MARTS else model.layer,
        owners=[ENGINEERS if model.layer == "staging" else ANALYSTS],
        kinds={"sql", dialect},
        skippable=True,
        freshness_policy=FRESHNESS if model.layer == "marts" else None,
        metadata=metadata,
        code_version=catalogue.fingerprint[:12],
    )


def _column(column: ColumnEntry) -> dg.TableColumn:
    """A column with its origin in words: Dagster's open-source UI lists columns, not their lineage."""
    origins = ", ".join(f"{relation}.{name}" for relation, name in column.origins)
    described = " ".join(part for part in (column.description, f"← {origins}" if origins else "") if part)
    return dg.TableColumn(column.name, column.data_type or "unknown", description=described or None)


def _lineage(catalogue: Catalogue, model: ModelEntry) -> dg.TableColumnLineage | None:
    known = catalogue.models.keys() | catalogue.seeds.keys()
    deps = {
        column.name: [
            dg.TableColumnDep(asset_key=_key(catalogue, relation), column_name=name)
            for relation, name in column.origins
            if relation in known or relation.startswith(f"{RAW_GROUP}.")
        ]
        for column in model.columns
    }
    found = {name: origins for name, origins in deps.items() if origins}
    return dg.TableColumnLineage(found) if found else None


def _check_spec(asset: dg.AssetKey, check: CheckEntry) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=asset,
        description=check.description or None,
        blocking=False,  # the runner itself keeps a broken channel's rows back
        metadata={"severity": check.severity},
    )


def _transform(rooms: Rooms, config: TransformConfig, select: set[str] | None) -> "TransformReport":
    from zoho_pipeline.ingest.load.channel_tables import publish
    from zoho_pipeline.transform.run.transform import transform

    publish(rooms.settings, rooms.registry, rooms.warehouse)
    return transform(rooms.warehouse, as_of=config.as_of, select=select, full=config.full, weekly=config.weekly)


def _results(
    catalogue: Catalogue, report: "TransformReport", selected: set[str], rooms: Rooms
) -> Iterator[dg.MaterializeResult[None]]:
    for built in report.models:
        if built.name in selected:
            model = catalogue.models[built.name]
            metadata: dict[str, Any] = {
                "dagster/row_count": built.rows,
                "seconds": round(built.seconds, 3),
                "channels": len(report.channels),
                "model": dg.MetadataValue.path(str(Path(model.path))),
            }
            if lineage := _lineage(catalogue, model):
                metadata["dagster/column_lineage"] = lineage
            if built.name == INSIGHT_MART:
                metadata |= _insight_pages(rooms, report)
            yield dg.MaterializeResult(asset_key=_key(catalogue, built.name), metadata=metadata)


def _insight_pages(rooms: Rooms, report: "TransformReport") -> dict[str, Any]:
    """The page that `zoho-pipeline insight` prints, as markdown with its chart, of the first channels rebuilt."""
    from zoho_pipeline.reading import insight, insight_page

    going = [channel for channel in report.channels if channel not in report.held_back][:PAGES_SHOWN]
    pages = {channel: insight.read(rooms.warehouse, channel) for channel in going if report.published}
    texts = {c: f"![leads a week]({insight.chart(page)})\n\n{insight_page.markdown(page)}" for c, page in pages.items()}
    return {f"insight of {channel}": dg.MetadataValue.md(text) for channel, text in texts.items()}


def _check_results(
    context: dg.AssetExecutionContext, catalogue: Catalogue, report: "TransformReport"
) -> Iterator[dg.AssetCheckResult]:
    """A result for each selected check whose tests ran in this transform."""
    wanted = {(key.asset_key, key.name) for key in context.selected_asset_check_keys}
    ran = {result.name: result for result in report.checks}
    for check in catalogue.checks:
        key = _key(catalogue, check.model)
        parts = [ran[name] for name in check.tests if name in ran]
        if parts and (key, check.name) in wanted:
            yield _check_result(key, check, parts)


def _check_result(key: dg.AssetKey, check: CheckEntry, parts: "Sequence[CheckResult]") -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    broken = [part for part in parts if not part.passed]
    channels = sorted({channel or "(no channel)" for part in broken for channel in part.channels})
    metadata: dict[str, Any] = {"failing_rows": sum(part.failures for part in broken)}
    if broken:
        metadata["channels"] = ", ".join(channels)
        metadata["failed"] = "; ".join(f"{part.description or part.name} ({part.failures} rows)" for part in broken)
    return dg.AssetCheckResult(
        asset_key=key, check_name=check.name, passed=not broken, severity=severity, metadata=metadata
    )

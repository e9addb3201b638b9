"""Specs of the SQL models, their checks and the seeds: what Dagster shows of them."""

import dagster as dg

from zoho_pipeline.orchestration.assets.asset_tags import (
    SEED,
    column_tags,
    file_link,
    layer_of,
    personal_columns_of_models,
    tags_of,
)
from zoho_pipeline.orchestration.assets.model_manifest import CheckEntry, ColumnEntry, ModelEntry, ModelManifest
from zoho_pipeline.orchestration.assets.raw_specs import FRESHNESS
from zoho_pipeline.orchestration.naming import INSIGHT_GROUP, RAW_GROUP, SEED_GROUP, Naming

INSIGHT_MARTS = frozenset({"channel_insight", "topic_performance"})
BLOCKS_ROWS = "the new rows of each channel with a failing row"
BLOCKS_NOTHING = "nothing"
_FAILED = {
    "error": "If it fails, the channels with failing rows keep their last published rows in every mart, the other "
    "channels are published, and the run fails.",
    "warn": "If it fails, Dagster shows a warning. It blocks nothing.",
}


def model_specs(naming: Naming, manifest: ModelManifest, dialect: str) -> list[dg.AssetSpec]:
    """One spec per model. `dialect` (`duckdb` or `postgres`) is shown as the storage kind."""
    personal = personal_columns_of_models(manifest)
    return [_spec(naming, manifest, model, dialect, personal[model.name]) for model in manifest.models.values()]


def check_specs(naming: Naming, manifest: ModelManifest) -> list[dg.AssetCheckSpec]:
    """One spec per check. It says what a failure blocks."""
    return [_check_spec(model_key(naming, manifest, check.model), check) for check in manifest.checks]


def seed_specs(naming: Naming, manifest: ModelManifest) -> list[dg.AssetSpec]:
    """Specs of the seeds. No run materializes them: they change only with a release."""
    return [
        dg.AssetSpec(
            naming.seed_key(name),
            description="A CSV file of the SQL project. After you edit it, refresh the marts.",
            group_name=naming.group(SEED_GROUP),
            tags=tags_of(SEED, ()),
            kinds={"csv"},
            metadata=file_link(path),
        )
        for name, path in manifest.seeds.items()
    ]


def model_key(naming: Naming, manifest: ModelManifest, name: str) -> dg.AssetKey:
    """The asset of a relation by its name in SQL: a model, a seed, or `zoho_raw.table`."""
    schema, _, table = name.rpartition(".")
    if schema == RAW_GROUP:
        return naming.raw_key(table)
    return naming.seed_key(name) if name in manifest.seeds else naming.key(manifest.models[name].layer, name)


def _spec(
    naming: Naming, manifest: ModelManifest, model: ModelEntry, dialect: str, personal: frozenset[str]
) -> dg.AssetSpec:
    raw = [
        dg.AssetDep(naming.raw_key(table), partition_mapping=dg.AllPartitionMapping()) for table in model.raw_tables
    ]  # a model reads the rows of all channels
    metadata: dict[str, object] = {
        "dagster/table_name": f"{model.layer}.{model.name}",
        "sql": dg.MetadataValue.md(f"```sql\n{model.text}\n```"),
        **file_link(model.path),
    }
    if model.primary_key:
        metadata["primary_key"] = ", ".join(model.primary_key)
    if model.columns:
        metadata["dagster/column_schema"] = dg.TableSchema(
            columns=[_column(column, personal) for column in model.columns]
        )
    if lineage := column_lineage(naming, manifest, model):
        metadata["dagster/column_lineage"] = lineage
    return dg.AssetSpec(
        naming.key(model.layer, model.name),
        deps=[*(model_key(naming, manifest, name) for name in model.depends_on), *raw],
        description=model.description or None,
        group_name=naming.group(INSIGHT_GROUP if model.name in INSIGHT_MARTS else model.layer),
        tags=tags_of(layer_of(model), personal),
        kinds={"sql", dialect},
        skippable=True,
        freshness_policy=FRESHNESS if model.layer == "marts" else None,
        metadata=metadata,
        code_version=manifest.fingerprint[:12],
    )


def _column(column: ColumnEntry, personal: frozenset[str]) -> dg.TableColumn:
    """A column whose description names its origins: Dagster's open-source UI shows columns without their lineage."""
    origins = ", ".join(f"{relation}.{name}" for relation, name in column.origins)
    described = " ".join(part for part in (column.description, f"← {origins}" if origins else "") if part)
    tags = column_tags(column.name, personal)
    return dg.TableColumn(column.name, column.data_type or "unknown", description=described or None, tags=tags)


def column_lineage(naming: Naming, manifest: ModelManifest, model: ModelEntry) -> dg.TableColumnLineage | None:
    """The columns that each column of a model is made of; None if no lineage is known."""
    known = manifest.models.keys() | manifest.seeds.keys()
    deps = {
        column.name: [
            dg.TableColumnDep(asset_key=model_key(naming, manifest, relation), column_name=name)
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
        description=f"{check.description.rstrip('.')}. {_FAILED[check.severity]}".lstrip(". "),
        # The transform itself keeps the rows of the failing channels back, and the step fails. So Dagster starts
        # nothing in this run that reads the models, which is what `blocking` means.
        blocking=check.severity == "error",
        metadata={"severity": check.severity, "blocks": BLOCKS_ROWS if check.severity == "error" else BLOCKS_NOTHING},
    )

"""The tags of assets: their layer, and whether they hold personal data; and the links to their files."""

from collections.abc import Collection, Mapping
from pathlib import Path

import dagster as dg

from zoho_pipeline.ingest.catalog.personal import personal_columns
from zoho_pipeline.ingest.catalog.tables import RAW_TABLES
from zoho_pipeline.orchestration.assets.model_manifest import ColumnEntry, ModelEntry, ModelManifest
from zoho_pipeline.orchestration.naming import RAW_GROUP

LAYER, PII = "layer", "pii"
SOURCE, RAW, SEED, STAGING, INTERMEDIATE = "source", "raw", "seed", "staging", "intermediate"
METRIC, MART, INSIGHT = "metric", "mart", "insight"
LAYERS = (SOURCE, RAW, SEED, STAGING, INTERMEDIATE, MART, METRIC, INSIGHT)
"""In the order in which data moves. `source` is a module of Zoho; `insight` are the marts of `marts/insight`."""
MODEL_LAYERS = (STAGING, INTERMEDIATE, MART, METRIC, INSIGHT)
"""The layers of the SQL models, which one step builds."""

_LAYER_OF_FOLDER = {"metrics": METRIC, "marts": MART}
_JSON, _TEXTS = "json", ("text", "unknown", "")


def layer_of(model: ModelEntry) -> str:
    """The layer of a model, by its folder in the SQL project."""
    if model.layer == "marts" and Path(model.path).parent.name == INSIGHT:
        return INSIGHT
    return _LAYER_OF_FOLDER.get(model.layer, model.layer)


def tags_of(layer: str, personal: Collection[str]) -> dict[str, str]:
    """The tags of an asset. `personal` are its columns with personal data."""
    return {LAYER: layer, PII: "true" if personal else "false"}


def column_tags(name: str, personal: Collection[str]) -> dict[str, str] | None:
    """The tags of a column."""
    return {PII: "true"} if name in personal else None


def personal_columns_of_models(manifest: ModelManifest) -> dict[str, frozenset[str]]:
    """Model → its columns with personal data, found by their lineage from the raw tables.

    A text that is made of a personal text is personal, and so is JSON made of personal JSON. A number, a time or a
    yes/no is not: it tells nobody's name. Neither is a text taken out of JSON: the models take only the parameters of
    campaigns from `custom_fields`.
    """
    types = {table.name: {column.name: column.type for column in table.columns} for table in RAW_TABLES}
    raw = {table.name: personal_columns(table) for table in RAW_TABLES}
    found: dict[str, frozenset[str]] = {}
    json_columns: dict[str, frozenset[str]] = {
        f"{RAW_GROUP}.{name}": frozenset(c for c, kind in columns.items() if kind == _JSON)
        for name, columns in types.items()
    }
    known: dict[str, frozenset[str]] = {f"{RAW_GROUP}.{name}": columns for name, columns in raw.items()}
    for model in manifest.models.values():
        json_columns[model.name] = frozenset(c.name for c in model.columns if c.data_type == _JSON)
        own = frozenset(c.name for c in model.columns if _is_personal(c, known, json_columns))
        known[model.name] = found[model.name] = own
    return found


def _is_personal(
    column: ColumnEntry, known: Mapping[str, Collection[str]], json_columns: Mapping[str, Collection[str]]
) -> bool:
    if column.data_type != _JSON and column.data_type not in _TEXTS:
        return False
    return any(
        name in known.get(relation, ()) and (name in json_columns.get(relation, ())) == (column.data_type == _JSON)
        for relation, name in column.origins
    )


def file_link(path: str | Path) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Metadata that links an asset to the file that defines it."""
    reference = dg.LocalFileCodeReference(file_path=str(path), line_number=1, label=Path(path).name)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}

"""Asset specs of Zoho's modules and of the raw tables: columns and their origins, tags, freshness policy."""

from collections.abc import Collection, Mapping
from datetime import timedelta

import dagster as dg

from zoho_pipeline.ingest.catalog import tables
from zoho_pipeline.ingest.catalog.personal import CUSTOM_FIELDS, personal_columns
from zoho_pipeline.ingest.catalog.tables import MODULE_TABLES, RAW_TABLES, RawTable
from zoho_pipeline.orchestration.assets.asset_tags import PII, RAW, SOURCE, column_tags, file_link, tags_of
from zoho_pipeline.orchestration.naming import RAW_GROUP, ZOHO_GROUP, Naming

WARN_AFTER, FAIL_AFTER = timedelta(hours=26), timedelta(hours=36)
"""A sync runs every night: 26 h allow a delay of two hours. From 36 h on, the models also call the data stale."""

_CUSTOM = "(custom fields)"
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=FAIL_AFTER, warn_window=WARN_AFTER)

DESCRIPTIONS: Mapping[str, str] = {
    "channels": "The channels, as the models need them: tenant, time zone, currency, last complete sync.",
    "deleted_records": "Ids that Zoho reported as deleted. `restored_at` is null while the record is deleted.",
    "module_records": "Every record of the modules beyond the catalogue that a person chose for a channel.",
    "module_record_parts": "Subforms and multi-select lookups of records of chosen modules, where they are asked for.",
    "content_items": "The content items that `zoho-pipeline content load` loaded.",
    "form_submissions": "Posts of landing-page forms with consent: keys of the person, touch fields, suspicions.",
    "person_keys": "Keys of the e-mail addresses and phone numbers of leads, for channels with a form key.",
    "sync_runs": "One row per channel, module and run: route, rows, credits, tokens, window, outcome.",
    "rejected_records": "Values that did not fit their column, with the reason.",
    "channel_field_map": "Per channel: which field of a lead holds the UTM source, the landing page and so on.",
    "channel_lead_source_map": "Per channel: the canonical names of its lead sources.",
    "channel_parameters": "Per channel: the parameters of the models that a person set.",
    "business_intervals": "Business hours as one row per interval: weekday, and local seconds since midnight.",
}


def zoho_specs(naming: Naming) -> list[dg.AssetSpec]:
    """Specs of Zoho's modules, the start of the asset graph. No run materializes them."""
    return [
        dg.AssetSpec(
            naming.zoho_key(str(table.module)),
            description=f"The module {table.module} of Zoho CRM in each connected org.",
            group_name=naming.group(ZOHO_GROUP),
            kinds={"zoho"},
            tags=tags_of(SOURCE, personal_columns(table)),
            metadata={"dagster/column_schema": dg.TableSchema(columns=_zoho_columns(table))},
        )
        for table in MODULE_TABLES
    ]


def _zoho_columns(table: RawTable) -> list[dg.TableColumn]:
    personal = personal_columns(table)
    names: dict[str, bool] = {}
    for column in table.columns:
        if column.api_name:
            names[column.api_name] = names.get(column.api_name, False) or column.name in personal
    names[_CUSTOM] = CUSTOM_FIELDS in personal
    return [dg.TableColumn(name, "field", tags={PII: "true"} if marked else None) for name, marked in names.items()]


def raw_specs(naming: Naming, dialect: str) -> list[dg.AssetSpec]:
    """One spec per raw table: description, Zoho module, typed columns with their origins, primary key.

    `dialect` (`duckdb` or `postgres`) is shown as the storage kind.
    """
    return [_spec(naming, table, dialect) for table in RAW_TABLES]


def _spec(naming: Naming, table: RawTable, dialect: str) -> dg.AssetSpec:
    source = f"Every record of Zoho's module {table.module} that the token may read." if table.module else ""
    personal = personal_columns(table)
    metadata: dict[str, object] = {
        "dagster/column_schema": dg.TableSchema(columns=_columns(table, personal)),
        "dagster/table_name": f"zoho_raw.{table.name}",
        "primary_key": ", ".join(table.key),
        **file_link(tables.__file__),
    }
    if table.module:
        metadata["dagster/column_lineage"] = _lineage(table, naming.zoho_key(table.module))
    return dg.AssetSpec(
        naming.raw_key(table.name),
        deps=[naming.zoho_key(table.module)] if table.module else [],
        description=DESCRIPTIONS.get(table.name, source or f"Zoho's {table.name.replace('_', ' ')}."),
        group_name=naming.group(RAW_GROUP),
        tags=tags_of(RAW, personal),
        kinds={"zoho", "dlt", dialect},
        skippable=True,
        partitions_def=naming.partitions,
        freshness_policy=FRESHNESS,
        metadata=metadata,
    )


def _columns(table: RawTable, personal: Collection[str]) -> list[dg.TableColumn]:
    return [
        dg.TableColumn(
            column.name,
            column.type,
            description=f"Zoho: {column.api_name}" if column.api_name else None,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
            tags=column_tags(column.name, personal),
        )
        for column in table.columns
    ]


def _lineage(table: RawTable, source: dg.AssetKey) -> dg.TableColumnLineage:
    origins = {column.name: column.api_name for column in table.columns if column.api_name}
    if any(column.name == CUSTOM_FIELDS for column in table.columns):
        origins[CUSTOM_FIELDS] = _CUSTOM
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(asset_key=source, column_name=origin)] for name, origin in origins.items()}
    )

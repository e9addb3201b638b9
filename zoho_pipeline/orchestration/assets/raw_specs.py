"""Asset specs of Zoho's modules and of the raw tables: columns, the origin of each column, freshness policy."""

from collections.abc import Mapping
from datetime import timedelta

import dagster as dg

from zoho_pipeline.ingest.catalog import tables
from zoho_pipeline.ingest.catalog.tables import MODULE_TABLES, RAW_TABLES, RawTable
from zoho_pipeline.orchestration.assets.asset_keys import ENGINEERS, RAW_GROUP, ZOHO_GROUP, file_link, raw_key, zoho_key
from zoho_pipeline.orchestration.partitions import channel_partitions

WARN_AFTER, FAIL_AFTER = timedelta(hours=26), timedelta(hours=36)
"""A sync runs every night: 26 h allow a delay of two hours. From 36 h on, the models also call the data stale."""

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


def zoho_specs() -> list[dg.AssetSpec]:
    """Specs of Zoho's modules, the start of the asset graph. No run materializes them."""
    return [
        dg.AssetSpec(
            zoho_key(str(table.module)),
            description=f"The module {table.module} of Zoho CRM in each connected org.",
            group_name=ZOHO_GROUP,
            kinds={"zoho"},
            metadata={"dagster/column_schema": dg.TableSchema(columns=_zoho_columns(table))},
        )
        for table in MODULE_TABLES
    ]


def _zoho_columns(table: RawTable) -> list[dg.TableColumn]:
    names = dict.fromkeys(column.api_name for column in table.columns if column.api_name)
    return [dg.TableColumn(name, "field") for name in [*names, "(custom fields)"]]


def raw_specs(dialect: str) -> list[dg.AssetSpec]:
    """One spec per raw table: description, Zoho module, typed columns with their origins, primary key."""
    return [_spec(table, dialect) for table in RAW_TABLES]


def _spec(table: RawTable, dialect: str) -> dg.AssetSpec:
    source = f"Every record of Zoho's module {table.module} that the token may read." if table.module else ""
    metadata: dict[str, object] = {
        "dagster/column_schema": dg.TableSchema(columns=_columns(table)),
        "dagster/table_name": f"zoho_raw.{table.name}",
        "primary_key": ", ".join(table.key),
        **file_link(tables.__file__),
    }
    if table.module:
        metadata["dagster/column_lineage"] = _lineage(table, zoho_key(table.module))
    return dg.AssetSpec(
        raw_key(table.name),
        deps=[zoho_key(table.module)] if table.module else [],
        description=DESCRIPTIONS.get(table.name, source or f"Zoho's {table.name.replace('_', ' ')}."),
        group_name=RAW_GROUP,
        owners=[ENGINEERS],
        kinds={"zoho", "dlt", dialect},
        skippable=True,
        partitions_def=channel_partitions,
        freshness_policy=FRESHNESS,
        metadata=metadata,
    )


def _columns(table: RawTable) -> list[dg.TableColumn]:
    return [
        dg.TableColumn(
            column.name,
            column.type,
            description=f"Zoho: {column.api_name}" if column.api_name else None,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in table.columns
    ]


def _lineage(table: RawTable, source: dg.AssetKey) -> dg.TableColumnLineage:
    origins = {column.name: column.api_name for column in table.columns if column.api_name}
    if any(column.name == "custom_fields" for column in table.columns):
        origins["custom_fields"] = "(custom fields)"
    return dg.TableColumnLineage(
        {name: [dg.TableColumnDep(asset_key=source, column_name=origin)] for name, origin in origins.items()}
    )

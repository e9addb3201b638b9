"""Raw assets: one per table of schema `zoho_raw`, partitioned by channel, filled by one sync a channel.

A run carries a batch of channels. Events are logged per channel as each finishes, so that one
channel's failure takes nothing from the others: they are materialised, it is not, and the run ends
failed with the failed ones named.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from zoho_pipeline.ingest.catalog import BY_MODULE, RAW_TABLES, RawTable
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN, channel_partitions
from zoho_pipeline.orchestration.resources import Rooms
from zoho_pipeline.settings import PipelineError

if TYPE_CHECKING:
    from zoho_pipeline.ingest.sync import ModuleReport, SyncReport

GROUP = "zoho_raw"

DESCRIPTIONS: Mapping[str, str] = {
    "channels": "What the models need of the registry: tenant, time zone, currency, last complete sync.",
    "deleted_records": "Ids Zoho reported deleted; `restored_at` is null while they are.",
    "content_items": "The content catalogue, loaded with `zoho-pipeline content load`.",
    "sync_runs": "One row a channel, module and run: route, rows, credits, tokens, window, outcome.",
    "rejected_records": "Values that did not fit their column, kept aside with the reason.",
    "channel_field_map": "Which field of a lead holds UTM source, landing page and so on, per channel.",
    "channel_lead_source_map": "Canonical lead source names set for a channel.",
    "channel_parameters": "Parameters of the models set for a channel.",
    "business_intervals": "Business hours unrolled to weekday and local seconds of the day.",
}


def raw_key(table: str) -> dg.AssetKey:
    return dg.AssetKey([GROUP, table])


def raw_specs(dialect: str) -> list[dg.AssetSpec]:
    """A spec for every raw table: description, Zoho module, typed columns, primary key."""
    return [_spec(table, dialect) for table in RAW_TABLES]


def _spec(table: RawTable, dialect: str) -> dg.AssetSpec:
    source = f"Zoho's module {table.module}, every record the token may see." if table.module else ""
    columns = [
        dg.TableColumn(
            column.name,
            column.type,
            description=f"Zoho: {column.api_name}" if column.api_name else None,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in table.columns
    ]
    return dg.AssetSpec(
        raw_key(table.name),
        description=DESCRIPTIONS.get(table.name, source or f"Zoho's {table.name.replace('_', ' ')}."),
        group_name=GROUP,
        kinds={"zoho", "dlt", dialect},
        skippable=True,
        partitions_def=channel_partitions,
        metadata={
            "dagster/column_schema": dg.TableSchema(columns=columns),
            "dagster/table_name": f"zoho_raw.{table.name}",
            "primary_key": ", ".join(table.key),
        },
    )


def build_raw_assets(dialect: str) -> dg.AssetsDefinition:
    """The multi-asset of all raw tables: `dialect` is shown as the storage kind."""

    @dg.multi_asset(
        name="zoho_raw",
        specs=raw_specs(dialect),
        can_subset=True,
        partitions_def=channel_partitions,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=MAX_CHANNELS_PER_RUN),
    )
    def zoho_raw(context: dg.AssetExecutionContext, rooms: dg.ResourceParam[Rooms]) -> Iterator[Any]:
        selected = {key.path[-1] for key in context.selected_asset_keys}
        failures = sync_batch(context, rooms, context.partition_keys, selected)
        if failures:
            told = "; ".join(f"{channel}: {reason}" for channel, reason in failures.items())
            raise dg.Failure(
                f"{len(failures)} of {len(context.partition_keys)} channels failed: {told}",
                metadata=dict(failures),
                allow_retries=False,
            )
        yield from ()

    return zoho_raw


def sync_batch(
    context: dg.AssetExecutionContext, rooms: Rooms, channel_ids: Iterable[str], tables: set[str]
) -> dict[str, str]:
    """Sync channel after channel; channel → reason for those that failed. Paused ones are left out."""
    failures: dict[str, str] = {}
    for channel_id in channel_ids:
        try:
            channel = rooms.registry.get(channel_id)
            if channel.status == "paused":
                context.log.info("channel %s is paused: not synced", channel_id)
                continue
            report = _sync(rooms, channel_id, tables)
        except PipelineError as error:
            failures[channel_id] = str(error)
            context.log.error("channel %s: %s", channel_id, error)
            continue
        _log_events(context, report, tables)
        if not report.complete:
            failures[channel_id] = "; ".join(f"{m.module}: {m.detail}" for m in report.modules if m.outcome == "failed")
    return failures


def _sync(rooms: Rooms, channel_id: str, tables: set[str]) -> "SyncReport":
    from zoho_pipeline.ingest.sync import sync_channel

    modules = None if _wants_everything(tables) else _modules(tables)
    return sync_channel(rooms.settings, rooms.registry, rooms.warehouse, channel_id, modules=modules)


def _wants_everything(tables: set[str]) -> bool:
    """A table no module fills by itself (users, stages, deletions …) comes with a whole sync."""
    by_module = {table.name for table in BY_MODULE.values()}
    return not tables <= by_module


def _modules(tables: set[str]) -> list[str]:
    return [module for module, table in BY_MODULE.items() if module and table.name in tables]


def _log_events(context: dg.AssetExecutionContext, report: "SyncReport", tables: set[str]) -> None:
    """A materialisation of this channel's partition for every table whose module did not fail."""
    by_table = {BY_MODULE[m.module].name: m for m in report.modules if m.module in BY_MODULE}
    for table in sorted(tables):
        module = by_table.get(table)
        if module is not None and module.outcome == "failed":
            continue
        if module is None and not report.complete:
            continue
        context.log_event(
            dg.AssetMaterialization(
                raw_key(table),
                partition=report.channel_id,
                metadata=_module_metadata(module) if module else {"run_id": report.run_id},
            )
        )


def _module_metadata(module: "ModuleReport") -> dict[str, Any]:
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

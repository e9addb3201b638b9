"""The sensor `known_assets`: tells a new Dagster instance which tables were there before it.

Commands such as `zoho-pipeline sync` and `transform` fill tables without Dagster. After `make demo`, the instance of
`make ui` showed every asset as "Never materialized".
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import dagster as dg

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.ingest.catalog.tables import RAW_TABLES
from zoho_pipeline.orchestration.assets.model_manifest import ModelManifest
from zoho_pipeline.orchestration.naming import Naming
from zoho_pipeline.orchestration.services import Services
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, RAW_SCHEMA, WarehouseBusy

MAX_EVENTS_PER_TICK = 1_000
"""An event takes 4 ms on SQLite and 18 ms on Postgres, and Dagster stops a tick after 60 s. The next tick goes on."""
BUSY_SECONDS = 2.0
DONE = "done"
SOURCE = "It was written before this Dagster instance existed, by a command or by another instance."


def build_known_assets_sensor(naming: Naming, manifest: ModelManifest) -> dg.SensorDefinition:
    """The sensor, switched on by default. After it has reported everything once, each tick ends at once."""

    @dg.sensor(
        name=naming.name("known_assets"),
        required_resource_keys={naming.resource},
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Once per instance: reports the raw tables and the models that were filled before the instance "
        "existed, as materializations.",
    )
    def known_assets(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if context.cursor == DONE:
            return dg.SensorResult(skip_reason="The tables that were there before this instance are known.")
        try:
            unknown = _unknown(context.instance, naming, manifest, naming.services(context.resources))
            events = list(islice(unknown, MAX_EVENTS_PER_TICK))
        except WarehouseBusy as error:
            return dg.SensorResult(skip_reason=f"The next tick tries again: {error}")
        for event in events:
            context.instance.report_runless_asset_event(event)
        is_done = len(events) < MAX_EVENTS_PER_TICK
        reason = f"{len(events)} tables and partitions were there before this instance, and are reported to it."
        return dg.SensorResult(skip_reason=reason, cursor=DONE if is_done else None)

    return known_assets


def _unknown(
    instance: dg.DagsterInstance, naming: Naming, manifest: ModelManifest, services: Services
) -> Iterator[dg.AssetMaterialization]:
    """What is in the warehouse and was never materialized in the instance."""
    with services.warehouse.connect(read_only=True, timeout=BUSY_SECONDS) as connection:
        tables = set(connection.tables(RAW_SCHEMA))
    yield from _raw_tables(instance, naming, services.registry.list(), tables)
    with services.warehouse.published() as published:
        there = set(published.tables(MARTS_SCHEMA)) & manifest.models.keys() if published else set()
        query = "select count(*) from {}"
        rows = {name: int(published.fetch(query.format(name))[1][0][0]) for name in sorted(there)} if published else {}
    yield from _models(instance, naming, manifest, rows)


def _raw_tables(
    instance: dg.DagsterInstance, naming: Naming, channels: Iterable[Channel], there: set[str]
) -> Iterator[dg.AssetMaterialization]:
    """One event per table and channel. A table without a module is filled by every complete sync."""
    synced = [channel for channel in channels if channel.modules]
    for table in RAW_TABLES:
        if table.name not in there or not synced:
            continue
        key = naming.raw_key(table.name)
        known = instance.get_materialized_partitions(key)
        for channel in synced:
            module = channel.modules.get(str(table.module or table.name))
            until = module.upper_bound if module else channel.last_complete_sync_at
            if channel.id not in known and until is not None:
                metadata: dict[str, Any] = {"source": SOURCE, "complete_until": dg.MetadataValue.timestamp(until)}
                yield dg.AssetMaterialization(key, partition=channel.id, metadata=metadata)


def _models(
    instance: dg.DagsterInstance, naming: Naming, manifest: ModelManifest, rows: Mapping[str, int]
) -> Iterator[dg.AssetMaterialization]:
    """The published marts with their rows, and the other models, which the same step built."""
    if not rows:
        return
    for model in manifest.models.values():
        key = naming.key(model.layer, model.name)
        was_built = model.name in rows or model.layer != "marts"
        if was_built and instance.get_latest_materialization_event(key) is None:
            counted = {"dagster/row_count": rows[model.name]} if model.name in rows else {}
            yield dg.AssetMaterialization(key, metadata={"source": SOURCE, **counted})

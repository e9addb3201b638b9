"""Raw assets: one per table of schema `zoho_raw`, partitioned by channel, filled by one sync a channel."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from zoho_pipeline.ingest.catalog.tables import BY_MODULE
from zoho_pipeline.orchestration.assets.asset_events import Spent, keep_connection, log_sync, log_synced
from zoho_pipeline.orchestration.assets.raw_specs import raw_specs
from zoho_pipeline.orchestration.channel_batch import (
    BatchConfig,
    Trouble,
    channels_of,
    conclude,
    guarded,
    is_left_out,
    patience,
    remaining,
    work_through,
)
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN, channel_partitions
from zoho_pipeline.orchestration.pools import SYNC_POOL
from zoho_pipeline.orchestration.services import Rooms

if TYPE_CHECKING:
    from zoho_pipeline.ingest.report import SyncReport

SYNC_OP = "zoho_raw"
HASTY_ATTEMPTS = 3
"""Tries of a call in a channel's first turn of a batch: all seven kept the others of the batch waiting for 41 s where a
Zoho could not be reached. Its next turn, after theirs, is patient."""


class SyncConfig(BatchConfig):
    """What a sync run may be asked for."""

    full: bool = Field(default=False, description="Read every row again instead of what changed.")


def build_raw_assets(dialect: str) -> dg.AssetsDefinition:
    """The multi-asset of all raw tables: `dialect` is shown as the storage kind."""

    @dg.multi_asset(
        name=SYNC_OP,
        specs=raw_specs(dialect),
        can_subset=True,
        partitions_def=channel_partitions,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=MAX_CHANNELS_PER_RUN),
        pool=SYNC_POOL,
    )
    def zoho_raw(
        context: dg.AssetExecutionContext, config: SyncConfig, rooms: dg.ResourceParam[Rooms]
    ) -> Iterator[Any]:
        op = context.op_execution_context
        keep_connection(op.instance)
        tables = {key.path[-1] for key in context.selected_asset_keys}
        channels = remaining(op, rooms, channels_of(op, config))
        hasty = set(channels) if len(channels) > 1 and op.run.parent_run_id is None else set[str]()
        ask = Ask(tables, config.full, by_partition=not config.channels, hasty=hasty)
        work = partial(_sync_and_tell, op, rooms, ask)
        conclude(op, channels, work_through(channels, work, config.retry_waits, patience(op)))
        yield from ()

    return zoho_raw


@dataclass(frozen=True)
class Ask:
    """What a run was asked for.

    Attributes:
        by_partition: somebody picked channels and tables, and wants to see each of them.
        hasty: channels that had no turn yet, while others wait for theirs.
    """

    tables: set[str]
    full: bool
    by_partition: bool
    hasty: set[str]


def _sync_and_tell(context: dg.OpExecutionContext, rooms: Rooms, ask: Ask, channel_id: str) -> Trouble | None:
    reports: list[SyncReport] = []
    whole = ask.by_partition

    def sync() -> Trouble | None:
        nonlocal whole
        channel = rooms.registry.get(channel_id)
        if why := is_left_out(channel):
            context.log.info("channel %s %s: not synced", channel_id, why)
            return None
        whole = whole or channel.last_complete_sync_at is None
        report = _sync(rooms, channel_id, ask)
        reports.append(report)
        return incomplete(report)

    with Spent() as spent:
        trouble = guarded(channel_id, sync)
    for report in reports:
        log_sync(context, report, ask.tables, whole=whole)
    if reports or trouble:
        log_synced(context, channel_id, trouble.reason if trouble else None, spent)
    return trouble


def incomplete(report: "SyncReport") -> Trouble | None:
    """What kept a sync from its end. The credit budget is a lasting reason: it stays spent for hours."""
    missing = [m for m in report.modules if m.outcome in ("failed", "stopped")]
    if not missing:
        return None
    reason = "; ".join(f"{m.module}: {m.detail or m.outcome}" for m in missing)
    return Trouble(reason, lasting=all(m.outcome == "stopped" for m in missing))


def _sync(rooms: Rooms, channel_id: str, ask: Ask) -> "SyncReport":
    from zoho_pipeline.ingest.limits import SyncLimits
    from zoho_pipeline.ingest.sync.run import sync_channel

    limits = rooms.limits or SyncLimits()
    if channel_id in ask.hasty:
        limits = replace(limits, pacing=replace(limits.pacing, attempts=HASTY_ATTEMPTS))
    ask.hasty.discard(channel_id)
    opened = (rooms.settings, rooms.registry, rooms.warehouse)
    modules = None if _wants_everything(ask.tables) else _modules(ask.tables)
    return sync_channel(*opened, channel_id, modules=modules, full=ask.full, limits=limits)


def _wants_everything(tables: set[str]) -> bool:
    """A table no module fills by itself (users, stages, deletions …) comes with a whole sync."""
    by_module = {table.name for table in BY_MODULE.values()}
    return not tables <= by_module


def _modules(tables: set[str]) -> list[str]:
    return [module for module, table in BY_MODULE.items() if module and table.name in tables]

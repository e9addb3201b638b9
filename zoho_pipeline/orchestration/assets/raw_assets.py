"""Raw assets: one asset per table of schema `zoho_raw`, partitioned by channel. One sync per channel fills them all."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from zoho_pipeline.ingest.catalog.tables import BY_MODULE
from zoho_pipeline.orchestration.assets.asset_events import (
    committed_together,
    keep_event_log_connection,
    log_materializations,
    log_synced_check,
)
from zoho_pipeline.orchestration.channel_batch import (
    BatchConfig,
    ChannelFailure,
    attempt,
    channels_left_to_do,
    channels_of_run,
    raise_if_any_failed,
    reason_to_skip,
    run_batch,
    wait_while_queue_is_empty,
)
from zoho_pipeline.orchestration.naming import SYNC_OP, Naming
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN
from zoho_pipeline.orchestration.services import Services

if TYPE_CHECKING:
    from zoho_pipeline.ingest.report import SyncReport
    from zoho_pipeline.ingest.sync.sync_group import SyncGroup

FIRST_TURN_ATTEMPTS = 3
"""Attempts per HTTP call in a channel's first turn of a batch. With all seven, a Zoho that does not answer would keep
the run from its end, and so the next one in the queue. The channel's next turn comes after those of the others."""

FIRST_TURN_SILENCE = 15.0
"""The seconds that such an attempt waits for a byte of an answer: three of them take less than a minute."""


class SyncConfig(BatchConfig):
    """The config of a sync run."""

    full: bool = Field(default=False, description="Read every row again, not only the rows that changed.")
    keep_side_tables: bool = Field(
        default=False,
        description="Do not read users, stages, hours, holidays and currencies again if a sync has read them within "
        "the last hour. Syncs that notifications cause do so.",
    )


def build_raw_assets(naming: Naming, specs: Sequence[dg.AssetSpec]) -> dg.AssetsDefinition:
    """The multi-asset of all raw tables, whose specs are those of `raw_specs`."""

    @dg.multi_asset(
        name=naming.name(SYNC_OP),
        specs=specs,
        can_subset=True,
        partitions_def=naming.partitions,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=MAX_CHANNELS_PER_RUN),
        pool=naming.sync_pool,
        required_resource_keys={naming.resource},
    )
    def zoho_raw(context: dg.AssetExecutionContext, config: SyncConfig) -> Iterator[Any]:
        op, services = context.op_execution_context, naming.services(context.resources)
        keep_event_log_connection(op.instance)
        tables = {key.path[-1] for key in context.selected_asset_keys}
        channels = channels_left_to_do(op, services, channels_of_run(op, config))
        shares_its_run = len(channels) > 1 and op.run.parent_run_id is None
        request = SyncRequest(
            tables,
            config.full,
            by_partition=not config.channels,
            first_turn=set(channels) if shares_its_run else set(),
            keep_side_tables=config.keep_side_tables,
        )
        turns = SyncTurns(op, naming, services, request)
        with services.warehouse.kept_open(), services.registry.database.kept_open():
            failures = run_batch(
                channels,
                turns.sync,
                config.retry_waits,
                wait_while_queue_is_empty(op),
                at_once=services.settings.channels_at_once,
                ended=turns.log,
                stop=turns.group.stop,
            )
        raise_if_any_failed(op, channels, failures)
        yield from ()

    return zoho_raw


@dataclass(frozen=True)
class SyncRequest:
    """Which tables a run fills, and how.

    Attributes:
        tables: names of the selected raw tables.
        full: read every row again.
        by_partition: a person selected channels and tables in the UI, and wants to see an event for each of them.
        first_turn: the channels that had no turn yet in a run of several; each leaves the set at its first turn.
        keep_side_tables: young reference tables are not read again.
    """

    tables: set[str]
    full: bool
    by_partition: bool
    first_turn: set[str]
    keep_side_tables: bool = False


class SyncTurns:
    """The turns of a run's channels: `sync` runs in the threads of the batch, `log` in the thread of the op.

    Attributes:
        group: what the syncs share.
    """

    def __init__(
        self, context: dg.OpExecutionContext, naming: Naming, services: Services, request: SyncRequest
    ) -> None:
        from zoho_pipeline.ingest.sync.sync_group import SyncGroup

        self._context, self._naming, self._services, self._request = context, naming, services, request
        self.group = SyncGroup(services.registry, services.warehouse)
        self._ended: dict[str, _Turn] = {}
        self._cpu_at = time.process_time()

    def sync(self, channel_id: str) -> ChannelFailure | None:
        """Sync one channel; the task of the batch."""
        turn = _Turn(all_tables=self._request.by_partition)

        def sync() -> ChannelFailure | None:
            channel = self._services.registry.get(channel_id)
            if (reason := reason_to_skip(channel)) is not None:
                turn.skipped = reason
                return None
            turn.all_tables = turn.all_tables or channel.last_complete_sync_at is None
            turn.report = _sync(self._services, channel_id, self._request, self.group)
            return sync_failure(turn.report)

        started = time.monotonic()
        failure = attempt(channel_id, sync)
        turn.seconds = time.monotonic() - started
        self._ended[channel_id] = turn
        return failure

    def log(self, channel_id: str, failure: ChannelFailure | None) -> None:
        """Log the events of a channel whose turn has ended. Its CPU time is that of the run since the turn before."""
        turn, context, naming = self._ended.pop(channel_id), self._context, self._naming
        before, self._cpu_at = self._cpu_at, time.process_time()
        if turn.skipped:
            context.log.info("Channel %s %s. It is not synced.", channel_id, turn.skipped)
        with committed_together(context.instance):
            if turn.report is not None:
                log_materializations(context, naming, turn.report, self._request.tables, all_tables=turn.all_tables)
            if turn.report is not None or (failure and failure.known):
                reason = failure.reason if failure else None
                log_synced_check(context, naming, channel_id, reason, turn.seconds, self._cpu_at - before)


@dataclass
class _Turn:
    """What one turn of a channel left to be logged."""

    all_tables: bool
    skipped: str = ""
    report: "SyncReport | None" = None
    seconds: float = 0.0


def sync_failure(report: "SyncReport") -> ChannelFailure | None:
    """Why a sync is incomplete; None when it is complete.

    The credit budget is a permanent reason, because Zoho counts the credits of the last 24 hours.
    """
    incomplete = [m for m in report.modules if m.outcome in ("failed", "stopped")]
    if not incomplete:
        return None
    reason = "; ".join(f"{m.module}: {m.detail or m.outcome}" for m in incomplete)
    return ChannelFailure(reason, permanent=all(m.outcome == "stopped" for m in incomplete))


def _sync(services: Services, channel_id: str, request: SyncRequest, group: "SyncGroup") -> "SyncReport":
    from zoho_pipeline.ingest.limits import SyncLimits
    from zoho_pipeline.ingest.sync.kept_tables import SIDE_TABLES_KEPT
    from zoho_pipeline.ingest.sync.run import sync_channel

    limits = services.limits or SyncLimits()
    if channel_id in request.first_turn:
        silence = min(FIRST_TURN_SILENCE, limits.pacing.silence_seconds)
        limits = replace(limits, pacing=replace(limits.pacing, attempts=FIRST_TURN_ATTEMPTS, silence_seconds=silence))
    request.first_turn.discard(channel_id)
    modules = None if _needs_whole_sync(request.tables) else _modules_of(request.tables)
    return sync_channel(
        services.settings,
        services.registry,
        services.warehouse,
        channel_id,
        modules=modules,
        full=request.full,
        limits=limits,
        stop=group.stop,
        group=group,
        kept_for=SIDE_TABLES_KEPT if request.keep_side_tables else None,
    )


def _needs_whole_sync(tables: set[str]) -> bool:
    """Only a sync of all modules fills the tables without a module of their own (users, stages, deletions …)."""
    with_module = {table.name for table in BY_MODULE.values()}
    return not tables <= with_module


def _modules_of(tables: set[str]) -> list[str]:
    return [module for module, table in BY_MODULE.items() if module and table.name in tables]

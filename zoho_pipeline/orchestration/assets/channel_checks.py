"""Checks of the raw assets, one evaluation a channel: synced, fresh, and the same as Zoho id by id."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg

from zoho_pipeline.ingest.catalog.tables import MODULE_TABLES
from zoho_pipeline.orchestration.assets.asset_events import (
    CHANNELS_KEY,
    FRESH,
    MATCHES_ZOHO,
    SYNCED,
    Spent,
    keep_connection,
    log_check,
    log_reconciled,
    log_sync,
    log_synced,
)
from zoho_pipeline.orchestration.assets.asset_keys import raw_key
from zoho_pipeline.orchestration.assets.raw_assets import incomplete
from zoho_pipeline.orchestration.assets.raw_specs import FAIL_AFTER, WARN_AFTER
from zoho_pipeline.orchestration.channel_batch import (
    BatchConfig,
    Trouble,
    Work,
    channels_of,
    conclude,
    guarded,
    is_left_out,
    patience,
    remaining,
    work_through,
)
from zoho_pipeline.orchestration.channel_summaries import Member, roster
from zoho_pipeline.orchestration.partitions import channel_partitions
from zoho_pipeline.orchestration.pools import SYNC_POOL
from zoho_pipeline.orchestration.services import Rooms

RECONCILE_OP, STATE_OP = "reconcile", "channel_state"


def build_channel_checks() -> list[dg.AssetChecksDefinition]:
    """`reconcile` (asks Zoho, repairs) and `channel_state` (asks the registry alone).

    By partition, a preview in Dagster 1.13: without that, one evaluation would have to stand for all channels.
    """
    return [_reconcile(), _channel_state()]


def _spec(asset: dg.AssetKey, name: str, description: str) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=asset, description=description, partitions_def=channel_partitions)


def _reconcile() -> dg.AssetChecksDefinition:
    said = (
        "Compared id by id with Zoho, nothing differed; what differs is repaired and counted. Every Sunday, and "
        "whenever job reconcile_channels is launched; a materialisation alone leaves it out, as it costs credits."
    )

    @dg.multi_asset_check(
        name=RECONCILE_OP,
        specs=[_spec(raw_key(table.name), MATCHES_ZOHO, said) for table in MODULE_TABLES],
        can_subset=True,
        pool=SYNC_POOL,
    )
    def reconcile(
        context: dg.AssetCheckExecutionContext, config: BatchConfig, rooms: dg.ResourceParam[Rooms]
    ) -> Iterator[Any]:
        # Dagster plans it beside every materialisation of a table, and skips it there: the sync yields no output.
        op = context.op_execution_context
        keep_connection(op.instance)
        channels = remaining(op, rooms, channels_of(op, config))
        work = _reconciler(op, rooms, {key.asset_key.path[-1] for key in context.selected_asset_check_keys})
        conclude(op, channels, work_through(channels, work, config.retry_waits, patience(op)))
        yield from ()

    return reconcile


def _reconciler(context: dg.OpExecutionContext, rooms: Rooms, tables: set[str]) -> Work:
    from zoho_pipeline.ingest.report import ReconcileReport
    from zoho_pipeline.ingest.sync.run import reconcile_channel

    wanted = [str(table.module) for table in MODULE_TABLES if table.name in tables]
    modules = None if len(wanted) == len(MODULE_TABLES) else wanted

    def work(channel_id: str) -> Trouble | None:
        reports: list[ReconcileReport] = []

        def action() -> Trouble | None:
            if why := is_left_out(rooms.registry.get(channel_id)):
                context.log.info("channel %s %s: not reconciled", channel_id, why)
                return None
            opened = (rooms.settings, rooms.registry, rooms.warehouse)
            report = reconcile_channel(*opened, channel_id, modules=modules, limits=rooms.limits)
            reports.append(report)
            return incomplete(report.sync)

        with Spent() as spent:
            trouble = guarded(channel_id, action)
        for report in reports:
            log_sync(context, report.sync, tables, whole=False)
            log_reconciled(context, report)
        if reports or trouble:
            log_synced(context, channel_id, trouble.reason if trouble else None, spent)
        return trouble

    return work


def _channel_state() -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=STATE_OP,
        specs=[
            _spec(CHANNELS_KEY, SYNCED, "The channel's last sync read everything it may read."),
            _spec(CHANNELS_KEY, FRESH, "The channel's last complete sync is at most 36 hours old (warns from 26 on)."),
        ],
        can_subset=True,
    )
    def channel_state(
        context: dg.AssetCheckExecutionContext, config: BatchConfig, rooms: dg.ResourceParam[Rooms]
    ) -> Iterator[Any]:
        op = context.op_execution_context
        keep_connection(op.instance)
        named = bool(config.channels) or op.has_partition_key or op.has_partition_key_range
        chosen = set(channels_of(op, config)) if named else None
        names = {key.name for key in context.selected_asset_check_keys}
        if FRESH in names:
            _tell_fresh(op, rooms, chosen)
        if SYNCED in names:
            _tell_synced(op, rooms, chosen)
        yield from ()

    return channel_state


def _tell_fresh(context: dg.OpExecutionContext, rooms: Rooms, chosen: set[str] | None) -> None:
    """Evaluate; where all channels are looked at, one that was fresh and still is needs no further event."""
    now, stale = rooms.registry.database.now(), []
    known = _last_fresh(context.instance) if chosen is None else {}
    for member in roster(rooms.registry):
        if chosen is not None and member.id not in chosen:
            continue
        passed, severe, figures = freshness(member, now)
        if not passed:
            stale.append(member.id)
        if not (passed and known.get(member.id)):
            log_check(context, CHANNELS_KEY, FRESH, member.id, passed, figures, warn=not severe)
    if stale:
        context.log.warning("%d channels are not fresh: %s", len(stale), ", ".join(stale[:20]))


def _last_fresh(instance: dg.DagsterInstance) -> dict[str, bool]:
    """Channel → whether its newest `fresh` evaluation passed."""
    infos = instance.event_log_storage.get_asset_check_partition_info([dg.AssetCheckKey(CHANNELS_KEY, FRESH)])
    return {str(info.partition_key): info.latest_execution_status.value == "SUCCEEDED" for info in infos}


def _tell_synced(context: dg.OpExecutionContext, rooms: Rooms, chosen: set[str] | None) -> None:
    registry = rooms.registry
    for channel in registry.list() if chosen is None else [registry.get(name) for name in sorted(chosen)]:
        reason = "; ".join(channel.problems) or "complete"
        log_check(context, CHANNELS_KEY, SYNCED, channel.id, not channel.problems, {"reason": reason}, warn=True)


def freshness(channel: Member, now: datetime) -> tuple[bool, bool, dict[str, Any]]:
    """(passed, severe, figures) of a channel. A paused channel ages on purpose: it warns, never errs."""
    at = channel.last_complete_sync_at
    figures: dict[str, Any] = {"status": channel.status, "detail": channel.status_detail or ""}
    if at is None:
        late = now - channel.connected_at
        return late <= WARN_AFTER, late > FAIL_AFTER and channel.status != "paused", figures | {"never_synced": True}
    age = now - at
    figures |= {"age_hours": round(age.total_seconds() / 3600, 2), "last_complete_sync": dg.MetadataValue.timestamp(at)}
    return age <= WARN_AFTER, age > FAIL_AFTER and channel.status != "paused", figures

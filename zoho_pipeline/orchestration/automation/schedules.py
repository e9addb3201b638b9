"""Schedules: the nightly syncs, the weekly insight, the weekly reconciliation, the hourly freshness check."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.orchestration.assets.raw_specs import WARN_AFTER
from zoho_pipeline.orchestration.automation.nightly_plan import CHANNEL_ZONE, NightlySync, due_syncs
from zoho_pipeline.orchestration.channel_summaries import ChannelSummary, read_channel_summaries
from zoho_pipeline.orchestration.instance.asset_job import AssetJob
from zoho_pipeline.orchestration.naming import RECONCILE_OP, SYNC_JOB, SYNC_OP, Naming
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_OF_A_NIGHT_RUN, split_into_batches

NIGHTLY_CRON = ["0 1 * * *", "5-55/5 1 * * *"]
"""The night starts at 01:00. The ticks after it request the channels of the later five-minute slots."""
NIGHTLY_CRON_CHANNEL_ZONES = "*/5 * * * *"  # it is always 01:00 in some zone
WEEKLY_CRON = "0 6 * * 1"
RECONCILE_CRON = "0 4 * * 0"
FRESHNESS_CRON = "30 * * * *"
NIGHT_TAG = "zoho_pipeline/night"
LOW_PRIORITY = {"dagster/priority": "-1"}


def build_schedules(
    naming: Naming, sync: AssetJob, reconcile: AssetJob, weekly: AssetJob, freshness: AssetJob, zone: str | None
) -> list[dg.ScheduleDefinition]:
    """All schedules, switched on by default.

    Args:
        zone: the zone of their times: an IANA name, None for UTC, or `channel`: each channel's own night, and UTC
            for the other schedules.
    """
    per_channel = zone == CHANNEL_ZONE
    timezone = "UTC" if per_channel or zone is None else zone
    running = dg.DefaultScheduleStatus.RUNNING
    return [
        _nightly_sync(naming, sync, zone, NIGHTLY_CRON_CHANNEL_ZONES if per_channel else NIGHTLY_CRON, timezone),
        _weekly_reconcile(naming, reconcile, timezone),
        dg.ScheduleDefinition(
            name=naming.name("weekly_insight"),
            job=weekly,
            cron_schedule=WEEKLY_CRON,
            execution_timezone=timezone,
            default_status=running,
            description="Monday morning: builds the row of channel_insight of each channel, and marks it is_weekly.",
        ),
        dg.ScheduleDefinition(
            name=naming.name("freshness"),
            job=freshness,
            cron_schedule=FRESHNESS_CRON,
            execution_timezone="UTC",
            default_status=running,
            description="Every hour: finds the channels whose last complete sync is older than 26 hours.",
        ),
    ]


def _nightly_sync(
    naming: Naming, sync: AssetJob, zone: str | None, cron: str | list[str], timezone: str
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=naming.name("nightly_sync"),
        job=sync,
        required_resource_keys={naming.resource},
        cron_schedule=cron,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="From 01:00 on: syncs every active channel once, spread over the hour. A sensor refreshes the "
        "marts after the syncs.",
    )
    def nightly_sync(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time.astimezone(UTC)
        channels = read_channel_summaries(naming.services(context.resources).registry)
        if not any(channel.status == ACTIVE for channel in channels):
            yield dg.SkipReason("There is no active channel. Connect one with: zoho-pipeline connect ID")
            return
        syncs = due_syncs(channels, now, zone, requested_syncs(context.instance, naming, now))
        if not syncs:
            yield dg.SkipReason("The sync of every channel whose night has started was already requested.")
        yield from nightly_run_requests(naming, syncs, channels_without_recent_sync(channels, now))

    return nightly_sync


def requested_syncs(instance: dg.DagsterInstance, naming: Naming, now: datetime) -> dict[date, set[str]]:
    """Local date of the night → ids of the channels that a run of the last two days has in its config.

    A retry of a run has the same tag and config as the run, so it adds nothing.
    """
    days = [(now + timedelta(days=n)).date() for n in (-2, -1, 0, 1)]
    job = naming.name(SYNC_JOB)  # another build in this instance has nights of its own
    runs = instance.get_runs(dg.RunsFilter(job_name=job, tags={NIGHT_TAG: [f"{day}" for day in days]}))
    requested: dict[date, set[str]] = {}
    for run in runs:
        # Whoever opens a run of the night in the launchpad may change its config, and Dagster keeps the tag.
        config: Any = run.run_config
        for part in ("ops", naming.name(SYNC_OP), "config", "channels"):
            config = config.get(part) if isinstance(config, Mapping) else None
        channels = config or [key for key in [run.tags.get("dagster/partition")] if key]
        requested.setdefault(date.fromisoformat(run.tags[NIGHT_TAG]), set()).update(channels)
    return requested


def channels_without_recent_sync(channels: Iterable[ChannelSummary], now: datetime) -> set[str]:
    """Ids of the channels whose last night failed. What stopped their sync then may stop it again now."""
    since = now - WARN_AFTER
    return {c.id for c in channels if (c.last_complete_sync_at or c.connected_at) < since}


def nightly_run_requests(
    naming: Naming, syncs: Sequence[NightlySync], low_priority: Collection[str] = ()
) -> Iterator[dg.RunRequest]:
    """One run request per batch of channels and night. The run key prevents a second run of the same batch.

    The channels in `low_priority` get runs of their own behind all others: a channel whose Zoho does not answer
    costs minutes of waiting.
    """
    for day in sorted({sync.date for sync in syncs}):
        channels = [sync.channel_id for sync in syncs if sync.date == day]
        usual = [channel for channel in channels if channel not in low_priority]
        failing = [channel for channel in channels if channel in low_priority]
        for batch in split_into_batches(usual, MAX_CHANNELS_OF_A_NIGHT_RUN):
            yield _nightly_run_request(naming, day, batch, {})
        for batch in split_into_batches(failing):
            yield _nightly_run_request(naming, day, batch, LOW_PRIORITY)


def _nightly_run_request(naming: Naming, day: date, batch: list[str], tags: dict[str, str]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"nightly:{day}:{batch[0]}:{len(batch)}",
        run_config=naming.run_config(SYNC_OP, batch),
        tags={NIGHT_TAG: f"{day}", **tags},
    )


def _weekly_reconcile(naming: Naming, job: AssetJob, timezone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=naming.name("weekly_reconcile"),
        job=job,
        required_resource_keys={naming.resource},
        cron_schedule=RECONCILE_CRON,
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Sunday: compares every record with Zoho id by id, counts the differences and repairs them.",
    )
    def weekly_reconcile(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        summaries = read_channel_summaries(naming.services(context.resources).registry)
        channels = [c.id for c in summaries if c.status == ACTIVE and c.last_complete_sync_at]
        if not channels:
            yield dg.SkipReason("No active channel has a complete sync yet.")
        week = f"{context.scheduled_execution_time:%Y-%m-%d}"
        for batch in split_into_batches(channels):
            yield dg.RunRequest(
                run_key=f"reconcile:{week}:{batch[0]}:{len(batch)}",
                run_config=naming.run_config(RECONCILE_OP, batch),
            )

    return weekly_reconcile

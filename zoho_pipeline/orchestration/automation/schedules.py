"""Schedules: the night's syncs, the week's insight and reconciliation, the hourly look at freshness."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import dagster as dg

from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.orchestration.assets.channel_checks import RECONCILE_OP
from zoho_pipeline.orchestration.assets.raw_assets import SYNC_OP
from zoho_pipeline.orchestration.assets.raw_specs import WARN_AFTER
from zoho_pipeline.orchestration.automation.jobs import Job
from zoho_pipeline.orchestration.automation.nightly_plan import OWN_ZONE, Night, due
from zoho_pipeline.orchestration.channel_summaries import Member, roster
from zoho_pipeline.orchestration.partitions import batches
from zoho_pipeline.orchestration.services import Rooms

NIGHTLY_CRON = ["0 1 * * *", "5-55/5 1 * * *"]
"""01:00 begins the night; the ticks after it ask for the channels that a hash of their id spreads over the hour."""
NIGHTLY_CRON_OWN_ZONES = "*/5 * * * *"  # somewhere it is always 01:00
WEEKLY_CRON = "0 6 * * 1"
RECONCILE_CRON = "0 4 * * 0"
FRESHNESS_CRON = "30 * * * *"
NIGHT_TAG = "zoho_pipeline/night"
LAST = {"dagster/priority": "-1"}


def build_schedules(
    sync: Job, reconcile: Job, weekly: Job, freshness: Job, zone: str | None
) -> list[dg.ScheduleDefinition]:
    """All of them run by default, in `zone` (None: UTC; `channel`: each channel's own night)."""
    own = zone == OWN_ZONE
    clock = "UTC" if own or zone is None else zone
    running = dg.DefaultScheduleStatus.RUNNING
    return [
        _nightly(sync, zone, NIGHTLY_CRON_OWN_ZONES if own else NIGHTLY_CRON, clock),
        _reconcile(reconcile, clock),
        dg.ScheduleDefinition(
            name="weekly_insight",
            job=weekly,
            cron_schedule=WEEKLY_CRON,
            execution_timezone=clock,
            default_status=running,
            description="Monday morning: the ChannelInsight of each channel, kept as the week's.",
        ),
        dg.ScheduleDefinition(
            name="freshness",
            job=freshness,
            cron_schedule=FRESHNESS_CRON,
            execution_timezone="UTC",
            default_status=running,
            description="Every hour: which channels have no complete sync of the last day and a half.",
        ),
    ]


def _nightly(sync: Job, zone: str | None, cron: str | list[str], clock: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="nightly_sync",
        job=sync,
        cron_schedule=cron,
        execution_timezone=clock,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="From 01:00 on every active channel once, spread over the hour; the marts follow by themselves.",
    )
    def nightly_sync(
        context: dg.ScheduleEvaluationContext, rooms: dg.ResourceParam[Rooms]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time.astimezone(UTC)
        channels = roster(rooms.registry)
        if not any(channel.status == ACTIVE for channel in channels):
            yield dg.SkipReason("No active channel. Connect one: zoho-pipeline connect ID.")
            return
        nights = due(channels, now, zone, asked_for(context.instance, now))
        if not nights:
            yield dg.SkipReason("Every channel whose night has begun was asked for.")
        yield from night_requests(nights, late(channels, now))

    return nightly_sync


def asked_for(instance: dg.DagsterInstance, now: datetime) -> dict[date, set[str]]:
    """Night → channels, of the runs asked for in the last two days; repetitions of a run count with it."""
    days = [(now + timedelta(days=n)).date() for n in (-2, -1, 0, 1)]
    runs = instance.get_runs(dg.RunsFilter(tags={NIGHT_TAG: [f"{day}" for day in days]}))
    asked: dict[date, set[str]] = {}
    for run in runs:
        channels = cast(Any, run.run_config)["ops"][SYNC_OP]["config"]["channels"]
        asked.setdefault(date.fromisoformat(run.tags[NIGHT_TAG]), set()).update(channels)
    return asked


def late(channels: Iterable[Member], now: datetime) -> set[str]:
    """The channels whose last night did not end well: what troubled them then may trouble them now."""
    since = now - WARN_AFTER
    return {c.id for c in channels if (c.last_complete_sync_at or c.connected_at) < since}


def night_requests(nights: Sequence[Night], late: Collection[str] = ()) -> Iterator[dg.RunRequest]:
    """A run request for each batch of a night; the run key keeps one that was submitted from a second run.

    Late channels have runs of their own behind all others: one whose Zoho does not answer costs minutes of waiting.
    """
    for day in sorted({night.date for night in nights}):
        channels = [night.channel_id for night in nights if night.date == day]
        for batch in batches([channel for channel in channels if channel not in late]):
            yield _night_request(day, batch, {})
        for batch in batches([channel for channel in channels if channel in late]):
            yield _night_request(day, batch, LAST)


def _night_request(day: date, batch: list[str], tags: dict[str, str]) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"nightly:{day}:{batch[0]}:{len(batch)}",
        run_config={"ops": {SYNC_OP: {"config": {"channels": batch}}}},
        tags={NIGHT_TAG: f"{day}", **tags},
    )


def _reconcile(job: Job, clock: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name="weekly_reconcile",
        job=job,
        cron_schedule=RECONCILE_CRON,
        execution_timezone=clock,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Sunday: every record compared with Zoho id by id, differences repaired and counted.",
    )
    def weekly_reconcile(
        context: dg.ScheduleEvaluationContext, rooms: dg.ResourceParam[Rooms]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        channels = [c.id for c in roster(rooms.registry) if c.status == ACTIVE and c.last_complete_sync_at]
        if not channels:
            yield dg.SkipReason("No active channel was ever synced.")
        week = f"{context.scheduled_execution_time:%Y-%m-%d}"
        for batch in batches(channels):
            yield dg.RunRequest(
                run_key=f"reconcile:{week}:{batch[0]}:{len(batch)}",
                run_config={"ops": {RECONCILE_OP: {"config": {"channels": batch}}}},
            )

    return weekly_reconcile

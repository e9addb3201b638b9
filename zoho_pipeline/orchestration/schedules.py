"""Schedules: every night all active channels; every Monday the insight of the week."""

from collections.abc import Iterator, Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN, channel_partitions
from zoho_pipeline.orchestration.resources import Rooms

NIGHTLY_CRON = "0 1 * * *"
WEEKLY_CRON = "0 6 * * 1"


def batches(partitions: Sequence[str], due: set[str], size: int = MAX_CHANNELS_PER_RUN) -> Iterator[tuple[str, str]]:
    """First and last partition of each run: stretches of the partition list with at most `size` due channels.

    A stretch never begins or ends with a channel that is not due; one inside it is skipped by the run.
    """
    batch: list[str] = []
    for partition in partitions:
        if partition in due:
            batch.append(partition)
        if len(batch) == size:
            yield batch[0], batch[-1]
            batch = []
    if batch:
        yield batch[0], batch[-1]


def sync_requests(partitions: Sequence[str], due: set[str], key: str) -> Iterator[dg.RunRequest]:
    """One run request a batch; `key` makes a repeated tick of the same night ask for nothing twice."""
    for first, last in batches(partitions, due):
        yield dg.RunRequest(
            run_key=f"{key}:{first}:{last}",
            tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last},
        )


def build_schedules(
    sync: UnresolvedAssetJobDefinition, weekly: UnresolvedAssetJobDefinition, timezone: str | None
) -> list[dg.ScheduleDefinition]:
    """The nightly sync and the weekly insight, both running by default, in `timezone` (None: UTC)."""
    zone = timezone or "UTC"

    @dg.schedule(
        name="nightly_sync",
        job=sync,
        cron_schedule=NIGHTLY_CRON,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Syncs every active channel; the marts follow by themselves (sensor marts_after_syncs).",
    )
    def nightly_sync(
        context: dg.ScheduleEvaluationContext, rooms: dg.ResourceParam[Rooms]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        partitions = list(context.instance.get_dynamic_partitions(str(channel_partitions.name)))
        due = {channel.id for channel in rooms.registry.list() if channel.status == "active"} & set(partitions)
        if not due:
            yield dg.SkipReason("No active channel. Connect one: zoho-pipeline connect ID.")
            return
        yield from sync_requests(partitions, due, f"nightly:{context.scheduled_execution_time:%Y-%m-%d}")

    return [
        nightly_sync,
        dg.ScheduleDefinition(
            name="weekly_insight",
            job=weekly,
            cron_schedule=WEEKLY_CRON,
            execution_timezone=zone,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Monday morning: the ChannelInsight of each channel, kept as the week's.",
        ),
    ]

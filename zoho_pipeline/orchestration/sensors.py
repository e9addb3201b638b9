"""Sensors: partitions follow the registry, a new channel gets its first sync, marts follow syncs."""

import hashlib
from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from zoho_pipeline.orchestration.jobs import SYNC_TAG
from zoho_pipeline.orchestration.partitions import channel_partitions
from zoho_pipeline.orchestration.resources import Rooms

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def build_sensors(sync: UnresolvedAssetJobDefinition, marts: UnresolvedAssetJobDefinition) -> list[dg.SensorDefinition]:
    """`channel_registry` and `marts_after_syncs`, both running by default."""
    return [_channel_registry(sync), _marts_after_syncs(marts)]


def _channel_registry(sync: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name="channel_registry",
        job=sync,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A partition for each connected channel; a channel that was never synced gets its first sync.",
    )
    def channel_registry(context: dg.SensorEvaluationContext, rooms: dg.ResourceParam[Rooms]) -> dg.SensorResult:
        channels = {channel.id: channel for channel in rooms.registry.list()}
        known = set(context.instance.get_dynamic_partitions(str(channel_partitions.name)))
        added, gone = sorted(channels.keys() - known), sorted(known - channels.keys())
        first = [c for c in channels.values() if c.status == "active" and c.last_complete_sync_at is None]
        requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
        if added:
            requests.append(channel_partitions.build_add_request(added))
        if gone:
            requests.append(channel_partitions.build_delete_request(gone))
        return dg.SensorResult(
            # The run key holds the moment of connecting: asked for once, and again after a reconnect.
            run_requests=[
                dg.RunRequest(run_key=f"first-sync:{c.id}:{c.connected_at.isoformat()}", partition_key=c.id)
                for c in first
            ],
            dynamic_partitions_requests=requests,
            skip_reason=None if first or added or gone else dg.SkipReason("Every channel has its partition."),
        )

    return channel_registry


def _marts_after_syncs(marts: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    @dg.sensor(
        name="marts_after_syncs",
        job=marts,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Once the syncs under way have ended, refreshes the marts of what they changed.",
    )
    def marts_after_syncs(
        context: dg.SensorEvaluationContext, rooms: dg.ResourceParam[Rooms]
    ) -> dg.SensorResult | dg.SkipReason:
        state = fingerprint(
            (c.id, str(c.last_complete_sync_at)) for c in rooms.registry.list() if c.last_complete_sync_at
        )
        if state == context.cursor or state is None:
            return dg.SkipReason("No sync since the last refresh.")
        busy = context.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED, tags=SYNC_TAG))
        if busy:
            return dg.SkipReason(f"{busy} sync runs are under way: one refresh will follow them all.")
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"marts:{state}")], cursor=state)

    return marts_after_syncs


def fingerprint(pairs: Iterable[tuple[str, str]]) -> str | None:
    """A short hash of which channel was last synced when; None where nothing was."""
    text = "\n".join(f"{name} {at}" for name, at in sorted(pairs))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else None

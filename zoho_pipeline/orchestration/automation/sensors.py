"""Sensors: partitions follow the registry, a new channel gets its first sync, marts follow syncs."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.orchestration.assets.raw_assets import SYNC_OP
from zoho_pipeline.orchestration.automation.jobs import MARTS_TAG, SYNC_TAG, Job
from zoho_pipeline.orchestration.channel_summaries import Member, roster
from zoho_pipeline.orchestration.partitions import batches, channel_partitions
from zoho_pipeline.orchestration.services import Rooms

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
STATE_TAG = "zoho_pipeline/state"
FIRST = {"dagster/priority": "10"}  # a customer who has just connected is looking at an empty page
ONE_BY_ONE = 5  # newcomers up to here get a run each, at once; more of them share runs
LONGEST_WAIT = timedelta(minutes=30)  # syncs that go on all night must not keep the marts from moving
RETRY_AFTER = timedelta(hours=1)


def build_sensors(sync: Job, marts: Job) -> list[dg.SensorDefinition]:
    """`channel_registry` and `marts_after_syncs`, both running by default."""
    return [_channel_registry(sync), _marts_after_syncs(marts)]


def _channel_registry(sync: Job) -> dg.SensorDefinition:
    @dg.sensor(
        name="channel_registry",
        job=sync,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="A partition for each connected channel; a channel that was never synced gets its first sync.",
    )
    def channel_registry(context: dg.SensorEvaluationContext, rooms: dg.ResourceParam[Rooms]) -> dg.SensorResult:
        channels = {channel.id: channel for channel in roster(rooms.registry)}
        known = set(context.instance.get_dynamic_partitions(str(channel_partitions.name)))
        waiting = never_synced(channels.values())
        asked = json.loads(context.cursor or "{}")
        newcomers = [c for c, connected in waiting.items() if asked.get(c) != connected]
        partitions = list(_partition_requests(channels.keys(), known))
        nothing = not newcomers and not partitions
        return dg.SensorResult(
            run_requests=list(first_syncs(newcomers, waiting)),
            dynamic_partitions_requests=partitions,
            # A channel leaves the cursor when its first sync has succeeded, or when it is connected anew.
            cursor=json.dumps(waiting),
            skip_reason=dg.SkipReason("Every channel has its partition and its first sync.") if nothing else None,
        )

    return channel_registry


def never_synced(channels: Iterable[Member]) -> dict[str, str]:
    """Active channel without a complete sync → when it was connected."""
    return {
        c.id: c.connected_at.isoformat() for c in channels if c.status == ACTIVE and c.last_complete_sync_at is None
    }


def first_syncs(newcomers: Sequence[str], connected: Mapping[str, str]) -> Iterator[dg.RunRequest]:
    """Runs of their own for a few, batches for many. The run key holds the moment of connecting: once, and again
    after a reconnect."""
    if len(newcomers) <= ONE_BY_ONE:
        for channel in newcomers:
            yield dg.RunRequest(run_key=f"first:{channel}:{connected[channel]}", partition_key=channel, tags=FIRST)
        return
    for batch in batches(newcomers):
        key = fingerprint((channel, connected[channel]) for channel in batch)
        config = {"ops": {SYNC_OP: {"config": {"channels": batch}}}}
        yield dg.RunRequest(run_key=f"first:{key}", run_config=config, tags=FIRST)


def _partition_requests(
    channels: Iterable[str], known: set[str]
) -> Iterator[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    there = set(channels)
    if added := sorted(there - known):
        yield channel_partitions.build_add_request(added)
    if gone := sorted(known - there):
        yield channel_partitions.build_delete_request(gone)


def _marts_after_syncs(marts: Job) -> dg.SensorDefinition:
    @dg.sensor(
        name="marts_after_syncs",
        job=marts,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Once the syncs under way have ended (or after half an hour), refreshes what they changed.",
    )
    def marts_after_syncs(
        context: dg.SensorEvaluationContext, rooms: dg.ResourceParam[Rooms]
    ) -> dg.SensorResult | dg.SkipReason:
        state = fingerprint((c.id, f"{c.last_complete_sync_at}") for c in roster(rooms.registry) if c.synced)
        if state is None:
            return dg.SkipReason("Nothing was ever synced.")
        last = _last_refresh(context.instance)
        if reason := _why_not_yet(context.instance, state, last, datetime.now(UTC)):
            return dg.SkipReason(reason)
        key = f"marts:{state}:{last.dagster_run.run_id if last else ''}"
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key, tags={STATE_TAG: state})])

    return marts_after_syncs


def _last_refresh(instance: dg.DagsterInstance) -> dg.RunRecord | None:
    records = instance.get_run_records(dg.RunsFilter(job_name="refresh_marts", tags=MARTS_TAG), limit=1)
    return records[0] if records else None


def _why_not_yet(instance: dg.DagsterInstance, state: str, last: dg.RunRecord | None, now: datetime) -> str | None:
    """What speaks against a refresh now. What was refreshed is read off the last run, so only success counts."""
    since = now - last.create_timestamp.astimezone(UTC) if last else None
    if last is not None and since is not None:
        if last.dagster_run.status in UNFINISHED:
            return "A refresh is under way."
        if last.dagster_run.tags.get(STATE_TAG) == state:
            if last.dagster_run.status == dg.DagsterRunStatus.SUCCESS:
                return "No sync since the last refresh."
            if since < RETRY_AFTER:
                return f"The last refresh ended {last.dagster_run.status.value}; tried again an hour after it."
    busy = instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED, tags=SYNC_TAG))
    if busy and (since is None or since < LONGEST_WAIT):
        return f"{busy} sync runs are under way: one refresh will follow them all."
    return None


def fingerprint(pairs: Iterable[tuple[str, str]]) -> str | None:
    """A short hash of pairs in any order; None where there are none."""
    text = "\n".join(f"{name} {at}" for name, at in sorted(pairs))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else None

"""Sensors: `channel_registry` (partitions and first syncs) and `marts_after_syncs` (the refresh of the marts)."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.orchestration.channel_summaries import ChannelSummary, read_channel_summaries
from zoho_pipeline.orchestration.instance.asset_job import AssetJob
from zoho_pipeline.orchestration.naming import MARTS_JOB, RECONCILE_JOB, SYNC_JOB, SYNC_OP, Naming
from zoho_pipeline.orchestration.partitions import split_into_batches
from zoho_pipeline.orchestration.services import Services

UNFINISHED_STATUSES = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
SYNCED_DATA_TAG = "zoho_pipeline/synced_data"
"""Tells which syncs a refresh of the marts has in it: the fingerprint of the last complete sync of each channel."""
FORMER_TAG = "zoho_pipeline/state"
"""The name of that tag in the runs of version 0.1.0."""
HIGH_PRIORITY = {"dagster/priority": "10"}  # a customer who has just connected sees an empty page until the first sync
MAX_RUNS_OF_ONE_CHANNEL = 5
"""Up to this many new channels get a run each, which shows the first results soonest. More channels share runs."""
MAX_WAIT_FOR_SYNCS = timedelta(minutes=30)  # syncs that last all night must not keep the marts out of date
RETRY_AFTER = timedelta(hours=1)


def build_sensors(naming: Naming, sync: AssetJob, marts: AssetJob) -> list[dg.SensorDefinition]:
    """`channel_registry` and `marts_after_syncs`, switched on by default."""
    return [_channel_registry(naming, sync), _marts_after_syncs(naming, marts)]


def _channel_registry(naming: Naming, sync: AssetJob) -> dg.SensorDefinition:
    @dg.sensor(
        name=naming.name("channel_registry"),
        job=sync,
        required_resource_keys={naming.resource},
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Adds a partition for each connected channel, and requests the first sync of each new channel.",
    )
    def channel_registry(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        services = naming.services(context.resources)
        channels = read_channel_summaries(services.registry)
        partitions = set(context.instance.get_dynamic_partitions(str(naming.partitions.name)))
        waiting = _left_to_dagster(services, channels_without_first_sync(channels))
        requested = json.loads(context.cursor or "{}")
        new = [channel_id for channel_id, connected in waiting.items() if requested.get(channel_id) != connected]
        changes = list(_partition_changes(naming, {channel.id for channel in channels}, partitions))
        nothing_to_do = not new and not changes
        skip = dg.SkipReason("Every channel has its partition, and its first sync was requested.")
        return dg.SensorResult(
            run_requests=list(first_sync_requests(naming, new, waiting)),
            dynamic_partitions_requests=changes,
            # A channel stays in the cursor until its first sync succeeds. A reconnect changes its value. One that a
            # worker has leaves it, and comes back only if its request fails.
            cursor=json.dumps(waiting),
            skip_reason=skip if nothing_to_do else None,
        )

    return channel_registry


def _left_to_dagster(services: Services, waiting: dict[str, str]) -> dict[str, str]:
    """Those of the channels whose first sync is Dagster's: no worker lives, and no request of the channel is open."""
    if not waiting:
        return {}
    from zoho_pipeline.channels.sync_requests.queue import unfinished
    from zoho_pipeline.channels.sync_requests.workers import worker_alive

    if worker_alive(services.registry):
        return {}
    asked = {request.channel_id for request in unfinished(services.registry)}
    return {channel_id: connected for channel_id, connected in waiting.items() if channel_id not in asked}


def channels_without_first_sync(channels: Iterable[ChannelSummary]) -> dict[str, str]:
    """Id of each active channel without a complete sync → when it was connected (ISO 8601)."""
    return {
        c.id: c.connected_at.isoformat() for c in channels if c.status == ACTIVE and c.last_complete_sync_at is None
    }


def first_sync_requests(
    naming: Naming, channel_ids: Sequence[str], connected_at: Mapping[str, str]
) -> Iterator[dg.RunRequest]:
    """Run requests for the first syncs: one run per channel for a few channels, batches for many.

    The run key holds the time of the connection. So a channel has one first sync, and another one after a reconnect.
    """
    if len(channel_ids) <= MAX_RUNS_OF_ONE_CHANNEL:
        for channel_id in channel_ids:
            key = f"first:{channel_id}:{connected_at[channel_id]}"
            yield dg.RunRequest(run_key=key, partition_key=channel_id, tags=HIGH_PRIORITY)
        return
    for batch in split_into_batches(channel_ids):
        key = f"first:{fingerprint((channel_id, connected_at[channel_id]) for channel_id in batch)}"
        yield dg.RunRequest(run_key=key, run_config=naming.run_config(SYNC_OP, batch), tags=HIGH_PRIORITY)


def _partition_changes(
    naming: Naming, channels: set[str], partitions: set[str]
) -> Iterator[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    if added := sorted(channels - partitions):
        yield naming.partitions.build_add_request(added)
    if removed := sorted(partitions - channels):
        yield naming.partitions.build_delete_request(removed)


def _marts_after_syncs(naming: Naming, marts: AssetJob) -> dg.SensorDefinition:
    @dg.sensor(
        name=naming.name("marts_after_syncs"),
        job=marts,
        required_resource_keys={naming.resource},
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Refreshes the marts when the running syncs have ended, or after half an hour.",
    )
    def marts_after_syncs(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        channels = read_channel_summaries(naming.services(context.resources).registry)
        synced = fingerprint((c.id, f"{c.last_complete_sync_at}") for c in channels if c.has_synced)
        if synced is None:
            return dg.SkipReason("No channel was ever synced.")
        last = _last_refresh(context.instance, naming)
        if reason := _reason_to_wait(context.instance, naming, synced, last, datetime.now(UTC)):
            return dg.SkipReason(reason)
        key = f"marts:{synced}:{last.dagster_run.run_id if last else ''}"
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key, tags={SYNCED_DATA_TAG: synced})])

    return marts_after_syncs


def _last_refresh(instance: dg.DagsterInstance, naming: Naming) -> dg.RunRecord | None:
    records = instance.get_run_records(dg.RunsFilter(job_name=naming.name(MARTS_JOB)), limit=1)
    return records[0] if records else None


def _reason_to_wait(
    instance: dg.DagsterInstance, naming: Naming, synced: str, last: dg.RunRecord | None, now: datetime
) -> str | None:
    """Why the marts are not refreshed now; None when they are.

    A tag of the last run tells which syncs it had. So a refresh that failed does not count.
    """
    age = now - last.create_timestamp.astimezone(UTC) if last else None
    if last is not None and age is not None:
        if last.dagster_run.status in UNFINISHED_STATUSES:
            return "A refresh is running."
        tags = last.dagster_run.tags
        if tags.get(SYNCED_DATA_TAG, tags.get(FORMER_TAG)) == synced:
            if last.dagster_run.status == dg.DagsterRunStatus.SUCCESS:
                return "There was no sync since the last refresh."
            if age < RETRY_AFTER:
                return f"The last refresh ended as {last.dagster_run.status.value}. It is retried one hour after it."
    jobs = (naming.name(job) for job in (SYNC_JOB, RECONCILE_JOB))
    syncs = sum(instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED_STATUSES, job_name=job)) for job in jobs)
    if syncs and (age is None or age < MAX_WAIT_FOR_SYNCS):
        return f"{syncs} sync runs are queued or running. One refresh will follow them."
    return None


def fingerprint(pairs: Iterable[tuple[str, str]]) -> str | None:
    """A hash of 16 hex digits over the pairs in any order; None when there are no pairs."""
    text = "\n".join(f"{name} {value}" for name, value in sorted(pairs))
    return hashlib.sha256(text.encode()).hexdigest()[:16] if text else None

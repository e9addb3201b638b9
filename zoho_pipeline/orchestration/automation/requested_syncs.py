"""The requested syncs that Dagster does: it takes them, asks for their runs, and ends them.

The sensor `sync_requests` imports this module at its first tick: `sqlalchemy` and `httpx` double the time in which the
code location loads.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy import select

from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.channels.registry.platform_tables import channel_events
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import claims
from zoho_pipeline.channels.sync_requests.claims import SignOfLife
from zoho_pipeline.channels.sync_requests.model import PUSH, SyncRequest
from zoho_pipeline.channels.sync_requests.queue import get
from zoho_pipeline.channels.sync_requests.workers import worker_alive
from zoho_pipeline.orchestration.naming import MARTS_JOB, SYNC_OP, WEEKLY_JOB, Naming

WORKER = "dagster"
"""The name under which Dagster claims requests."""

REQUEST_TAG, ASKED_BY_TAG = "zoho_pipeline/sync_request", "zoho_pipeline/requested_by"
PRIORITY = {"dagster/priority": "10"}  # a person waits for it
MOST_PER_TICK = 20
LONGEST_TAG = 200
WAIT_FOR_RUN = timedelta(minutes=2)
"""A request whose run does not exist after this time goes back into the queue: the tick that asked for it was lost."""

_ENDED_BADLY = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def next_steps(
    instance: dg.DagsterInstance, naming: Naming, registry: Registry
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Bring the requests that Dagster has one step on, and take queued ones where no worker lives.

    It yields a run request per taken request, or the reason for which it took none.
    """
    for request in claims.claimed_by(registry, WORKER):
        _follow(instance, naming, registry, request)
    if worker_alive(registry):
        yield dg.SkipReason("A worker lives. It does the requested syncs.")
        return
    taken = list(_take(registry))
    yield from (_run_request(naming, request) for request in taken)
    if not taken:
        yield dg.SkipReason("No request for a sync waits.")


def _take(registry: Registry) -> Iterator[SyncRequest]:
    for _ in range(MOST_PER_TICK):
        request = claims.claim(registry, WORKER)
        if request is None:
            return
        yield request


def _run_request(naming: Naming, request: SyncRequest) -> dg.RunRequest:
    config = naming.run_config(
        SYNC_OP, [request.channel_id], full=request.full, keep_side_tables=request.reason == PUSH
    )
    who = f"{request.requested_by} ({request.reason})"[:LONGEST_TAG]
    tags = {REQUEST_TAG: request.id, ASKED_BY_TAG: who}
    return dg.RunRequest(run_key=request.id, run_config=config, tags={**tags, **PRIORITY})


def _follow(instance: dg.DagsterInstance, naming: Naming, registry: Registry, request: SyncRequest) -> None:
    """Bring a request that Dagster has one step on: keep it alive, end it, or give it back."""
    records = instance.get_run_records(dg.RunsFilter(tags={REQUEST_TAG: request.id}), limit=1)
    if not records:
        started = request.started_at
        if started is None or registry.database.now() - started > WAIT_FOR_RUN:
            claims.release(registry, WORKER, request.id)
        return
    run = records[0].dagster_run
    if run.status in _ENDED_BADLY and run.tags.get("dagster/will_retry") != "true":
        claims.finish(registry, WORKER, request.id, _why_failed(registry, request, run))
    elif run.status == dg.DagsterRunStatus.SUCCESS:
        _follow_marts(instance, naming, registry, request, records[0])
    else:
        _keep(registry, request)


def _follow_marts(
    instance: dg.DagsterInstance, naming: Naming, registry: Registry, request: SyncRequest, sync: dg.RunRecord
) -> None:
    """The sync has ended well. The request is done once its rows are published."""
    channel = registry.get(request.channel_id, damaged_too=True)  # it must not stop the requests of others
    current = get(registry, request.id)
    if current is None or current.run_id is None:  # the run skipped the channel
        why = "it was synced by another run" if channel.status == ACTIVE else f"the channel is {channel.status}"
        claims.finish(registry, WORKER, request.id, f"nothing was synced: {why}. Ask again.")
        return
    ended = datetime.fromtimestamp(sync.end_time, UTC) if sync.end_time else sync.update_timestamp
    if _is_published(registry, current):
        claims.finish(registry, WORKER, request.id)
        return
    after = [
        record
        for job in (MARTS_JOB, WEEKLY_JOB)
        for record in instance.get_run_records(dg.RunsFilter(job_name=naming.name(job)), limit=5)
        if record.start_time and record.start_time >= ended.timestamp()
    ]
    if any(record.dagster_run.status == dg.DagsterRunStatus.SUCCESS for record in after):
        claims.finish(registry, WORKER, request.id)
    elif any(record.dagster_run.status in _ENDED_BADLY for record in after):
        run_id = after[0].dagster_run.run_id
        claims.finish(
            registry, WORKER, request.id, f"the rows were loaded, but not published: see Dagster's run {run_id}"
        )
    else:
        _keep(registry, request)


def _is_published(registry: Registry, request: SyncRequest) -> bool:
    """Whether the channel's marts were published from a build that began after the sync of the request."""
    own = channel_events.c.channel_id == request.channel_id
    with registry.database.read() as transaction:
        finished = select(channel_events).where(own, channel_events.c.type == "sync.finished")
        ends = [
            row["at"] for row in transaction.execute(finished).mappings() if row["data"].get("run_id") == request.run_id
        ]
        published = select(channel_events.c.data).where(own, channel_events.c.type == "insight.published")
        builds = [datetime.fromisoformat(data["built_at"]) for data in transaction.scalars(published)]
    return bool(ends) and any(built >= max(ends) for built in builds)


def _keep(registry: Registry, request: SyncRequest) -> None:
    claims.signs_of_life(registry, WORKER, [SignOfLife(request.id, renew=True)])


def _why_failed(registry: Registry, request: SyncRequest, run: dg.DagsterRun) -> str:
    """What the registry knows of the failure, else where to look."""
    current = get(registry, request.id)
    broken = [part for part in (current.modules if current else ()) if part["outcome"] in ("failed", "stopped")]
    known = "; ".join(f"{part['module']}: {part['detail'] or part['outcome']}" for part in broken)
    return (
        known or registry.get(request.channel_id, damaged_too=True).status_detail or f"see Dagster's run {run.run_id}"
    )

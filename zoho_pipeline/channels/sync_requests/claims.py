"""Who works on a request: claim it, show signs of life, give it back, end it.

A claim names its worker and the end of its lease. Every later step asks whether the claim still stands, so a worker
that was away for longer than its lease changes nothing of the one that took over.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.channel_rows import find_channel
from zoho_pipeline.channels.registry.platform_tables import sync_requests, workers
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.channels.sync_requests.model import DONE, FAILED, LEASE, QUEUED, RUNNING, SyncRequest
from zoho_pipeline.channels.sync_requests.queue import announce, end_damaged, read_rows
from zoho_pipeline.logs import redact

LONGEST_ERROR = 2_000
SILENCE = timedelta(seconds=60)
"""After the end of its lease of 60 s, a worker that is not heard for so long counts as dead."""


def claim(
    registry: Registry, worker: str, *, lease: timedelta = LEASE, only: Collection[str] | None = None
) -> SyncRequest | None:
    """Take the oldest request that nobody works on: a queued one, or one whose claim has ended.

    Args:
        worker: a name for this worker; claims of other workers stay theirs.
        only: take one of these ids alone.
    """
    database = registry.database
    with database.write() as transaction:
        database.one_at_a_time(transaction, "sync claims")
        now = database.now_in(transaction)
        free = select(sync_requests.c.id).where(_is_free(now))
        if only is not None:
            free = free.where(sync_requests.c.id.in_(only))
        oldest = free.order_by(sync_requests.c.asked_at, sync_requests.c.id).limit(1)
        while (request_id := transaction.scalar(oldest)) is not None:
            found = read_rows(transaction, select(sync_requests).where(sync_requests.c.id == request_id))
            if found:
                break
            end_damaged(transaction, request_id, now)  # else the oldest request would keep every worker from all others
        else:
            return None
        values: dict[str, Any] = {"state": RUNNING, "worker": worker, "lease_until": now + lease, "progress": {}}
        values |= {"started_at": now, "modules": None, "run_id": None, "credits": None}
        transaction.execute(update(sync_requests).where(sync_requests.c.id == request_id).values(values))
        _announce(registry, transaction, found[0].channel_id, request_id, RUNNING, now)
        return replace(found[0], **values | {"modules": ()})


@dataclass(frozen=True)
class SignOfLife:
    """What a worker says about a request that it has: the rows read so far if they changed, and a longer lease."""

    request_id: str
    progress: Mapping[str, int] | None = None
    renew: bool = False


def signs_of_life(
    registry: Registry, worker: str, signs: Iterable[SignOfLife], *, lease: timedelta = LEASE
) -> set[str]:
    """Store progress and longer leases in one transaction. Returns the ids whose claim is no longer this worker's."""
    lost, told = set(), []
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        for sign in signs:
            values: dict[str, Any] = {"lease_until": now + lease} if sign.renew else {}
            values |= {} if sign.progress is None else {"progress": dict(sign.progress)}
            if values and not _change(transaction, worker, sign.request_id, values):
                lost.add(sign.request_id)
            elif sign.progress is not None:
                told.append(sign)
        _tell_progress(transaction, told, now)
    return lost


def finish(
    registry: Registry,
    worker: str,
    request_id: str,
    error: str | None = None,
    *,
    progress: Mapping[str, int] | None = None,
) -> bool:
    """End a request: done, or failed with this error. False: the claim is no longer this worker's.

    Args:
        error: secrets in it are removed.
        progress: the last numbers of rows.
    """
    error = None if error is None else redact(error)[:LONGEST_ERROR]
    values: dict[str, Any] = {"state": DONE if error is None else FAILED, "error": error, "lease_until": None}
    values |= {} if progress is None else {"progress": dict(progress)}
    return _end_claim(registry, worker, request_id, values)


def release(registry: Registry, worker: str, request_id: str, *, not_before: timedelta = timedelta(0)) -> bool:
    """Give a request back to the queue. False: the claim is no longer this worker's.

    Args:
        not_before: how long nobody takes it again, for a channel that another process has in use.
    """
    values: dict[str, Any] = {"state": QUEUED, "started_at": None, "worker": None, "progress": {}}
    return _end_claim(registry, worker, request_id, values, not_before)


def claimed_by(registry: Registry, worker: str) -> list[SyncRequest]:
    """The running requests of a worker."""
    mine = select(sync_requests).where(sync_requests.c.state == RUNNING, sync_requests.c.worker == worker)
    with registry.database.read() as transaction:
        return read_rows(transaction, mine.order_by(sync_requests.c.asked_at, sync_requests.c.id))


def claimable(registry: Registry) -> int:
    """The number of requests that a worker could take now. It takes no lock, so a worker asks often."""
    with registry.database.read() as transaction:
        now = registry.database.now_in(transaction)
        return int(transaction.scalar(select(func.count()).select_from(sync_requests).where(_is_free(now))) or 0)


def _is_free(now: datetime) -> ColumnElement[bool]:
    """Whether nobody works on a request: it is queued, or its claim has ended, or its worker is dead.

    A worker that was killed says nothing. Its claims would stand for a quarter of an hour, and the page would say
    "Syncing" so long. A worker that lives and cannot be heard loses only work: the lock of the channel keeps two
    syncs apart.
    """
    until, state = sync_requests.c.lease_until, sync_requests.c.state
    dead = exists().where(workers.c.id == sync_requests.c.worker, workers.c.lease_until <= now - SILENCE)
    waits = and_(state == QUEUED, or_(until.is_(None), until <= now))
    return or_(waits, and_(state == RUNNING, or_(until <= now, dead)))


def _end_claim(
    registry: Registry, worker: str, request_id: str, values: dict[str, Any], later: timedelta | None = None
) -> bool:
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        values |= {"finished_at": now} if later is None else {"lease_until": now + later}
        found = select(sync_requests.c.channel_id).where(sync_requests.c.id == request_id)
        channel_id = transaction.scalar(found)
        if channel_id is None or not _change(transaction, worker, request_id, values):
            return False
        _announce(registry, transaction, channel_id, request_id, values["state"], now, values.get("error"))
        return True


def _change(transaction: Connection, worker: str, request_id: str, values: dict[str, Any]) -> bool:
    """Change a request, if it is running and this worker's."""
    mine = (sync_requests.c.id == request_id, sync_requests.c.worker == worker, sync_requests.c.state == RUNNING)
    return transaction.execute(update(sync_requests).where(*mine).values(values)).rowcount == 1


def _announce(
    registry: Registry,
    transaction: Connection,
    channel_id: str,
    request_id: str,
    state: str,
    now: datetime,
    error: str | None = None,
) -> None:
    # a damaged one too: else its request, the oldest in the queue, would keep every worker from all the others
    channel = find_channel(registry.database, transaction, channel_id, damaged_too=True)
    if channel is None:  # it was removed in this moment
        return
    announce(transaction, channel, request_id, state, now, error)


def _tell_progress(transaction: Connection, signs: list[SignOfLife], now: datetime) -> None:
    owner = select(sync_requests.c.id, channels.c.channel_id, channels.c.tenant).join(
        channels, sync_requests.c.channel_id == channels.c.channel_id
    )
    rows = transaction.execute(owner.where(sync_requests.c.id.in_([sign.request_id for sign in signs])))
    owners = {row.id: row for row in rows}
    known = [sign for sign in signs if sign.request_id in owners]
    # by channel, as everybody who writes events of several channels does: else two transactions could block each other
    for sign in sorted(known, key=lambda sign: owners[sign.request_id].channel_id):
        row = owners[sign.request_id]
        data = {"request_id": sign.request_id, "progress": dict(sign.progress or {})}
        channel_events.record_latest(transaction, row.channel_id, row.tenant, channel_events.SYNC_PROGRESS, data, now)

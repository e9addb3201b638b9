"""The queue of sync requests: ask for a sync, look at a request, list the history of a channel.

A channel has one unfinished request at most; who asks again joins it. The channel's row is locked while somebody asks,
so two callers at the same time end in one row, and a unique index refuses a second row whatever happens.
"""

import logging
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select, update

from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.database.whole_rows import whole_rows
from zoho_pipeline.channels.errors import ChannelPaused, ReconnectFirst, TooManySyncs
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.channel_rows import read_channel
from zoho_pipeline.channels.registry.model import PAUSED, RECONNECT_NEEDED, Channel
from zoho_pipeline.channels.registry.platform_tables import sync_requests
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests.model import FAILED, QUEUED, REASONS, UNFINISHED, USER, SyncRequest, of_row

log = logging.getLogger(__name__)

HOUR = timedelta(hours=1)
DAMAGED = "what the registry stored of this request was damaged. Ask for a sync again."
_ORDER = (sync_requests.c.asked_at.desc(), sync_requests.c.id.desc())
_PLACE = func.row_number().over(partition_by=sync_requests.c.channel_id, order_by=_ORDER).label("place")
_PLACES = (
    select(sync_requests.c.id, _PLACE)
    .where(sync_requests.c.channel_id.in_(bindparam("ids", expanding=True)))
    .subquery()
)
# Made once: a statement that is made for each page costs four times as much as its answer.
_NEWEST = select(sync_requests).where(sync_requests.c.id.in_(select(_PLACES.c.id).where(_PLACES.c.place == 1)))
_HISTORY = (
    select(sync_requests)
    .where(sync_requests.c.channel_id == bindparam("channel"))
    .order_by(*_ORDER)
    .limit(bindparam("most"))
)


def request_sync(
    registry: Registry,
    channel_id: str,
    *,
    reason: str,
    requested_by: str,
    full: bool = False,
    most_per_hour: int | None = None,
) -> tuple[SyncRequest, bool]:
    """Ask for a whole sync of a channel. Returns the request, and whether it was there before (joined).

    A queued request that somebody joins with `full` becomes a full one. A running one stays as it is.

    Args:
        reason: one of `model.REASONS`.
        requested_by: who asks, for people: no secret.
        full: read every row again.
        most_per_hour: refuse more new requests of reason `user` than this. None means no limit.

    Raises:
        UnknownChannel: no channel has this id.
        ChannelPaused, ReconnectFirst: the channel cannot be synced. Nothing was stored.
        TooManySyncs: the last hour had `most_per_hour` new requests. Nothing was stored.
    """
    if reason not in REASONS:
        raise ValueError(f"unknown reason {reason!r}")
    with registry.database.write() as transaction:
        channel = read_channel(registry.database, transaction, channel_id, lock=True)
        _refuse(channel)
        now = registry.database.now_in(transaction)
        if joined := _join(transaction, channel_id, full, now):
            return joined, True
        if most_per_hour is not None and (wait := _wait(transaction, channel_id, most_per_hour, now)):
            raise TooManySyncs(
                f"channel {channel_id} had {most_per_hour} requests for a sync within an hour. The next one is "
                f"possible in {-(-wait // 60):.0f} min.",
                retry_after=wait,
            )
        values: dict[str, Any] = {"id": f"sr_{secrets.token_hex(12)}", "channel_id": channel_id, "reason": reason}
        values |= {"requested_by": requested_by, "full": full, "state": QUEUED, "asked_at": now, "progress": {}}
        added = transaction.execute(insert_or(transaction, sync_requests).values(values).on_conflict_do_nothing())
        if added.rowcount == 1:
            announce(transaction, channel, values["id"], QUEUED, now)
            return of_row({**dict.fromkeys(sync_requests.c.keys()), **values}), False
        found = _join(transaction, channel_id, full, now)  # somebody wrote a row without the channel's lock
        assert found is not None
        return found, True


def seconds_until_next(registry: Registry, channel_id: str, most_per_hour: int) -> float | None:
    """How long a user must wait for a new request of this channel; None: not at all."""
    with registry.database.read() as transaction:
        return _wait(transaction, channel_id, most_per_hour, registry.database.now_in(transaction))


def get(registry: Registry, request_id: str) -> SyncRequest | None:
    """The request with this id; None if there is none. One whose row is damaged is shown as failed.

    The row stays as it is. The next request for a sync of the channel ends it.
    """
    with registry.database.read() as transaction:
        try:
            return _get(transaction, request_id)
        except (ValueError, TypeError):
            return _as_failed(registry, transaction, request_id)


def unfinished(registry: Registry, channel_id: str | None = None) -> list[SyncRequest]:
    """The requests that are queued or running, the oldest first: of one channel, or of all."""
    query = select(sync_requests).where(sync_requests.c.state.in_(UNFINISHED))
    if channel_id is not None:
        query = query.where(sync_requests.c.channel_id == channel_id)
    return _read(registry, query.order_by(sync_requests.c.asked_at, sync_requests.c.id))


def history(
    registry: Registry, channel_id: str, limit: int, before: tuple[datetime, str] | None = None
) -> list[SyncRequest]:
    """The requests of a channel and the syncs that came by themselves, the newest first.

    Args:
        before: (asked_at, id) of the last row of the page before.
    """
    if before is None:
        with registry.database.read() as transaction:
            return newest_of(transaction, channel_id, limit)
    at, last_id = before
    same = and_(sync_requests.c.asked_at == at, sync_requests.c.id < last_id)
    query = select(sync_requests).where(sync_requests.c.channel_id == channel_id)
    query = query.where(or_(sync_requests.c.asked_at < at, same)).order_by(*_ORDER)
    with registry.database.read() as transaction:
        return read_rows(transaction, query.limit(limit), most=limit)


def newest(transaction: Connection, channel_ids: Collection[str]) -> dict[str, SyncRequest]:
    """Channel id → the newest row of its history, for many channels in one query. A damaged one is left out."""
    ids = list(channel_ids)
    one = {"channel": ids[0], "most": 1} if len(ids) == 1 else None
    found = read_rows(transaction, _HISTORY, one) if one else read_rows(transaction, _NEWEST, {"ids": ids})
    return {request.channel_id: request for request in found}


def newest_of(transaction: Connection, channel_id: str, limit: int) -> list[SyncRequest]:
    """The first rows of the `history` of a channel, inside an open transaction."""
    return read_rows(transaction, _HISTORY, {"channel": channel_id, "most": limit}, most=limit)


def read_rows(
    transaction: Connection, query: Select[Any], values: Mapping[str, Any] | None = None, *, most: int | None = None
) -> list[SyncRequest]:
    """The requests of a query on their table, without those whose row is damaged. `most`: the limit of the query."""
    return whole_rows(transaction, query, sync_requests.c.id, lambda row: of_row(row._mapping), values, most=most)[0]


def end_damaged(transaction: Connection, request_id: str, now: datetime) -> None:
    """End a request whose row is damaged, and make its row whole. Else it would keep its channel from each sync."""
    whole: dict[str, Any] = {"state": FAILED, "error": DAMAGED, "asked_at": now, "finished_at": now, "progress": {}}
    whole |= {"reason": USER, "requested_by": "unknown", "full": False, "worker": None, "run_id": None}
    whole |= dict.fromkeys(("started_at", "lease_until", "modules", "credits"))
    transaction.execute(update(sync_requests).where(sync_requests.c.id == request_id).values(whole))
    log.error("the registry's row of the sync request %s was damaged; the request has failed", request_id)


def announce(
    transaction: Connection, channel: Channel, request_id: str, state: str, now: datetime, error: str | None = None
) -> None:
    """Tell open pages that the state of a request changed."""
    sync = {"request_id": request_id, "state": state, "error": error}
    data = {"status": channel_events.shown_status(channel.status), "sync": sync}
    channel_events.record(transaction, channel.id, channel.tenant, channel_events.CHANNEL_STATUS, data, now)


def _refuse(channel: Channel) -> None:
    if channel.status == PAUSED:
        raise ChannelPaused(
            f"channel {channel.id} is paused. Resume it with: zoho-pipeline channels resume {channel.id}"
        )
    if channel.status == RECONNECT_NEEDED:
        raise ReconnectFirst(
            f"channel {channel.id} must be connected again first. Run: zoho-pipeline connect {channel.id}"
        )


def _join(transaction: Connection, channel_id: str, full: bool, now: datetime) -> SyncRequest | None:
    """The unfinished request of the channel, if there is one."""
    mine = (sync_requests.c.channel_id == channel_id, sync_requests.c.state.in_(UNFINISHED))
    open_one = transaction.scalar(select(sync_requests.c.id).where(*mine))
    if open_one is None:
        return None
    try:
        found = _get(transaction, open_one)
    except (ValueError, TypeError):
        end_damaged(transaction, open_one, now)
        return None
    if found is not None and full and not found.full:
        queued = (sync_requests.c.id == found.id, sync_requests.c.state == QUEUED)
        transaction.execute(update(sync_requests).where(*queued).values(full=True))
        return _get(transaction, found.id)
    return found


def _wait(transaction: Connection, channel_id: str, most: int, now: datetime) -> float | None:
    asked = sync_requests.c.asked_at
    recent = select(asked).where(
        sync_requests.c.channel_id == channel_id,
        sync_requests.c.reason == USER,
        asked.between(now - HOUR, now),  # between: a text that is no time comes after all times
    )
    times = list(transaction.scalars(recent.order_by(sync_requests.c.asked_at.desc()).limit(most)))
    return None if len(times) < most else max((times[-1] + HOUR - now).total_seconds(), 1.0)


def _get(transaction: Connection, request_id: str) -> SyncRequest | None:
    """The request with this id. ValueError, TypeError: its row is damaged."""
    found = transaction.execute(select(sync_requests).where(sync_requests.c.id == request_id)).mappings()
    row = found.one_or_none()
    return None if row is None else of_row(row)


def _as_failed(registry: Registry, transaction: Connection, request_id: str) -> SyncRequest | None:
    """What is left of a damaged request: whose it is, and when it was asked for if that can be read."""
    own = sync_requests.c.id == request_id
    channel_id = transaction.scalar(select(sync_requests.c.channel_id).where(own))
    if not isinstance(channel_id, str):
        return None
    try:
        asked_at = transaction.scalar(select(sync_requests.c.asked_at).where(own))
    except (ValueError, TypeError):
        asked_at = None
    asked_at = asked_at or registry.database.now_in(transaction)
    return SyncRequest(request_id, channel_id, USER, False, FAILED, "unknown", asked_at, error=DAMAGED)


def _read(registry: Registry, query: Select[Any]) -> list[SyncRequest]:
    with registry.database.read() as transaction:
        return read_rows(transaction, query)

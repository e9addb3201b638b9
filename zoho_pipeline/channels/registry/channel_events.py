"""Events of a channel, for the platform and for open pages: written in the transaction that makes them true.

Each event gets the next number of its channel. The row of that number is locked until the transaction ends, so the
numbers of a channel become visible in order. A transaction that writes events of several channels writes them in the
order of the channels' ids, because two transactions could block each other otherwise. For each endpoint that wants the
event, the same transaction writes a delivery; a worker sends it.
"""

import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.types import NullType

from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.model import ACTIVE, RECONNECT_NEEDED
from zoho_pipeline.logs import redact

TYPES = (
    "connection.created",
    "connection.broken",
    "connection.restored",
    "connection.removed",
    "sync.finished",
    "sync.failed",
    "insight.published",
    "lead.changed",
    "lead.changed_many",
    "writeback.done",
    "writeback.refused",
    "writeback.conflict",
    "writeback.degraded",
    "writeback.broken",
    "writeback.restored",
    "push.stopped",
    "push.restored",
)
"""What an endpoint can subscribe to. The two other types go to open pages alone."""

SYNC_PROGRESS, CHANNEL_STATUS = "sync.progress", "channel.status"

_NEWEST_NUMBER = select(tables.event_numbers.c.seq).where(tables.event_numbers.c.channel_id == bindparam("channel"))

KEPT = timedelta(hours=24)
PRUNE_EVERY = 50
"""Old events are deleted with each event whose number is a multiple of this, so that ordinary ones stay quick."""


def record(
    connection: Connection, channel_id: str, tenant: str | None, kind: str, data: dict[str, Any], now: datetime
) -> int:
    """Write an event of a channel, and one delivery per endpoint that wants it; the event's number.

    Args:
        kind: the type of the event, such as `sync.finished`.
        data: what the platform gets, ready for JSON; `tenant`, `channel_id` and `seq` are added.
        now: the database's clock, aware.
    """
    seq = _next_number(connection, channel_id, now)
    event_id = f"evt_{secrets.token_hex(16)}"
    full = {"tenant": tenant, "channel_id": channel_id, "seq": seq, **data}
    if seq % PRUNE_EVERY == 0:
        prune(connection, now)
    row: dict[str, Any] = {"channel_id": channel_id, "seq": seq, "event_id": event_id, "tenant": tenant}
    connection.execute(insert(tables.channel_events).values(**row, type=kind, data=full, at=now))
    body = json.dumps({"type": kind, "timestamp": now.isoformat(timespec="milliseconds"), "data": full})
    for endpoint_id in _subscribers(connection, tenant, kind):
        values: dict[str, Any] = {"event_id": event_id, "endpoint_id": endpoint_id}
        values |= {"type": kind, "channel_id": channel_id}
        values |= {"body": body, "status": "waiting", "tries": 0}
        connection.execute(insert(tables.webhook_deliveries).values(**values, next_try_at=now, created_at=now))
    return seq


def record_latest(
    connection: Connection, channel_id: str, tenant: str | None, kind: str, data: dict[str, Any], now: datetime
) -> int:
    """`record` for a type of which only the newest event counts: the earlier ones of the channel are deleted."""
    events = tables.channel_events
    connection.execute(delete(events).where(events.c.channel_id == channel_id, events.c.type == kind))
    return record(connection, channel_id, tenant, kind, data, now)


def record_status(
    connection: Connection,
    channel_id: str,
    tenant: str | None,
    change: tuple[str | None, str],
    detail: str | None,
    now: datetime,
) -> None:
    """Record what a new status means: a connection is new, broken or restored. Open pages learn each change.

    Args:
        change: the status before (None: the channel is new) and the one after.
        detail: why, in a sentence for a person.
    """
    before, after = change
    data = {"status": shown_status(after), "status_detail": None if detail is None else redact(detail)}
    if before is None:
        record(connection, channel_id, tenant, "connection.created", data, now)
    elif after == RECONNECT_NEEDED and before != after:
        record(connection, channel_id, tenant, "connection.broken", data, now)
    elif before == RECONNECT_NEEDED and after == ACTIVE:
        record(connection, channel_id, tenant, "connection.restored", data, now)
    record(connection, channel_id, tenant, CHANNEL_STATUS, data, now)


def newest_number(connection: Connection, channel_id: str) -> int:
    """The number of the newest event of a channel; 0: it has none."""
    return stored_number(connection.scalar(_NEWEST_NUMBER, {"channel": channel_id}))


def stored_number(stored: Any) -> int:
    """A stored number of an event; 0: there is none, or it is damaged (see `_next_number`)."""
    return stored if type(stored) is int and stored > 0 else 0


def shown_status(status: str) -> str:
    """A status of the registry in the words of the API, which says `connected` for `active`."""
    return "connected" if status == ACTIVE else status


def prune(connection: Connection, now: datetime) -> None:
    """Delete the events that are older than `KEPT`. Their deliveries stay until they are sent."""
    connection.execute(delete(tables.channel_events).where(tables.channel_events.c.at < now - KEPT))


def _next_number(connection: Connection, channel_id: str, now: datetime) -> int:
    """The next number of a channel's events. The row of the newest one stays locked until the transaction ends.

    The row outlives its channel, so nobody could remove a damaged one. Then the numbers go on at the seconds since
    1970: that is beyond every number that a reader can have seen.
    """
    numbers, events = tables.event_numbers, tables.channel_events
    first = insert_or(connection, numbers).values(channel_id=channel_id, seq=1)
    following = case((numbers.c.seq + 0 == numbers.c.seq, numbers.c.seq + 1), else_=0)  # SQLite adds to a text too
    upsert = first.on_conflict_do_update(index_elements=["channel_id"], set_={"seq": following})
    highest = select(func.max(events.c.seq)).where(events.c.channel_id == channel_id).scalar_subquery()
    seq, newest = map(stored_number, connection.execute(upsert.returning(numbers.c.seq, highest)).one())
    if seq <= newest:
        seq = max(newest + 1, int(now.timestamp()))
        connection.execute(update(numbers).where(numbers.c.channel_id == channel_id).values(seq=seq))
    return seq


def _subscribers(connection: Connection, tenant: str | None, kind: str) -> list[str]:
    if kind not in TYPES:
        return []
    endpoints = tables.webhook_endpoints
    wanted = select(endpoints.c.id, stored_types()).where(
        endpoints.c.disabled_at.is_(None), or_(endpoints.c.tenant.is_(None), endpoints.c.tenant == tenant)
    )
    found = [(id_, endpoint_types(stored)) for id_, stored in connection.execute(wanted)]
    return [id_ for id_, types in found if types is None or kind in types]


def stored_types() -> ColumnElement[Any]:
    """The column of an endpoint's types as it is stored, for `endpoint_types`."""
    return type_coerce(tables.webhook_endpoints.c.events, NullType())


def endpoint_types(stored: Any) -> tuple[str, ...] | None:
    """The types of events that an endpoint gets; None means all. A damaged list means all too: a row that cannot be
    read must neither lose an event nor stop what the event is about."""
    try:
        types = json.loads(stored) if isinstance(stored, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
        return None
    return tuple(types)

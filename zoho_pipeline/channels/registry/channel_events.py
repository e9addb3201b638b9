"""Events of a channel, for the platform and for open pages: written in the transaction that makes them true.

Each event gets the next number of its channel. The row of that number is locked until the transaction ends, so the
numbers of a channel become visible in order, without gaps. For each endpoint that wants the event, the same
transaction writes a delivery; a worker sends it.
"""

import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from zoho_pipeline.channels.registry import platform_tables as tables

TYPES = (
    "connection.created",
    "connection.broken",
    "connection.restored",
    "connection.removed",
    "sync.finished",
    "sync.failed",
    "insight.published",
    "lead.changed",
    "writeback.done",
    "writeback.refused",
    "writeback.conflict",
    "push.stopped",
    "push.restored",
)
"""What an endpoint can subscribe to. Other types (`sync.progress`, `channel.status`) go to open pages alone."""

KEPT = timedelta(hours=24)


def record(
    connection: Connection, channel_id: str, tenant: str | None, kind: str, data: dict[str, Any], now: datetime
) -> int:
    """Write an event of a channel, and one delivery per endpoint that wants it; the event's number.

    Args:
        kind: the type of the event, such as `sync.finished`.
        data: what the platform gets, ready for JSON; `tenant`, `channel_id` and `seq` are added.
        now: the database's clock, aware.
    """
    seq = _next_number(connection, channel_id)
    event_id = f"evt_{secrets.token_hex(16)}"
    full = {"tenant": tenant, "channel_id": channel_id, "seq": seq, **data}
    connection.execute(delete(tables.channel_events).where(tables.channel_events.c.at < now - KEPT))
    row: dict[str, Any] = {"channel_id": channel_id, "seq": seq, "event_id": event_id, "tenant": tenant}
    connection.execute(insert(tables.channel_events).values(**row, type=kind, data=full, at=now))
    body = json.dumps({"type": kind, "timestamp": now.isoformat(timespec="milliseconds"), "data": full})
    for endpoint_id in _subscribers(connection, tenant, kind):
        values: dict[str, Any] = {"event_id": event_id, "endpoint_id": endpoint_id}
        values |= {"type": kind, "channel_id": channel_id}
        values |= {"body": body, "status": "waiting", "tries": 0}
        connection.execute(insert(tables.webhook_deliveries).values(**values, next_try_at=now, created_at=now))
    return seq


def _next_number(connection: Connection, channel_id: str) -> int:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    numbers = tables.event_numbers
    first = dialect.insert(numbers).values(channel_id=channel_id, seq=1)
    upsert = first.on_conflict_do_update(index_elements=["channel_id"], set_={"seq": numbers.c.seq + 1})
    return int(connection.execute(upsert.returning(numbers.c.seq)).scalar_one())


def _subscribers(connection: Connection, tenant: str | None, kind: str) -> list[str]:
    if kind not in TYPES:
        return []
    endpoints = tables.webhook_endpoints
    wanted = select(endpoints.c.id, endpoints.c.events).where(
        endpoints.c.disabled_at.is_(None), or_(endpoints.c.tenant.is_(None), endpoints.c.tenant == tenant)
    )
    return [row.id for row in connection.execute(wanted) if row.events is None or kind in row.events]

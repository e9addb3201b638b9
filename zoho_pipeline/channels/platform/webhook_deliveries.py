"""Deliveries of events to endpoints: who sends which one now, what came of it, and when it is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select, update

from zoho_pipeline.channels.errors import ChannelError
from zoho_pipeline.channels.platform.webhook_endpoints import open_secret
from zoho_pipeline.channels.registry.platform_tables import webhook_deliveries, webhook_endpoints
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret

WAITING, SENDING, DONE, DEAD = "waiting", "sending", "done", "dead"
AT_ONCE = 2
"""Deliveries to one endpoint at the same time, so that one that does not answer holds up no other endpoint."""

DISABLE_AFTER = timedelta(days=5)
DONE_KEPT, DEAD_KEPT = timedelta(days=7), timedelta(days=30)
LONGEST_DETAIL = 300


@dataclass(frozen=True)
class Delivery:
    """One event for one endpoint, claimed by this process until `lease_until`.

    `tries` counts the ones before this one. `body` is the JSON that is sent and signed, byte for byte.
    """

    event_id: str
    endpoint_id: str
    type: str
    body: str
    tries: int
    url: str
    secret: Secret
    lease_until: datetime


def claim(registry: Registry, most: int, lease: timedelta) -> list[Delivery]:
    """Claim deliveries that are due, at most `AT_ONCE` per endpoint; also those whose sender died."""
    database = registry.database
    with database.write() as transaction:
        database.one_at_a_time(transaction, "webhook deliveries")
        now = database.now_in(transaction)
        rows = transaction.execute(_due(transaction, now, most)).mappings().all()
        until, claimed = now + lease, []
        for row in rows:
            try:
                secret = open_secret(registry, row["endpoint_id"], row["secret_seal"])
            except ChannelError as error:
                later = now + timedelta(hours=1)
                _change(transaction, row, status=WAITING, next_try_at=later, detail=str(error)[:LONGEST_DETAIL])
                continue
            _change(transaction, row, status=SENDING, next_try_at=until)
            names = ("event_id", "endpoint_id", "type", "body", "tries", "url")
            claimed.append(Delivery(**{name: row[name] for name in names}, secret=secret, lease_until=until))
        return claimed


def next_due(registry: Registry) -> bool:
    """Whether a delivery is due now."""
    with registry.database.read() as transaction:
        due = _due(transaction, registry.database.now_in(transaction), 1)
        return transaction.execute(due).first() is not None


def delivered(registry: Registry, delivery: Delivery, detail: str) -> bool:
    """The endpoint took it. False: the claim had ended, and another process has it."""
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        values: dict[str, Any] = {"status": DONE, "done_at": now, "next_try_at": None, "detail": detail}
        values |= {"tries": delivery.tries + 1}
        if not _settle(transaction, delivery, values):
            return False
        own = webhook_endpoints.c.id == delivery.endpoint_id
        failing = update(webhook_endpoints).where(own, webhook_endpoints.c.failing_since.is_not(None))
        transaction.execute(failing.values(failing_since=None))
        return True


def refused(registry: Registry, delivery: Delivery, detail: str, waits: Sequence[float], *, gone: bool = False) -> str:
    """The try failed. Returns the new status: `waiting` for the next try, or `dead`.

    Args:
        waits: the seconds between the tries; after the last one, no further try follows.
        gone: the endpoint wants nothing more (410): it is disabled.
    """
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        last = gone or delivery.tries >= len(waits)
        values: dict[str, Any] = {"status": DEAD if last else WAITING, "detail": detail[:LONGEST_DETAIL]}
        values |= {"next_try_at": None if last else now + timedelta(seconds=waits[delivery.tries])}
        values |= {"tries": delivery.tries + 1}
        if _settle(transaction, delivery, values):
            _mark_failing(transaction, delivery.endpoint_id, now, gone)
        return str(values["status"])


def give_back(registry: Registry, delivery: Delivery) -> None:
    """The sender ends before the answer came: another process may try at once. The try does not count."""
    with registry.database.write() as transaction:
        _settle(transaction, delivery, {"status": WAITING, "next_try_at": registry.database.now_in(transaction)})


def prune(registry: Registry) -> None:
    """Delete the deliveries that ended long ago."""
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        for status, kept in ((DONE, DONE_KEPT), (DEAD, DEAD_KEPT)):
            old = (webhook_deliveries.c.status == status, webhook_deliveries.c.created_at < now - kept)
            transaction.execute(delete(webhook_deliveries).where(*old))


def _due(transaction: Connection, now: datetime, most: int) -> Any:
    """The deliveries to send now. A claim that stands counts against `AT_ONCE` of its endpoint."""
    table = webhook_deliveries
    claims = select(table.c.endpoint_id).where(table.c.status == SENDING, table.c.next_try_at > now)
    full = list(transaction.scalars(claims.group_by(table.c.endpoint_id).having(func.count() >= AT_ONCE)))
    place = func.row_number().over(partition_by=table.c.endpoint_id, order_by=(table.c.next_try_at, table.c.event_id))
    ranked = (
        select(table.c.event_id, table.c.endpoint_id, table.c.next_try_at, place.label("place"))
        .where(table.c.status.in_((WAITING, SENDING)), table.c.next_try_at <= now, table.c.endpoint_id.not_in(full))
        .subquery()
    )
    same = and_(table.c.event_id == ranked.c.event_id, table.c.endpoint_id == ranked.c.endpoint_id)
    open_ones = and_(webhook_endpoints.c.id == table.c.endpoint_id, webhook_endpoints.c.disabled_at.is_(None))
    return (
        select(table, webhook_endpoints.c.url, webhook_endpoints.c.secret_seal)
        .join(ranked, same)
        .join(webhook_endpoints, open_ones)
        .where(ranked.c.place <= AT_ONCE)
        .order_by(ranked.c.next_try_at, table.c.event_id)
        .limit(most)
    )


def _change(transaction: Connection, row: Any, **values: Any) -> None:
    own = (webhook_deliveries.c.event_id == row["event_id"], webhook_deliveries.c.endpoint_id == row["endpoint_id"])
    transaction.execute(update(webhook_deliveries).where(*own).values(values))


def _settle(transaction: Connection, delivery: Delivery, values: dict[str, Any]) -> bool:
    """Change a delivery, if this claim of it stands."""
    table = webhook_deliveries
    own = (table.c.event_id == delivery.event_id, table.c.endpoint_id == delivery.endpoint_id)
    mine = (*own, table.c.status == SENDING, table.c.next_try_at == delivery.lease_until)
    return transaction.execute(update(table).where(*mine).values(values)).rowcount == 1


def _mark_failing(transaction: Connection, endpoint_id: str, now: datetime, gone: bool) -> None:
    """Remember since when an endpoint fails. One that is gone, or failed for days, is disabled."""
    own = webhook_endpoints.c.id == endpoint_id
    since = transaction.scalar(select(webhook_endpoints.c.failing_since).where(own)) or now
    values: dict[str, Any] = {"failing_since": since}
    reason = None
    if gone:
        reason = "the endpoint answered 410 (gone)"
    elif now - since >= DISABLE_AFTER:
        reason = f"no delivery succeeded for {DISABLE_AFTER.days} days"
    if reason:
        values |= {"disabled_at": now, "disabled_reason": reason}
        waiting = (webhook_deliveries.c.endpoint_id == endpoint_id, webhook_deliveries.c.status == WAITING)
        dead = {"status": DEAD, "next_try_at": None, "detail": f"not sent: {reason}"}
        transaction.execute(update(webhook_deliveries).where(*waiting).values(dead))
    transaction.execute(update(webhook_endpoints).where(own, webhook_endpoints.c.disabled_at.is_(None)).values(values))

"""The rows of `registry_push_subscriptions`: which channel hears Zoho's notifications, and how well that works.

The secrets of a subscription are in `push/secrets.py`, the calls to Zoho in `push/subscribe.py`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from zoho_pipeline.channels.errors import DamagedValue
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.platform_tables import push_loads, push_subscriptions, sync_requests
from zoho_pipeline.channels.registry.tables import channels, require_types, types_of

ON, SHORT, STOPPED, FAILED = "on", "short", "stopped", "failed"
"""`short`: Zoho keeps it for less time than asked. `stopped`: changes come, and no notification. `failed`: Zoho does
not renew it."""

BROKEN = (STOPPED, FAILED)
SILENCE = timedelta(hours=24)
"""After changes that no notification named for this long, a subscription counts as stopped."""

FROM_ONE_SYNC = SILENCE / 2
"""How much of that time the first sync that sees such changes may count: a machine that slept for days sees the changes
of days at once, and Zoho's notifications had no chance."""

DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Subscription:
    """A row without its secrets. `expires_at`, `asked_expiry` and `renew_at` are by Zoho's clock, the rest by ours."""

    channel_id: str
    zoho_channel_id: str
    events: Mapping[str, str]
    asked_expiry: datetime
    expires_at: datetime | None
    renew_at: datetime | None
    skew_seconds: float
    state: str
    detail: str | None
    created_at: datetime
    renewed_at: datetime
    tries: int
    next_try_at: datetime | None
    gap_since: datetime | None
    last_delivery_at: datetime | None
    silent_since: datetime | None
    deliveries: int
    doubtful: int
    missed: int
    idle: int
    missed_total: int
    compared_at: datetime | None

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of the events that Zoho accepted, by the names of their tables' modules."""
        taken = (event.partition(".")[0] for event, outcome in self.events.items() if outcome == "subscribed")
        return tuple(dict.fromkeys("Events" if module == "Meetings" else module for module in taken))

    def zoho_now(self, now: datetime) -> datetime:
        """Zoho's clock, from ours and what the last answer showed."""
        return now + timedelta(seconds=self.skew_seconds)

    def is_due(self, now: datetime) -> bool:
        """Whether less than half of its life is left, and no failed try was a moment ago."""
        if self.next_try_at is not None and self.next_try_at > now:
            return False
        return self.renew_at is None or self.renew_at <= self.zoho_now(now)


_COLUMNS = [push_subscriptions.c[field.name] for field in fields(Subscription)]
_TYPES = tuple((name, types) for name, types in types_of(push_subscriptions) if name in {c.name for c in _COLUMNS})
_OF_CHANNEL = select(*_COLUMNS).where(push_subscriptions.c.channel_id == bindparam("channel"))


def get(transaction: Connection, channel_id: str) -> Subscription | None:
    """The subscription of a channel; None: it has none. DamagedValue: its row is damaged."""
    row = transaction.execute(_OF_CHANNEL, {"channel": channel_id}).mappings().one_or_none()
    if row is None:
        return None
    require_types(row, _TYPES)
    if row["state"] not in (ON, SHORT, *BROKEN) or not isinstance(row["events"], dict):
        raise DamagedValue("a subscription that this version does not know")
    return Subscription(**row)


def hold_channels(transaction: Connection, channel_ids: Collection[str]) -> None:
    """Keep these channels from being removed until the transaction ends. SQLite has one writer, and needs no lock.

    A removal locks the channel first, and then what belongs to it. So everybody locks the channel first.
    """
    if transaction.dialect.name == "postgresql":
        own = select(channels.c.channel_id).where(channels.c.channel_id.in_(sorted(channel_ids)))
        transaction.execute(own.order_by(channels.c.channel_id).with_for_update(read=True, key_share=True))


def hold(transaction: Connection, channel_ids: Collection[str]) -> None:
    """Hold these channels, and then their subscriptions, in one order, until the transaction ends.

    Whoever changes records of the queue calls this first. A delivery and a publication of the same two records could
    block each other otherwise, and Postgres would end one of them.
    """
    hold_channels(transaction, channel_ids)
    if transaction.dialect.name == "postgresql":
        own = select(push_subscriptions.c.channel_id).where(push_subscriptions.c.channel_id.in_(sorted(channel_ids)))
        transaction.execute(own.order_by(push_subscriptions.c.channel_id).with_for_update())


def store(transaction: Connection, channel_id: str, **values: Any) -> bool:
    """Change columns of a subscription. False: it was switched off meanwhile."""
    own = update(push_subscriptions).where(push_subscriptions.c.channel_id == channel_id)
    return transaction.execute(own.values(values)).rowcount == 1


def change_state(
    transaction: Connection, channel_id: str, state: str, detail: str | None, now: datetime, **values: Any
) -> None:
    """Store a state. An event tells when a subscription that worked has stopped, and when it works again."""
    columns = (push_subscriptions.c.state, channels.c.tenant)
    query = select(*columns).join(channels, channels.c.channel_id == push_subscriptions.c.channel_id)
    row = transaction.execute(query.where(push_subscriptions.c.channel_id == channel_id)).one_or_none()
    if row is None:
        return
    store(transaction, channel_id, state=state, detail=detail, **values)
    was, is_ = row.state in BROKEN, state in BROKEN
    if was != is_:
        kind = "push.stopped" if is_ else "push.restored"
        data = {"state": state, "detail": detail}
        channel_events.record(transaction, channel_id, row.tenant, kind, data, now)


def judge_silence(transaction: Connection, found: Subscription, missed_at: datetime | None, now: datetime) -> None:
    """Use what a whole sync saw: since when changes come that no notification names.

    The last renewal begins the time anew, because it may have mended what was silent before it. Without a change there
    is nothing to hear, so a sync that saw none ends nothing.

    Args:
        missed_at: Zoho's time of the earliest change of this sync that no notification named; None: there is none.
    """
    heard = found.last_delivery_at
    silent = found.silent_since
    if silent is not None and heard is not None and heard >= silent:
        silent = None
    if silent is None and missed_at is not None:
        at = missed_at - timedelta(seconds=found.skew_seconds)
        earliest = max(at, now - FROM_ONE_SYNC, found.renewed_at)
        silent = None if heard is not None and heard >= at else min(earliest, now)
    store(transaction, found.channel_id, silent_since=silent)
    if silent is None or missed_at is None:
        return
    if now - silent >= SILENCE and found.state not in BROKEN:
        why = f"changes came for {SILENCE.total_seconds() / 3600:g} hours, and no notification"
        # a renewal at once shows whether Zoho ended it and told nobody; otherwise that would show half a week later
        change_state(transaction, found.channel_id, STOPPED, why, now, renew_at=found.zoho_now(now))


def credits_by_lane(transaction: Connection, channel_id: str, now: datetime) -> dict[str, float]:
    """The API credits that notifications cost in the last 24 hours: `record` for single records, `insight` for whole
    syncs."""
    mine = (push_loads.c.channel_id == channel_id, push_loads.c.at > now - DAY)
    record = transaction.scalar(select(func.sum(push_loads.c.credits)).where(*mine))
    asked = (sync_requests.c.channel_id == channel_id, sync_requests.c.reason.in_(("push", "gap")))
    insight = transaction.scalar(
        select(func.sum(sync_requests.c.credits)).where(*asked, sync_requests.c.asked_at > now - DAY)
    )
    return {"record": float(record or 0.0), "insight": float(insight or 0.0)}

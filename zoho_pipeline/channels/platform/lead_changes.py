"""Tells the platform which leads changed in Zoho, and recognises our own changes when a sync reads them back.

What a load will show is stored before the load, and told after it. So a process that is killed in between loses no
event: the next one that holds the channel asks the warehouse whether the load took place, and tells or drops it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from zoho_pipeline.channels.database.upsert import insert_or
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.platform_tables import channel_events as events_table
from zoho_pipeline.channels.registry.platform_tables import lead_changes as announced
from zoho_pipeline.channels.registry.platform_tables import lead_changes_untold as untold
from zoho_pipeline.channels.registry.platform_tables import writeback_settings, writebacks
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels

CHANGED, CHANGED_MANY = "lead.changed", "lead.changed_many"
MOST_SINGLY = 1_000
"""Changes of a channel that are told one by one within an hour. The rest is told together, by its number."""

HOUR = timedelta(hours=1)
OLDER_COUNT = timedelta(days=1)
"""How long a change of ours is looked for that a newer one of ours followed."""

SETTLED = timedelta(seconds=60)
"""How long a number must have stood still before a worker tells it: the sync that counts it may not have ended."""

PER_TRANSACTION = 50
"""So many events are written at once. The registry's other writers then wait for a short time only."""


@dataclass(frozen=True)
class LeadVersion:
    """What a row of a lead says; ids are Zoho's, times are UTC."""

    id: str
    status: str | None
    owner_id: str | None
    is_converted: bool
    modified_at: datetime | None
    modified_by: str | None


@dataclass(frozen=True)
class LoadedLead:
    """A row that was loaded, and the one that was held before; None: the lead is new."""

    after: LeadVersion
    before: LeadVersion | None

    @property
    def changed(self) -> tuple[str, ...]:
        """What differs: `new`, or some of `status`, `owner` and `conversion`."""
        if self.before is None:
            return ("new",)
        pairs = {
            "status": (self.before.status, self.after.status),
            "owner": (self.before.owner_id, self.after.owner_id),
            "conversion": (self.before.is_converted, self.after.is_converted),
        }
        return tuple(name for name, (was, now) in pairs.items() if was != now)


Told = dict[str, Any]
"""A change that the platform is told: {lead_id, changed, zoho_status, owner_id, is_converted}."""

Held = Callable[[str], LeadVersion | None]
"""Gives the row of a lead as the warehouse holds it; None: it has none."""


def announce(registry: Registry, channel: Channel, loaded: Sequence[LoadedLead]) -> int | None:
    """Store what the platform is to be told once these leads are loaded; None: nothing.

    A status that we wrote ourselves is no change. The caller leaves out the first load of a channel.

    Args:
        loaded: the rows of the next load, each with the one held before. Unchanged ones cost nothing.

    Returns:
        The number of the announcement, for `tell`.
    """
    if not loaded:
        return None
    open_echoes = _own_changes(registry, channel.id)
    echoes = {
        lead.after.id: row["id"]
        for lead in loaded
        for row in reversed(open_echoes.get(lead.after.id, ()))  # the newest one that fits counts
        if _is_echo(lead, row, channel.user_id)
    }
    told = list(_without_own(loaded, echoes))
    if not told and not echoes:
        return None
    values: dict[str, Any] = {"channel_id": channel.id, "leads": told[:MOST_SINGLY], "echoes": list(echoes.values())}
    seen = next(lead.after for lead in loaded if lead.changed or lead.after.id in echoes)
    values |= {"rest": len(told) - len(told[:MOST_SINGLY]), "witness": _shown(seen)}
    with registry.database.write() as transaction:
        at = registry.database.now_in(transaction)
        made = transaction.execute(insert(announced).values(**values, at=at)).inserted_primary_key
    return int(made[0]) if made else None


def tell(registry: Registry, channel: Channel, number: int) -> None:
    """Raise `lead.changed` for an announcement whose load took place, and store which changes of ours came back.

    Each event is written together with the shorter announcement, so that no event is written twice.
    """
    words = _words(registry, channel.id)
    while True:
        with registry.database.write() as transaction:
            now = registry.database.now_in(transaction)
            row = transaction.execute(select(announced).where(announced.c.id == number).with_for_update()).first()
            if row is None:
                return
            if row.echoes:
                seen = update(writebacks).where(writebacks.c.id.in_(row.echoes), writebacks.c.echo_seen_at.is_(None))
                transaction.execute(seen.values(echo_seen_at=now))
            room = _room(transaction, channel.id, now) if row.leads else 0
            now_told = row.leads[: min(room, PER_TRANSACTION)]
            # asked now: the channel may have been given to another tenant since the sync began
            tenant = _tenant(transaction, channel.id) if now_told else None
            for change in now_told:
                _record(transaction, channel.id, tenant, CHANGED, _data(change, words), now)
            left = row.leads[len(now_told) :]
            if left and len(now_told) == PER_TRANSACTION:
                values = {"leads": left, "echoes": []}
                transaction.execute(update(announced).where(announced.c.id == number).values(values))
                continue
            _count(transaction, channel.id, len(left) + row.rest, now)
            transaction.execute(delete(announced).where(announced.c.id == number))
            return


def settle(registry: Registry, channel: Channel, held: Held) -> None:
    """Tell what a process that was killed had announced and loaded, and drop what it had not loaded.

    The caller holds the channel, so nothing is being loaded. A load is one transaction, so one of its leads says for
    all whether it took place. A newer row says so too: the sync went on after the registry had refused to tell.
    """
    columns = (announced.c.id, announced.c.witness)
    with registry.database.read() as transaction:
        query = select(*columns).where(announced.c.channel_id == channel.id).order_by(announced.c.id)
        rows = transaction.execute(query).all()
    for number, witness in rows:
        found = held(witness["id"])
        if found is not None and _shows(_shown(found), witness):
            tell(registry, channel, number)
        else:
            with registry.database.write() as transaction:
                transaction.execute(delete(announced).where(announced.c.id == number))


def _shows(held: Mapping[str, Any], witness: Mapping[str, Any]) -> bool:
    """Whether the warehouse holds the announced version of a lead, or a later one. Nothing is loaded after a load that
    failed, so only a later load of the same sync can have brought a later version."""
    at, announced_at = held["modified_at"], witness["modified_at"]
    return held == witness or (at is not None and announced_at is not None and at > announced_at)


def _shown(lead: LeadVersion) -> dict[str, Any]:
    """A version as JSON, to compare it with another one."""
    at = lead.modified_at
    if at is not None and at.tzinfo is not None:
        at = at.astimezone(UTC).replace(tzinfo=None)
    shown: dict[str, Any] = {"id": lead.id, "status": lead.status, "owner_id": lead.owner_id}
    return shown | {"is_converted": lead.is_converted, "modified_at": None if at is None else at.isoformat()}


def tell_number(registry: Registry, channel: Channel) -> None:
    """Raise `lead.changed_many` for the changes that were not told one by one: once per hour. A sync that ends asks."""
    with registry.database.read() as transaction:
        if transaction.scalar(select(untold.c.count).where(untold.c.channel_id == channel.id)) is None:
            return
    with registry.database.write() as transaction:
        _tell_number(transaction, channel.id, registry.database.now_in(transaction))


def tell_waiting_numbers(registry: Registry) -> None:
    """`tell_number` for each channel whose number waited for its hour, or whose sync was killed."""
    with registry.database.read() as transaction:
        now = registry.database.now_in(transaction)
        still = select(untold.c.channel_id).where(untold.c.at <= now - SETTLED).order_by(untold.c.channel_id)
        waiting = [channel_id for channel_id in transaction.scalars(still) if _may_tell(transaction, channel_id, now)]
    for channel_id in waiting:
        with registry.database.write() as transaction:
            _tell_number(transaction, channel_id, registry.database.now_in(transaction))


def _tell_number(transaction: Connection, channel_id: str, now: datetime) -> None:
    if not _may_tell(transaction, channel_id, now):
        return
    row = transaction.execute(delete(untold).where(untold.c.channel_id == channel_id).returning(untold.c.count)).first()
    if row is not None:
        tenant = _tenant(transaction, channel_id)
        _record(transaction, channel_id, tenant, CHANGED_MANY, {"count": row[0]}, now)


def _may_tell(transaction: Connection, channel_id: str, now: datetime) -> bool:
    return _told_within(transaction, channel_id, CHANGED_MANY, now - HOUR) == 0


def _count(transaction: Connection, channel_id: str, more: int, now: datetime) -> None:
    """Add changes to the number that is told together."""
    if not more:
        return
    first = insert_or(transaction, untold).values(channel_id=channel_id, count=more, at=now)
    values = {"count": untold.c.count + more, "at": now}
    transaction.execute(first.on_conflict_do_update(index_elements=["channel_id"], set_=values))


def _without_own(loaded: Iterable[LoadedLead], echoes: Mapping[str, str]) -> Iterable[Told]:
    """The changes of others. Where somebody also changed the owner, that is told although the status is our own."""
    for lead in loaded:
        changed = lead.changed
        if lead.after.id in echoes:
            changed = tuple(name for name in changed if name != "status")
        if changed:
            after = lead.after
            told: Told = {"lead_id": after.id, "changed": list(changed), "zoho_status": after.status}
            yield told | {"owner_id": after.owner_id, "is_converted": after.is_converted}


def _own_changes(registry: Registry, channel_id: str) -> dict[str, list[Any]]:
    """Lead id → our changes of it that no sync has read back yet, the newest first. Mostly there is none.

    Older ones than the newest count for a day: a load may show one of them while the next one is under way.
    """
    sent = or_(writebacks.c.state == "done", writebacks.c.sending_since.is_not(None))
    newest = (
        select(writebacks.c.lead_id, func.max(writebacks.c.created_at).label("at"))
        .where(writebacks.c.channel_id == channel_id, sent)
        .group_by(writebacks.c.lead_id)
        .subquery()
    )
    is_newest = (newest.c.at == writebacks.c.created_at).label("is_newest")
    with registry.database.read() as transaction:
        young = writebacks.c.created_at > registry.database.now_in(transaction) - OLDER_COUNT
        unseen = (
            select(writebacks, is_newest)
            .join(newest, newest.c.lead_id == writebacks.c.lead_id)
            .where(writebacks.c.channel_id == channel_id, sent, writebacks.c.echo_seen_at.is_(None))
            .where(or_(is_newest, young))
            .order_by(writebacks.c.created_at.desc())
        )
        found: dict[str, list[Any]] = {}
        for row in transaction.execute(unseen).mappings():
            found.setdefault(row["lead_id"], []).append(row)
        return found


def times_of_own(transaction: Connection, channel_id: str, since: datetime) -> set[tuple[str, datetime]]:
    """(lead id, Modified_Time) of each change of ours that we read back, at or after an instant of Zoho's clock. It may
    be the time of an edit that somebody made before we read it."""
    own = writebacks.c
    mine = (own.channel_id == channel_id, own.state == "done", own.zoho_modified_at >= since)
    return {(row[0], row[1]) for row in transaction.execute(select(own.lead_id, own.zoho_modified_at).where(*mine))}


def _is_echo(lead: LoadedLead, row: Any, user_id: str | None) -> bool:
    """Whether a loaded row shows our own change: our time, or our user, with the status that we wrote.

    An older change than the newest one shows itself by its time alone.
    """
    after, before = lead.after, lead.before
    if after.status != row["desired"] or after.modified_at is None:
        return False
    known: datetime | None = row["zoho_modified_at"] if row["state"] == "done" else None
    if known is not None and after.modified_at == known:
        return True
    if user_id is None or after.modified_by != user_id or not row["is_newest"]:
        return False
    # a row held before that is newer than our change had it already, so this is another change by the same user
    ours = known or row["sending_precondition"]
    return before is None or before.modified_at is None or ours is None or before.modified_at <= ours


def _room(transaction: Connection, channel_id: str, now: datetime) -> int:
    """How many more changes of the channel may be told singly in this hour."""
    return max(0, MOST_SINGLY - _told_within(transaction, channel_id, CHANGED, now - HOUR))


def _told_within(transaction: Connection, channel_id: str, kind: str, since: datetime) -> int:
    events = events_table.c
    counted = select(func.count()).where(events.channel_id == channel_id, events.type == kind, events.at > since)
    return int(transaction.scalar(counted) or 0)


def _words(registry: Registry, channel_id: str) -> dict[str, str]:
    """Zoho's word → the platform's, by the map of write-back; {} where there is none."""
    query = select(writeback_settings.c.from_zoho).where(writeback_settings.c.channel_id == channel_id)
    with registry.database.read() as transaction:
        return dict(transaction.scalar(query) or {})


def _tenant(transaction: Connection, channel_id: str) -> str | None:
    found: str | None = transaction.scalar(select(channels.c.tenant).where(channels.c.channel_id == channel_id))
    return found


def _data(change: Told, words: Mapping[str, str]) -> dict[str, Any]:
    """Ids and the status alone: the platform reads the rest from the API."""
    status = change["zoho_status"]
    return {**change, "status": None if status is None else words.get(status)}


def _record(
    transaction: Connection, channel_id: str, tenant: str | None, kind: str, data: dict[str, Any], now: datetime
) -> None:
    channel_events.record(transaction, channel_id, tenant, kind, data, now)

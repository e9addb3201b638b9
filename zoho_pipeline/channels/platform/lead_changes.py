"""Tells the platform which leads changed in Zoho, and recognises our own changes when a sync reads them back."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.platform_tables import channel_events as events_table
from zoho_pipeline.channels.registry.platform_tables import writeback_settings, writebacks
from zoho_pipeline.channels.registry.registry import Registry

log = logging.getLogger(__name__)

CHANGED, CHANGED_MANY = "lead.changed", "lead.changed_many"
MOST_SINGLY = 1_000
"""Changes of a channel that are told one by one within an hour. The rest of a load is told together, by its number."""

PER_TRANSACTION = 100
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


@dataclass(frozen=True)
class _Told:
    """A change that the platform is told: what differs without our own part."""

    lead: LeadVersion
    changed: tuple[str, ...]


def tell_loaded(registry: Registry, channel: Channel, loaded: Sequence[LoadedLead]) -> int:
    """Raise `lead.changed` for the leads of one load, and store which of our own changes came back; the number told.

    A status that we wrote ourselves is no change. The caller leaves out the first load of a channel.

    Args:
        loaded: the rows that were loaded, each with the one held before. Unchanged ones cost nothing.
    """
    open_echoes = _own_changes(registry, channel.id)
    echoes = {
        lead.after.id: row["id"]
        for lead in loaded
        if (row := open_echoes.get(lead.after.id)) is not None and _is_echo(lead, row, channel.user_id)
    }
    _mark_seen(registry, list(echoes.values()))
    told = list(_without_own(loaded, echoes))
    singly = told[: _room(registry, channel.id) if told else 0]
    words = _words(registry, channel.id) if singly else {}
    for start in range(0, len(singly), PER_TRANSACTION):
        with registry.database.write() as transaction:
            now = registry.database.now_in(transaction)
            for change in singly[start : start + PER_TRANSACTION]:
                _record(transaction, channel, CHANGED, _data(change, words), now)
    if rest := len(told) - len(singly):
        with registry.database.write() as transaction:
            _record(transaction, channel, CHANGED_MANY, {"count": rest}, registry.database.now_in(transaction))
    return len(told)


def _without_own(loaded: Iterable[LoadedLead], echoes: Mapping[str, str]) -> Iterable[_Told]:
    """The changes of others. Where somebody also changed the owner, that is told although the status is our own."""
    for lead in loaded:
        changed = lead.changed
        if lead.after.id in echoes:
            changed = tuple(name for name in changed if name != "status")
        if changed:
            yield _Told(lead.after, changed)


def _own_changes(registry: Registry, channel_id: str) -> dict[str, Any]:
    """Lead id → our newest change of it that no sync has read back yet. Mostly there is none."""
    sent = or_(writebacks.c.state == "done", writebacks.c.sending_since.is_not(None))
    newest = (
        select(writebacks.c.lead_id, func.max(writebacks.c.created_at).label("at"))
        .where(writebacks.c.channel_id == channel_id, sent)
        .group_by(writebacks.c.lead_id)
        .subquery()
    )
    unseen = (
        select(writebacks)
        .join(newest, (newest.c.lead_id == writebacks.c.lead_id) & (newest.c.at == writebacks.c.created_at))
        .where(writebacks.c.channel_id == channel_id, sent, writebacks.c.echo_seen_at.is_(None))
    )
    with registry.database.read() as transaction:
        return {row["lead_id"]: row for row in transaction.execute(unseen).mappings()}


def _is_echo(lead: LoadedLead, row: Any, user_id: str | None) -> bool:
    """Whether a loaded row shows our own change: our time, or our user, with the status that we wrote."""
    after, before = lead.after, lead.before
    if after.status != row["desired"] or after.modified_at is None:
        return False
    known: datetime | None = row["zoho_modified_at"] if row["state"] == "done" else None
    if known is not None and after.modified_at == known:
        return True
    if user_id is None or after.modified_by != user_id:
        return False
    # a row held before that is newer than our change had it already, so this is another change by the same user
    ours = known or row["sending_precondition"]
    return before is None or before.modified_at is None or ours is None or before.modified_at <= ours


def _mark_seen(registry: Registry, ids: Sequence[str]) -> None:
    if not ids:
        return
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        for start in range(0, len(ids), PER_TRANSACTION):
            some = writebacks.c.id.in_(ids[start : start + PER_TRANSACTION])
            transaction.execute(update(writebacks).where(some).values(echo_seen_at=now))


def _room(registry: Registry, channel_id: str) -> int:
    """How many more changes of the channel may be told singly in this hour."""
    with registry.database.read() as transaction:
        since = registry.database.now_in(transaction) - timedelta(hours=1)
        events = events_table.c
        counted = select(func.count()).where(events.channel_id == channel_id, events.type == CHANGED, events.at > since)
        return max(0, MOST_SINGLY - int(transaction.scalar(counted) or 0))


def _words(registry: Registry, channel_id: str) -> dict[str, str]:
    """Zoho's word → the platform's, by the map of write-back; {} where there is none."""
    query = select(writeback_settings.c.from_zoho).where(writeback_settings.c.channel_id == channel_id)
    with registry.database.read() as transaction:
        return dict(transaction.scalar(query) or {})


def _data(change: _Told, words: Mapping[str, str]) -> dict[str, Any]:
    """Ids and the status alone: the platform reads the rest from the API."""
    lead = change.lead
    data: dict[str, Any] = {"lead_id": lead.id, "changed": list(change.changed), "zoho_status": lead.status}
    data |= {"status": None if lead.status is None else words.get(lead.status)}
    return data | {"owner_id": lead.owner_id, "is_converted": lead.is_converted}


def _record(transaction: Connection, channel: Channel, kind: str, data: dict[str, Any], now: datetime) -> None:
    channel_events.record(transaction, channel.id, channel.tenant, kind, data, now)

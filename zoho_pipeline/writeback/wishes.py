"""Wishes: make one, look at them, decide about one that waits. It calls nobody, so a web process may do it."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, func, insert, or_, select

from zoho_pipeline.channels.errors import ChannelPaused, ReconnectFirst
from zoho_pipeline.channels.registry.channel_rows import read_channel
from zoho_pipeline.channels.registry.model import PAUSED, RECONNECT_NEEDED, Channel
from zoho_pipeline.channels.registry.platform_tables import writeback_events, writebacks
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.reading.leads import KnownLead
from zoho_pipeline.writeback.errors import (
    LeadConverted,
    NotWaiting,
    OtherQuestion,
    ScopeMissing,
    StatusUnmapped,
    UnknownWriteback,
    WritebackOff,
)
from zoho_pipeline.writeback.journal import (
    DAMAGED,
    FORCED,
    NOT_READ,
    append,
    changed_before,
    end_damaged,
    move,
    read_wishes,
)
from zoho_pipeline.writeback.judge import Verdict, judge
from zoho_pipeline.writeback.model import BROKEN, OPEN, State, Step, Writeback, of_row
from zoho_pipeline.writeback.switch import Switch, has_scope, switch_in

Choice = Literal["keep", "force"]


@dataclass(frozen=True)
class Wish:
    """What the platform wishes for a lead.

    Attributes:
        status: the platform's word, or Zoho's.
        expected: what the user saw; None: the status of the published lead counts.
        actor, reason: who wishes it and why, in the platform's words.
    """

    lead: KnownLead
    status: str
    expected: str | None = None
    actor: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Meaning:
    """A wish in Zoho's words."""

    desired: str
    expected: list[str | None]


def usable_switch(transaction: Connection, channel: Channel) -> Switch:
    """The switch of a channel that takes wishes.

    Raises:
        ChannelPaused, ReconnectFirst, WritebackOff, ScopeMissing.
    """
    if channel.status == PAUSED:
        raise ChannelPaused(f"channel {channel.id} is paused.")
    if channel.status == RECONNECT_NEEDED:
        raise ReconnectFirst(f"channel {channel.id} must be connected again first.")
    found = switch_in(transaction, channel.id)
    if found is None or not (found.works or found.state == BROKEN):
        raise WritebackOff(f"the write-back of channel {channel.id} is off.")
    if not has_scope(channel):
        raise ScopeMissing(f"the consent of channel {channel.id} does not allow changes of leads.")
    if found.state == BROKEN:
        raise WritebackOff(f"the write-back of channel {channel.id} is broken, because Zoho refuses every change.")
    return found


def check_usable(registry: Registry, channel: Channel) -> None:
    """Raise what `usable_switch` raises if the channel takes no wish now."""
    with registry.database.read() as transaction:
        usable_switch(transaction, channel)


def meaning(switch: Switch, wish: Wish) -> Meaning:
    """The wish in Zoho's words. StatusUnmapped: a word has none."""
    desired = switch.words.to_write(wish.status, switch.picklist)
    if desired is None:
        raise StatusUnmapped("status", switch.words.known_words(switch.picklist))
    if wish.expected is None:
        return Meaning(desired, [wish.lead.status])
    seen = switch.words.meant(wish.expected, switch.picklist, wish.lead.status)
    if not seen:
        raise StatusUnmapped("expected_status", switch.words.known_words(switch.picklist))
    return Meaning(desired, [*seen])


def ask(registry: Registry, channel_id: str, wish: Wish, who: str) -> Writeback:
    """Queue a wish. An earlier wish for the lead that is not sent yet is superseded.

    Raises:
        LeadConverted, StatusUnmapped, UnknownChannel, and what `usable_switch` raises.
    """
    with registry.database.write() as transaction:
        registry.database.one_at_a_time(transaction, f"writeback {channel_id}")
        now = registry.database.now_in(transaction)
        channel = read_channel(registry.database, transaction, channel_id)
        switch = usable_switch(transaction, channel)
        if wish.lead.is_converted:
            raise LeadConverted("the lead was converted, and Zoho does not change converted leads.")
        meant = meaning(switch, wish)
        row: dict[str, Any] = {"id": f"wb_{secrets.token_hex(12)}", "channel_id": channel_id, "lead_id": wish.lead.id}
        row |= {"status": wish.status, "desired": meant.desired, "expected_status": wish.expected}
        row |= {"expected_zoho": meant.expected, "expected_modified_at": wish.lead.known_at}
        row |= {"state": "queued", "resolution": None, "code": None, "detail": None, "tries": 0, "next_try_at": None}
        row |= {"lease_until": None, "worker": None, "sending_since": None, "sending_precondition": None}
        row |= {"actor": wish.actor, "reason": wish.reason, "zoho_status": None, "zoho_modified_at": None}
        created_at = _after_others(transaction, channel_id, wish.lead.id, now)
        row |= {"echo_seen_at": None, "created_at": created_at, "queued_at": now, "finished_at": None}
        made = of_row(row)
        unsent, damaged = _unsent(transaction, channel_id, wish.lead.id)
        for writeback_id in damaged:
            end_damaged(transaction, writeback_id, who, now)
        for earlier in unsent:
            if changed_before(transaction, earlier) is not None:
                if earlier.state != "queued":  # a person is asked about an edit that followed its change
                    done_before(transaction, earlier, made, who, now)
                continue  # a worker reads the lead, and ends a queued one by whether somebody changed the lead after it
            made = inherit(made, earlier)
            detail = f"The newer wish {made.id} takes its place."
            move(transaction, earlier, "superseded", who=who, now=now, code="superseded", detail=detail)
        transaction.execute(insert(writebacks).values({**row, "expected_zoho": made.expected_zoho}))
        append(transaction, made.id, who, now, None, "queued")
        return made


def done_before(
    transaction: Connection,
    wish: Writeback,
    newer: Writeback,
    who: str,
    now: datetime,
    only_if: Sequence[ColumnElement[bool]] = (),
) -> bool:
    """End a wish whose change somebody edited after Zoho had carried it out. That edit is news for the newer wish, so
    the newer one does not take over what this one expected."""
    detail = f"Zoho carried out the change, and somebody changed the lead after it. The newer wish {newer.id} follows."
    return move(transaction, wish, "done", who=who, now=now, code=NOT_READ, detail=detail, only_if=only_if)


def _after_others(transaction: Connection, channel_id: str, lead_id: str, now: datetime) -> datetime:
    """A time of creation after every earlier wish for the lead, also if the clock was set back meanwhile: the order of
    the wishes of a lead is the order of these times."""
    of_lead = (writebacks.c.channel_id == channel_id, writebacks.c.lead_id == lead_id)
    newest: datetime | None = transaction.scalar(select(func.max(writebacks.c.created_at)).where(*of_lead))
    return now if newest is None else max(now, newest + timedelta(microseconds=1))


def inherit(newer: Writeback, earlier: Writeback) -> Writeback:
    """The newer wish with what the superseded one expected, where it builds on that wish.

    The platform shows the status of a wish at once. So the user who makes the next wish saw that status, although Zoho
    never had it.
    """
    if newer.expected_status is None or earlier.desired not in newer.expected_zoho:
        return newer
    return replace(newer, expected_zoho=list(dict.fromkeys((*newer.expected_zoho, *earlier.expected_zoho))))


def dry_run(registry: Registry, channel_id: str, wish: Wish) -> tuple[Verdict, Meaning, Switch]:
    """What would happen to a wish if Zoho held what the published marts show. It stores nothing, and asks nobody.

    Raises:
        StatusUnmapped, UnknownChannel, and what `usable_switch` raises.
    """
    with registry.database.read() as transaction:
        channel = read_channel(registry.database, transaction, channel_id)
        switch = usable_switch(transaction, channel)
    meant = meaning(switch, wish)
    lead = wish.lead
    found = judge(meant.desired, meant.expected, lead.status, is_converted=lead.is_converted, policy=switch.policy)
    return found, meant, switch


def question_of(found_status: str | None) -> str:
    """A short text that names the status about which a person decides. A form repeats it, whatever the status holds."""
    known = "" if found_status is None else f"={found_status}"
    return hashlib.sha256(known.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def resolve(
    registry: Registry, writeback_id: str, choice: Choice, who: str, *, question: str | None = None
) -> Writeback:
    """Decide about a write-back that waits: `keep` Zoho's status, or `force` the wish.

    Args:
        question: `question_of` the status that the person saw; None: whichever waits. Somebody else may have decided
            meanwhile, and a new conflict with another status may wait.

    Raises:
        UnknownWriteback, NotWaiting, OtherQuestion, and for `force` what `usable_switch` raises.
        NotWaiting also if the row was damaged; then the write-back has failed.
    """
    if _end_if_damaged(registry, writeback_id, who):
        raise NotWaiting(f"the row of the write-back {writeback_id} was damaged, so it has failed. {DAMAGED}")
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        wish = get_in(transaction, writeback_id)
        if not wish.waits_for_a_person:
            raise NotWaiting(f"the write-back {writeback_id} does not wait for a decision: it is {wish.state}.")
        if question not in (None, question_of(wish.zoho_status)):
            raise OtherQuestion(
                f"Zoho has another status than the one that was shown for the write-back {writeback_id}."
            )
        same = {"only_if": (writebacks.c.zoho_status.is_not_distinct_from(wish.zoho_status),)}
        if choice == "keep":
            values: dict[str, Any] = {"resolution": "kept", **same}
            detail = "A person kept Zoho's status."
            moved = move(transaction, wish, "kept", who=who, now=now, code="kept", detail=detail, **values)
        else:
            usable_switch(transaction, read_channel(registry.database, transaction, wish.channel_id))
            values = {"resolution": "forced", "queued_at": now, "tries": 0, "next_try_at": None, **same}
            detail = "A person decided to write over Zoho's status."
            moved = move(transaction, wish, "queued", who=who, now=now, code=FORCED, detail=detail, **values)
        if not moved:  # somebody else decided in this moment
            raise NotWaiting(f"the write-back {writeback_id} does not wait for a decision any more.")
        return get_in(transaction, writeback_id)


def _end_if_damaged(registry: Registry, writeback_id: str, who: str) -> bool:
    """End a write-back that is not at its end, if its row is damaged."""
    own = (writebacks.c.id == writeback_id, or_(writebacks.c.state.in_(OPEN), _waits()))
    query = select(writebacks).where(*own)
    with registry.database.write() as transaction:
        damaged = read_wishes(transaction, query)[1] if writeback_id.isprintable() else []
        now = registry.database.now_in(transaction)
        return bool(damaged) and end_damaged(transaction, writeback_id, who, now)


def get(registry: Registry, writeback_id: str) -> Writeback:
    """One write-back. UnknownWriteback: there is none of this id."""
    with registry.database.read() as transaction:
        return get_in(transaction, writeback_id)


def get_in(transaction: Connection, writeback_id: str) -> Writeback:
    """`get` in an open transaction. DamagedValue: its row is damaged."""
    query = select(writebacks).where(writebacks.c.id == writeback_id)
    # a database refuses NUL, and bytes that are no UTF-8, with errors of its own
    row = transaction.execute(query).mappings().one_or_none() if writeback_id.isprintable() else None
    if row is None:
        raise UnknownWriteback(
            f"there is no write-back {writeback_id[:40]!r}. See those that wait with: zoho-pipeline writeback status ID"
        )
    return of_row(row)


def steps(registry: Registry, writeback_id: str) -> list[Step]:
    """The journal of a write-back, the oldest step first."""
    query = select(writeback_events).where(writeback_events.c.writeback_id == writeback_id)
    with registry.database.read() as transaction:
        rows = transaction.execute(query.order_by(writeback_events.c.id))
        return [Step(row.at, row.who, row.from_state, row.to_state, row.code, row.detail) for row in rows]


def page(
    registry: Registry,
    channel_id: str,
    limit: int,
    *,
    state: State | None = None,
    before: tuple[datetime, str] | None = None,
) -> list[Writeback]:
    """The write-backs of a channel, the newest first.

    Args:
        before: (created_at, id): only those that come after it in this order.
    """
    query = select(writebacks).where(writebacks.c.channel_id == channel_id)
    if state is not None:
        query = query.where(writebacks.c.state == state)
    if before is not None:
        same = and_(writebacks.c.created_at == before[0], writebacks.c.id < before[1])
        query = query.where(or_(writebacks.c.created_at < before[0], same))
    query = query.order_by(writebacks.c.created_at.desc(), writebacks.c.id.desc()).limit(limit)
    with registry.database.read() as transaction:
        return read_wishes(transaction, query, most=limit)[0]


def unfinished(transaction: Connection, channel_id: str, limit: int) -> tuple[list[Writeback], list[str]]:
    """The write-backs of a channel that are not at their end, the newest first, and the ids of damaged ones."""
    query = select(writebacks).where(writebacks.c.channel_id == channel_id, or_(writebacks.c.state.in_(OPEN), _waits()))
    query = query.order_by(writebacks.c.created_at.desc(), writebacks.c.id.desc()).limit(limit)
    return read_wishes(transaction, query, most=limit)


@dataclass(frozen=True)
class Summary:
    """The switch of a channel in a few words: `open` wishes are not sent yet, `conflicts` wait for a person."""

    state: str
    detail: str | None
    open: int
    conflicts: int


def summaries(transaction: Connection, channel_ids: Sequence[str]) -> dict[str, Summary]:
    """channel id → its summary, of the channels whose write-back was ever on."""
    found: dict[str, Summary] = {}
    for channel_id in channel_ids:
        switch = switch_in(transaction, channel_id)
        if switch is None:
            continue
        counted = transaction.execute(
            select(writebacks.c.state, func.count().label("n"))
            .where(writebacks.c.channel_id == channel_id, or_(writebacks.c.state.in_(OPEN), _waits()))
            .group_by(writebacks.c.state)
        )
        n = {row.state: int(row.n) for row in counted}
        waiting = sum(n.get(state, 0) for state in OPEN)
        found[channel_id] = Summary(switch.state, switch.detail, waiting, n.get("conflict", 0))
    return found


def _waits() -> ColumnElement[bool]:
    return and_(writebacks.c.state == "conflict", writebacks.c.resolution.is_(None))


def _unsent(transaction: Connection, channel_id: str, lead_id: str) -> tuple[list[Writeback], list[str]]:
    """The wishes for a lead that a newer one takes the place of, the newest first, and the ids of damaged ones."""
    of_lead = (writebacks.c.channel_id == channel_id, writebacks.c.lead_id == lead_id)
    query = select(writebacks).where(*of_lead, or_(writebacks.c.state == "queued", _waits()))
    return read_wishes(transaction, query.order_by(writebacks.c.created_at.desc()))

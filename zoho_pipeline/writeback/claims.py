"""Who sends a wish: claim it, keep it, end the wishes whose time is over.

A claim names its worker and the end of its lease. Every later step asks whether the claim still stands, so a worker
that was away for longer than its lease sends nothing any more.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, update

from zoho_pipeline.channels.registry.model import ACTIVE
from zoho_pipeline.channels.registry.platform_tables import writeback_settings, writebacks
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.writeback.journal import LOST, NOT_READ, changed_before, count_steps, end_damaged, move, read_wishes
from zoho_pipeline.writeback.limits import WritebackLimits
from zoho_pipeline.writeback.model import OFF, OPEN, WORKS, Policy, Writeback, of_row
from zoho_pipeline.writeback.wishes import done_before, inherit
from zoho_pipeline.zoho.read.lead_status import LeadStatus

WRITTEN_UNREAD = "Zoho carried out the change. It could not be read afterwards."

NO_MARK: dict[str, Any] = {"sending_since": None, "sending_precondition": None}

MOST_EXPIRED = 100
"""Wishes that one transaction ends."""


class LostClaim(Exception):
    """Another worker has the wish, or it has ended. This worker must not send it."""


class Withheld(Exception):
    """Write-back is broken, or the channel was paused, after the claim. The wish goes back unsent."""


def next_due(registry: Registry) -> bool:
    """Whether a wish could be claimed now. It takes no lock, so a worker asks often."""
    with registry.database.read() as transaction:
        now = registry.database.now_in(transaction)
        return transaction.execute(_due(now).with_only_columns(writebacks.c.id).limit(1)).first() is not None


def claim(registry: Registry, worker: str, most: int, limits: WritebackLimits) -> list[Writeback]:
    """Take up to `most` wishes that are due, the oldest of each lead, a few of each channel."""
    database = registry.database
    with database.write() as transaction:
        database.one_at_a_time(transaction, "writeback claims")
        now = database.now_in(transaction)
        claimed: list[Writeback] = []
        for channel_id, room in _channels_with_room(transaction, now, limits.per_channel):
            if len(claimed) >= most:
                break
            mine = _due(now).where(writebacks.c.channel_id == channel_id)
            wanted = min(room, most - len(claimed))
            mine = mine.order_by(writebacks.c.created_at, writebacks.c.id).limit(wanted)
            found, damaged = read_wishes(transaction, mine, most=wanted)
            for writeback_id in damaged:  # else it would keep every worker from the wishes of all channels
                end_damaged(transaction, writeback_id, "worker", now)
            claimed += found
        ids = [wish.id for wish in claimed]
        values = {"worker": worker, "lease_until": now + limits.lease}
        transaction.execute(update(writebacks).where(writebacks.c.id.in_(ids)).values(values))
        return claimed


def is_mine(worker: str, now: datetime) -> Sequence[ColumnElement[bool]]:
    """The conditions under which this worker still has a wish."""
    return writebacks.c.worker == worker, writebacks.c.lease_until > now


def renew(transaction: Connection, writeback_id: str, worker: str, now: datetime, lease: timedelta) -> Writeback:
    """The wish as it is now, with a longer lease. LostClaim: it is no longer this worker's."""
    row = (writebacks.c.id == writeback_id, writebacks.c.state.in_(OPEN), *is_mine(worker, now))
    if transaction.execute(update(writebacks).where(*row).values(lease_until=now + lease)).rowcount == 0:
        raise LostClaim(writeback_id)
    return of_row(transaction.execute(select(writebacks).where(*row[:1])).mappings().one())


def give_back(registry: Registry, writeback_id: str, worker: str) -> None:
    """End a claim without a result, so that the next worker takes the wish at once."""
    row = (writebacks.c.id == writeback_id, writebacks.c.worker == worker, writebacks.c.state.in_(OPEN))
    with registry.database.write() as transaction:
        transaction.execute(update(writebacks).where(*row).values(lease_until=None, worker=None))


def expire(registry: Registry, limits: WritebackLimits) -> int:
    """End the wishes that nobody could send in their time, for example of a paused channel; their number."""
    database = registry.database
    with database.read() as transaction:
        now = database.now_in(transaction)
        if transaction.execute(_expired(now, limits).with_only_columns(writebacks.c.id).limit(1)).first() is None:
            return 0
    with database.write() as transaction:
        now = database.now_in(transaction)
        found, damaged = read_wishes(transaction, _expired(now, limits).limit(MOST_EXPIRED))
        wishes = sorted(found, key=lambda wish: wish.channel_id)
        ended = sum(fail(transaction, wish, now, "The wish could not be sent in its time.") for wish in wishes)
        return ended + sum(end_damaged(transaction, writeback_id, "worker", now) for writeback_id in damaged)


def put_off(
    transaction: Connection,
    wish: Writeback,
    worker: str,
    now: datetime,
    limits: WritebackLimits,
    *,
    code: str,
    why: str,
) -> None:
    """Let a wish wait for its next try, or end it when its time is over. A mark stands."""
    end, tries = wish.queued_at + limits.life, wish.tries + 1
    if now >= end:
        fail(transaction, wish, now, f"It was tried {tries} times. The last time: {why}", code)
        return
    values: dict[str, Any] = {"tries": tries, "next_try_at": min(now + limits.wait(tries), end)}
    values |= {"lease_until": None, "worker": None, "only_if": is_mine(worker, now)}
    move(transaction, wish, wish.state, who="worker", now=now, code=code, detail=why, **values)


def fail(transaction: Connection, wish: Writeback, now: datetime, why: str, code: str = "expired") -> bool:
    """End a wish that was tried for its whole time. One whose change Zoho confirmed is done, though it was not read."""
    if was_written(wish):
        detail = f"{WRITTEN_UNREAD} {why}"
        return move(transaction, wish, "done", who="worker", now=now, code=NOT_READ, detail=detail)
    pass_on_unless_changed(transaction, wish)
    doubt = " It is unknown whether Zoho changed the status." if wish.sending_since is not None else ""
    return move(transaction, wish, "failed", who="worker", now=now, code=code, detail=f"{why}{doubt}")


def was_written(wish: Writeback) -> bool:
    """Whether Zoho confirmed the change of a wish, and nobody could read the lead after it."""
    return wish.sending_since is not None and wish.zoho_status == wish.desired


def decided(wish: Writeback, status: str | None) -> dict[str, Any]:
    """The column that a status at Zoho changes: a person who said `force` decided about the status that was shown."""
    return {"resolution": None} if wish.resolution == "forced" and status != wish.zoho_status else {}


def newer_wish(transaction: Connection, wish: Writeback) -> Writeback | None:
    """The newest wish for the same lead that came after this one; None: there is none, or it is damaged."""
    query = select(writebacks).where(
        writebacks.c.channel_id == wish.channel_id, writebacks.c.lead_id == wish.lead_id, _after(wish)
    )
    query = query.order_by(writebacks.c.created_at.desc(), writebacks.c.id.desc()).limit(1)
    return next(iter(read_wishes(transaction, query)[0]), None)


def supersede(transaction: Connection, wish: Writeback, worker: str, now: datetime, *, builds_on: bool) -> bool:
    """End a wish if a newer one for its lead came.

    Args:
        builds_on: that one also expects what this one expected. Not so if somebody changed the lead after Zoho had
            carried out this wish: that edit is news for the newer one, and this one is done.
    """
    newer = newer_wish(transaction, wish)
    if newer is None:
        return False
    mine = is_mine(worker, now)
    if not builds_on:
        return done_before(transaction, wish, newer, "worker", now, only_if=mine)
    values: dict[str, Any] = {"only_if": mine, **NO_MARK}
    values |= {"code": "superseded", "detail": f"The newer wish {newer.id} takes its place."}
    ended = move(transaction, wish, "superseded", who="worker", now=now, **values)
    _pass_on(transaction, wish, newer)
    return ended


def pass_on_unless_changed(transaction: Connection, wish: Writeback) -> None:
    """`_pass_on` for a wish that ends unread. If Zoho had carried it out, what it expected may be a later edit."""
    newer = newer_wish(transaction, wish)
    if newer is not None and changed_before(transaction, wish) is None:
        _pass_on(transaction, wish, newer)


def _pass_on(transaction: Connection, wish: Writeback, newer: Writeback) -> None:
    """Let a newer wish expect what this one expected, where it builds on this one, whose status Zoho does not have."""
    if newer.state in OPEN:
        change = update(writebacks).where(writebacks.c.id == newer.id)
        transaction.execute(change.values(expected_zoho=inherit(newer, wish).expected_zoho))


def own_change_since(transaction: Connection, wish: Writeback) -> str | None:
    """The status that our newest change gave the lead, if the lead that the user saw was older; else None."""
    query = select(writebacks.c.desired).where(
        writebacks.c.channel_id == wish.channel_id,
        writebacks.c.lead_id == wish.lead_id,
        writebacks.c.state == "done",
        writebacks.c.id != wish.id,
    )
    if wish.expected_modified_at is not None:
        query = query.where(writebacks.c.zoho_modified_at > wish.expected_modified_at)
    found: str | None = transaction.scalar(query.order_by(writebacks.c.finished_at.desc()).limit(1))
    return found


def lose(
    transaction: Connection,
    wish: Writeback,
    worker: str,
    now: datetime,
    after: LeadStatus | None,
    changed_at: datetime,
    policy: Policy | None,
    limits: WritebackLimits,
) -> bool:
    """Store that Zoho had another status right after our change. Returns whether that is the end of this attempt.

    An automation of Zoho may take the status back each time. So the change is made a few times, and then it is a
    conflict. It waits for a person, unless Zoho's status wins by the policy.

    Args:
        after: the lead after the change; None: it is gone, so the next look ends the wish.
        changed_at: when Zoho carried it out. Who goes on later knows by it whether an edit is newer.
        policy: of the channel now; None: write-back was switched off, so the wish ends before its next change.
    """
    times = count_steps(transaction, wish, LOST, since_decision=True) + 1
    status = None if after is None else after.status
    values: dict[str, Any] = {"zoho_status": status, "zoho_modified_at": changed_at, **NO_MARK}
    values |= decided(wish, status)
    mine = is_mine(worker, now)
    # where a newer wish waits, there is nothing to decide: the caller ends this one
    if times < limits.losses or policy is None or after is None or newer_wish(transaction, wish) is not None:
        detail = f"Zoho carried out the change, and then had {status!r}."
        move(transaction, wish, "queued", who="worker", now=now, code=LOST, detail=detail, only_if=mine, **values)
        return False
    detail = (
        f"Zoho carried out the change {times} times, and each time it had another status right after it, at last "
        f"{status!r}. An automation of Zoho may do that."
    )
    values["resolution"] = "zoho_wins" if policy == "zoho_wins" else None
    move(
        transaction, wish, "conflict", who="worker", now=now, code="changed_back", detail=detail, only_if=mine, **values
    )
    return True


def _after(wish: Writeback) -> ColumnElement[bool]:
    same = and_(writebacks.c.created_at == wish.created_at, writebacks.c.id > wish.id)
    return or_(writebacks.c.created_at > wish.created_at, same)


def _expired(now: datetime, limits: WritebackLimits) -> Select[Any]:
    free = or_(writebacks.c.lease_until.is_(None), writebacks.c.lease_until <= now)
    # a try of its own ends a wish at the end of its life; this is for those that nobody tries
    old = writebacks.c.queued_at < now - limits.life - limits.first_wait - limits.lease
    return select(writebacks).where(writebacks.c.state.in_(OPEN), free, old).order_by(writebacks.c.queued_at)


def _due(now: datetime) -> Select[Any]:
    """The wishes that can be claimed: due, of a channel that works, and the oldest open one of their lead.

    One that is left open after write-back was switched off is claimed too, to be ended: its change was under way then.
    """
    older = writebacks.alias("older")
    before = and_(older.c.created_at == writebacks.c.created_at, older.c.id < writebacks.c.id)
    is_first = ~exists().where(
        older.c.channel_id == writebacks.c.channel_id,
        older.c.lead_id == writebacks.c.lead_id,
        older.c.state.in_(OPEN),
        or_(older.c.created_at < writebacks.c.created_at, before),
    )
    joined = writebacks.join(writeback_settings, writeback_settings.c.channel_id == writebacks.c.channel_id)
    joined = joined.join(channels, channels.c.channel_id == writebacks.c.channel_id)
    return (
        select(writebacks)
        .select_from(joined)
        .where(
            writebacks.c.state.in_(OPEN),
            or_(writebacks.c.next_try_at.is_(None), writebacks.c.next_try_at <= now),
            or_(writebacks.c.lease_until.is_(None), writebacks.c.lease_until <= now),
            writeback_settings.c.state.in_((*WORKS, OFF)),
            channels.c.status == ACTIVE,
            is_first,
        )
    )


def _channels_with_room(transaction: Connection, now: datetime, per_channel: int) -> list[tuple[str, int]]:
    """(channel id, wishes that may still be claimed) of the channels with due wishes, the longest waiting first."""
    due = _due(now).subquery()
    waiting = select(due.c.channel_id).group_by(due.c.channel_id)
    rows = transaction.execute(waiting.order_by(func.min(due.c.created_at))).all()
    held = select(writebacks.c.channel_id, func.count().label("n")).where(
        writebacks.c.state.in_(OPEN), writebacks.c.lease_until > now
    )
    leased = {row.channel_id: int(row.n) for row in transaction.execute(held.group_by(writebacks.c.channel_id))}
    room = [(row.channel_id, per_channel - leased.get(row.channel_id, 0)) for row in rows]
    return [(channel_id, n) for channel_id, n in room if n > 0]

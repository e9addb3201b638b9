"""The switch of a channel's write-back: on, off, its map and policy, and the daily comparison with Zoho's list."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.errors import DamagedValue
from zoho_pipeline.channels.registry.model import ACTIVE, Channel
from zoho_pipeline.channels.registry.platform_tables import writeback_settings as table
from zoho_pipeline.channels.registry.platform_tables import writebacks
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.logs import redact
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.writeback.errors import MapRefused, ScopeMissing
from zoho_pipeline.writeback.journal import end_damaged, move, read_wishes, tell_switch
from zoho_pipeline.writeback.model import BROKEN, DEGRADED, OFF, ON, POLICIES, WORKS, Policy
from zoho_pipeline.writeback.status_map import StatusMap, read_picklist
from zoho_pipeline.zoho.accounts.scopes import WRITE_BACK_SCOPES, all_covered
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.errors import ZohoError
from zoho_pipeline.zoho.write.lead_status import Trigger

log = logging.getLogger(__name__)

_OF_CHANNEL = select(table).where(table.c.channel_id == bindparam("channel"))

MOST_NAMED = 20
"""Values of a list that a message names."""


@dataclass(frozen=True)
class Switch:
    """A row of `registry_writeback_settings`. `picklist`: Zoho's list of statuses at the last comparison."""

    channel_id: str
    state: str
    detail: str | None
    policy: Policy
    words: StatusMap
    trigger: Trigger
    picklist: tuple[str, ...]
    checked_at: datetime | None
    changed_at: datetime

    @property
    def works(self) -> bool:
        return self.state in WORKS


def switch_in(transaction: Connection, channel_id: str) -> Switch | None:
    """The switch of a channel, in an open transaction; None: it was never on. DamagedValue: its row is damaged."""
    row = transaction.execute(_OF_CHANNEL, {"channel": channel_id}).mappings().one_or_none()
    return None if row is None else _of_row(row)


def switch_of(registry: Registry, channel_id: str) -> Switch | None:
    """The switch of a channel; None: it was never on."""
    with registry.database.read() as transaction:
        return switch_in(transaction, channel_id)


def known_switch(registry: Registry, channel_id: str) -> Switch | None:
    """The switch of a channel; None: it was never on, or its row is damaged, so that a person must give it again."""
    with registry.database.read() as transaction:
        try:
            return switch_in(transaction, channel_id)
        except DamagedValue:
            return None


def has_scope(channel: Channel) -> bool:
    """Whether the consent allows changes of leads. Where Zoho did not name the scopes, the first change shows it."""
    if set(WRITE_BACK_SCOPES) & set(channel.missing_scopes):
        return False
    return channel.scopes is None or all_covered(channel.scopes, WRITE_BACK_SCOPES)


def switch_on(
    registry: Registry,
    channel: Channel,
    words: StatusMap,
    *,
    policy: Policy = "zoho_wins",
    trigger: Trigger = "none",
    pacing: Pacing | None = None,
) -> Switch:
    """Switch write-back on, or change its map and policy. Wishes that are not sent yet follow the new ones.

    Raises:
        ScopeMissing: the consent does not cover it.
        MapRefused: a value of the map is not in Zoho's list, or the list is empty. Nothing was changed.
        ZohoError: the list cannot be read. Nothing was changed.
    """
    if not has_scope(channel):
        raise ScopeMissing(
            f"the consent of channel {channel.id} does not allow changes of leads ({', '.join(WRITE_BACK_SCOPES)}). "
            f"Connect it again with: zoho-pipeline connect {channel.id} --write-back"
        )
    picklist = _ask_for_picklist(registry, channel, pacing)
    if outside := words.outside(picklist):
        raise MapRefused(
            f"Zoho's list of lead statuses does not have {_named(outside)}. It has: {_named(picklist)}. Nothing was "
            "switched on."
        )
    with registry.database.write() as transaction:
        registry.database.one_at_a_time(transaction, f"writeback {channel.id}")
        now = registry.database.now_in(transaction)
        try:
            before = switch_in(transaction, channel.id)
        except DamagedValue:  # this is how a person mends it
            before = None
        values: dict[str, Any] = {"state": ON, "detail": None, "policy": policy, "trigger": trigger}
        values |= {"to_zoho": dict(words.to_zoho), "from_zoho": dict(words.from_zoho), "picklist": picklist}
        transaction.execute(delete(table).where(table.c.channel_id == channel.id))
        row = {"channel_id": channel.id, **values, "checked_at": now, "changed_at": now}
        transaction.execute(insert(table).values(row))
        if before is not None and before.state in (BROKEN, DEGRADED):
            tell_switch(transaction, channel.id, "writeback.restored", ON, None, now)
        return _of_row(row)


def switch_off(registry: Registry, channel_id: str, who: str) -> int:
    """Switch write-back off. Wishes that are not sent end as refused; their number.

    A wish whose change is under way is not ended: the worker reads the lead once more, and ends it as done or refused.
    """
    with registry.database.write() as transaction:
        registry.database.one_at_a_time(transaction, f"writeback {channel_id}")  # no wish comes in between
        now = registry.database.now_in(transaction)
        values: dict[str, Any] = {"state": OFF, "detail": None, "changed_at": now}
        try:
            switch_in(transaction, channel_id)
        except DamagedValue:  # what is left of it is of no use; without it, the page would show the damage for ever
            values |= {"to_zoho": {}, "from_zoho": {}, "picklist": [], "policy": POLICIES[0], "trigger": "none"}
            values["checked_at"] = None
        transaction.execute(update(table).where(table.c.channel_id == channel_id).values(values))
        waiting = select(writebacks).where(
            writebacks.c.channel_id == channel_id,
            or_(writebacks.c.state == "queued", writebacks.c.state == "conflict"),
            writebacks.c.resolution.is_distinct_from("zoho_wins"),
        )
        found, damaged = read_wishes(transaction, waiting)
        ended = sum(end_damaged(transaction, writeback_id, who, now) for writeback_id in damaged)
        for wish in found:
            detail = "Write-back was switched off before the wish was sent."
            ended += move(transaction, wish, "refused", who=who, now=now, code="writeback_off", detail=detail)
        return ended


def break_switch(transaction: Connection, channel_id: str, detail: str, now: datetime) -> None:
    """Zoho refuses every change: send nothing more, and tell it once."""
    works = (table.c.channel_id == channel_id, table.c.state.in_(WORKS))
    values = {"state": BROKEN, "detail": redact(detail), "changed_at": now}
    if transaction.execute(update(table).where(*works).values(values)).rowcount:
        log.error("channel %s: write-back is broken: %s", channel_id, detail)
        tell_switch(transaction, channel_id, "writeback.broken", BROKEN, detail, now)


def due_for_check(registry: Registry, every: timedelta) -> list[str]:
    """The channels whose map was not compared with Zoho's list for this time."""
    now = registry.database.now()
    old = or_(table.c.checked_at.is_(None), table.c.checked_at < now - every)
    joined = table.join(channels, channels.c.channel_id == table.c.channel_id)
    query = select(table.c.channel_id).select_from(joined)
    query = query.where(table.c.state.in_(WORKS), old, channels.c.status == ACTIVE).order_by(table.c.checked_at)
    with registry.database.read() as transaction:
        return list(transaction.scalars(query))


def check_map(registry: Registry, channel_id: str, pacing: Pacing | None = None) -> Switch | None:
    """Compare the map of a channel with Zoho's list, and store and tell a change. None: there is nothing to compare.

    A list that cannot be read changes nothing but the time of the comparison.
    """
    known = switch_of(registry, channel_id)
    if known is None or not known.works:
        return known
    picklist: list[str] | None = None
    try:
        picklist = _ask_for_picklist(registry, registry.get(channel_id), pacing)
    except PipelineError as error:
        log.warning("channel %s: the map of write-back cannot be compared with Zoho's list: %s", channel_id, error)
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        found = switch_in(transaction, channel_id)
        if found is None or not found.works:
            return found
        values: dict[str, Any] = {"checked_at": now}
        if picklist is not None:
            outside = found.words.outside(picklist)
            state = DEGRADED if outside else ON
            detail = f"Zoho's list of lead statuses no longer has {_named(outside)}." if outside else None
            values |= {"picklist": picklist, "state": state, "detail": detail}
            if (state, detail) != (found.state, found.detail):
                values |= {"changed_at": now}
                kind = "writeback.degraded" if outside else "writeback.restored"
                tell_switch(transaction, channel_id, kind, state, detail, now)
        transaction.execute(update(table).where(table.c.channel_id == channel_id).values(values))
        return switch_in(transaction, channel_id)


def _ask_for_picklist(registry: Registry, channel: Channel, pacing: Pacing | None) -> list[str]:
    """Zoho's list of statuses. MapRefused: it is empty."""
    with open_client(registry.settings, registry, channel, pacing=pacing) as client:
        try:
            picklist = read_picklist(client)
        except ZohoError as error:
            raise MapRefused(
                f"Zoho's list of lead statuses cannot be read, so the map cannot be checked: {error}"
            ) from error
        finally:
            registry.add_credits(channel.id, client.meter.credits)
    if not picklist:
        raise MapRefused(
            "Zoho shows no list of lead statuses to the connected user, so the map cannot be checked. Let an "
            "administrator connect the channel."
        )
    return picklist


def _named(values: list[str]) -> str:
    shown = ", ".join(repr(value) for value in values[:MOST_NAMED])
    return shown if len(values) <= MOST_NAMED else f"{shown} and {len(values) - MOST_NAMED} more"


def _of_row(row: Any) -> Switch:
    """The switch in a row of the table. DamagedValue: it holds none."""
    is_known = row["state"] in (ON, OFF, DEGRADED, BROKEN) and row["policy"] in POLICIES
    maps = all(isinstance(row[name], dict) for name in ("to_zoho", "from_zoho"))
    words = [*row["to_zoho"].values(), *row["from_zoho"].values()] if maps else []
    words += row["picklist"] if isinstance(row["picklist"], list) else [None]
    texts = all(isinstance(text, str) for text in (*words, row["trigger"], row["detail"] or ""))
    if not (is_known and maps and texts):
        raise DamagedValue("a switch of write-back that this version does not know")
    return Switch(
        channel_id=row["channel_id"],
        state=row["state"],
        detail=row["detail"],
        policy=row["policy"],
        words=StatusMap(row["to_zoho"], row["from_zoho"]),
        trigger=row["trigger"],
        picklist=tuple(row["picklist"]),
        checked_at=row["checked_at"],
        changed_at=row["changed_at"],
    )


def switch_and_status(transaction: Connection, channel_id: str) -> tuple[Switch | None, str | None]:
    """The switch of a channel, and whether the channel is active, paused or unusable. None: it has none, or is gone."""
    own = select(channels.c.status).where(channels.c.channel_id == channel_id)
    return switch_in(transaction, channel_id), transaction.scalar(own)

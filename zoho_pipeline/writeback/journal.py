"""The steps of a write-back: each changes its row, is appended to the journal, and tells the platform once, together.

All of it is one transaction, so that no step is done and not recorded, or told twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, update

from zoho_pipeline.channels.database.whole_rows import whole_rows
from zoho_pipeline.channels.errors import DamagedValue
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.platform_tables import writeback_events, writebacks
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.logs import redact
from zoho_pipeline.writeback.model import LONGEST_DETAIL, OPEN, STATES, TYPES, State, Writeback, of_row

DAMAGED = "What the registry stored of this wish was damaged. Set the status of the lead again."
TOLD = {"done": "writeback.done", "refused": "writeback.refused", "failed": "writeback.refused"}
TOLD |= {"conflict": "writeback.conflict"}
"""A state in which a write-back ends, or waits for a person → the event that the platform gets."""

LOST = "lost"
"""The code of the step that stores that our change was lost in the second in which it was made, or right after it."""

WRITTEN = "written"
"""The code of the step that stores that Zoho carried out a change, and could not be read after it."""

NOT_READ = "not_read"
"""The code of a wish that is done, and that nobody could read after its change."""

FORCED = "forced"
"""The code of the step with which a person decides that the wish is written, and of the mark of that change."""


def move(
    transaction: Connection,
    writeback: Writeback,
    to_state: State,
    *,
    who: str,
    now: datetime,
    code: str | None = None,
    detail: str | None = None,
    only_if: Sequence[ColumnElement[bool]] = (),
    **values: Any,
) -> bool:
    """Move a write-back to a state. False: it is no longer in the state that the caller knows, and nothing was done.

    Args:
        detail: a sentence; secrets in it are removed.
        only_if: further conditions on the row.
        values: further columns.
    """
    detail = None if detail is None else redact(detail)[:LONGEST_DETAIL]
    ends = to_state not in OPEN and not (to_state == "conflict" and values.get("resolution") is None)
    changed: dict[str, Any] = {"state": to_state, "code": code, "detail": detail}
    if to_state not in OPEN:
        changed |= {"lease_until": None, "next_try_at": None}
    changed |= {"finished_at": now if ends else None, **values}
    row = (writebacks.c.id == writeback.id, writebacks.c.state == writeback.state, *only_if)
    if transaction.execute(update(writebacks).where(*row).values(changed)).rowcount == 0:
        return False
    append(transaction, writeback.id, who, now, writeback.state, to_state, code, detail)
    if to_state in TOLD and to_state != writeback.state:
        _tell(transaction, writeback, to_state, code, changed, now)
    return True


def changed_before(transaction: Connection, writeback: Writeback) -> datetime | None:
    """The time by Zoho's clock after which an edit is news for a wish whose change Zoho carried out; None: it did not.

    It is the time of the change, or of a later edit that a person was asked about.
    """
    return writeback.zoho_modified_at if count_steps(transaction, writeback, LOST, WRITTEN) else None


def count_steps(transaction: Connection, writeback: Writeback, *codes: str, since_decision: bool = False) -> int:
    """The steps of a write-back with these codes.

    Args:
        since_decision: only those after the last `force`. Their order is that of their ids: our clock may be set back.
    """
    steps = writeback_events.c
    mine = steps.writeback_id == writeback.id
    query = select(func.count()).where(mine, steps.code.in_(codes))
    if since_decision:
        last = select(func.max(steps.id)).where(mine, steps.code == FORCED, steps.to_state == "queued")
        query = query.where(steps.id > func.coalesce(last.scalar_subquery(), 0))
    return int(transaction.scalar(query) or 0)


def append(
    transaction: Connection,
    writeback_id: str,
    who: str,
    now: datetime,
    from_state: str | None,
    to_state: str,
    code: str | None = None,
    detail: str | None = None,
) -> None:
    """Append a step to the journal."""
    values = {"writeback_id": writeback_id, "at": now, "who": who, "from_state": from_state, "to_state": to_state}
    transaction.execute(insert(writeback_events).values(**values, code=code, detail=detail))


def tell_switch(
    transaction: Connection, channel_id: str, kind: str, state: str, detail: str | None, now: datetime
) -> None:
    """Tell the platform, and open pages, that the switch of a channel changed."""
    tenant = transaction.scalar(select(channels.c.tenant).where(channels.c.channel_id == channel_id))
    data = {"state": state, "detail": None if detail is None else redact(detail)[:LONGEST_DETAIL]}
    channel_events.record(transaction, channel_id, tenant, kind, data, now)


def _tell(
    transaction: Connection, wish: Writeback, state: str, code: str | None, changed: dict[str, Any], now: datetime
) -> None:
    tenant = transaction.scalar(select(channels.c.tenant).where(channels.c.channel_id == wish.channel_id))
    data = {"writeback_id": wish.id, "lead_id": wish.lead_id, "state": state, "code": code}
    data |= {"status": wish.status, "zoho_status": wish.desired}
    data["found_status"] = changed.get("zoho_status", wish.zoho_status)
    channel_events.record(transaction, wish.channel_id, tenant, TOLD[state], data, now)


def read_wishes(
    transaction: Connection, query: Select[Any], *, most: int | None = None
) -> tuple[list[Writeback], list[str]]:
    """The wishes of a query on their table, and the ids of those whose row is damaged. `most`: the query's limit."""
    return whole_rows(transaction, query, writebacks.c.id, lambda row: of_row(row._mapping), most=most)


def end_damaged(transaction: Connection, writeback_id: str, who: str, now: datetime) -> bool:
    """End an open wish whose row is damaged as failed, and make its row whole: nobody could send it, or decide."""
    whole: dict[str, Any] = {"lead_id": "", "status": "", "desired": "", "expected_zoho": [], "tries": 0}
    whole |= {"created_at": now, "queued_at": now}
    own = writebacks.c.id == writeback_id
    row = {column.name: _value(transaction, column.name, own) for column in writebacks.c}
    row |= {name: value for name, value in whole.items() if row[name] is None or name == "expected_zoho"}
    row["state"] = row["state"] if row["state"] in STATES else "queued"
    transaction.execute(update(writebacks).where(own).values(row))
    doubt = " It is unknown whether Zoho changed the status." if row["state"] == "sending" else ""
    return move(transaction, of_row(row), "failed", who=who, now=now, code="damaged", detail=f"{DAMAGED}{doubt}")


def _value(transaction: Connection, name: str, own: ColumnElement[bool]) -> Any:
    """One value of a row; None: it is damaged."""
    try:
        value = transaction.scalar(select(writebacks.c[name]).where(own))
    except DamagedValue:
        return None
    return value if all(isinstance(value, types) for known, types in TYPES if known == name) else None

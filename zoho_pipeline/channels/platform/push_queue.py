"""The rows of `registry_push_dirty`: which record a notification named, and what became of it.

A row is one record. Only "read this record again" remains of a notification, so neither order nor repetition matters.
States: `new` → `loaded` (the row is in raw) → `published` (lists show it). Rows are kept for 7 days.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from zoho_pipeline.channels.registry.platform_tables import push_dirty as table
from zoho_pipeline.channels.registry.platform_tables import push_loads

NEW, LOADED, PUBLISHED = "new", "loaded", "published"
DELETE = "delete"
KEPT = timedelta(days=7)
MOST_MEASURED = 1_000
"""Records of the last day from which the percentile of a channel is computed."""


@dataclass(frozen=True)
class Hint:
    """What a notification says of one record."""

    channel_id: str
    module: str
    record_id: str
    operation: str
    is_trusted: bool
    zoho_at: datetime | None


@dataclass(frozen=True)
class Dirty:
    """A record that must be read again. `n` tells whether another notification came meanwhile."""

    module: str
    record_id: str
    operation: str
    is_trusted: bool
    zoho_at: datetime | None
    first_seen_at: datetime
    n: int


_DIRTY = [table.c[field.name] for field in fields(Dirty)]


def add(transaction: Connection, hints: Iterable[Hint], now: datetime) -> None:
    """Store what notifications say, in one statement. A record that was served before becomes new again."""
    merged: dict[tuple[str, str, str], dict[str, Any]] = {}
    for hint in hints:
        key = (hint.channel_id, hint.module, hint.record_id)
        values: dict[str, Any] = {"channel_id": hint.channel_id, "module": hint.module, "record_id": hint.record_id}
        values |= {"operation": hint.operation, "is_trusted": hint.is_trusted, "zoho_at": hint.zoho_at, "n": 1}
        merged[key] = _merged(merged[key], values) if key in merged else values
    if not merged:
        return
    # in one order, because two web servers could block each other otherwise
    rows = [merged[key] | {"first_seen_at": now, "last_seen_at": now, "state": NEW} for key in sorted(merged)]
    transaction.execute(_UPSERTS[transaction.dialect.name], rows)


def _upsert(dialect: Any) -> Any:
    """The statement that stores hints. It is made once: making it costs more time than the rows of a delivery."""
    statement = dialect.insert(table)
    came, is_open = statement.excluded, table.c.state == NEW
    # a notification without the token never takes the place of what a trusted one said
    keeps = and_(is_open, table.c.is_trusted, ~came.is_trusted)
    earliest = case((and_(is_open, table.c.zoho_at.is_not(None)), table.c.zoho_at), else_=came.zoho_at)
    changed = {
        "operation": case((keeps, table.c.operation), else_=came.operation),
        "is_trusted": case((is_open, or_(table.c.is_trusted, came.is_trusted)), else_=came.is_trusted),
        "zoho_at": earliest,
        "first_seen_at": case((is_open, table.c.first_seen_at), else_=came.first_seen_at),
        "last_seen_at": came.last_seen_at,
        "n": table.c.n + came.n,
        "state": NEW,
        "due_at": None,
        "loaded_at": None,
        "published_at": None,
        "counted_at": None,
        "raw_seconds": None,
        "insight_seconds": None,
    }
    return statement.on_conflict_do_update(index_elements=["channel_id", "module", "record_id"], set_=changed)


_UPSERTS = {"postgresql": _upsert(postgresql), "sqlite": _upsert(sqlite)}


def _merged(first: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """Two notifications of one record that are stored together."""
    newest = first if first["is_trusted"] and not then["is_trusted"] else then
    times = [row["zoho_at"] for row in (first, then) if row["zoho_at"] is not None]
    trusted = first["is_trusted"] or then["is_trusted"]
    return newest | {"is_trusted": trusted, "zoho_at": min(times, default=None), "n": first["n"] + then["n"]}


def due_channels(transaction: Connection, now: datetime, quiet: float) -> list[str]:
    """The channels whose records are to be read now, the longest waiting first.

    Args:
        quiet: seconds without a notification; after 5 times that since the first one, a channel is due anyway.
    """
    seen = func.max(table.c.last_seen_at), func.min(table.c.first_seen_at)
    waiting = select(table.c.channel_id, *seen).where(table.c.state == NEW, _may_start(now))
    rows = transaction.execute(waiting.group_by(table.c.channel_id)).all()
    due = [
        (first, channel_id)
        for channel_id, last, first in rows
        if (now - last).total_seconds() >= quiet or (now - first).total_seconds() >= 5 * quiet
    ]
    return [channel_id for _, channel_id in sorted(due)]


def take(transaction: Connection, channel_id: str, now: datetime, most: int) -> list[Dirty]:
    """The next records of a channel, the oldest first. The channel's lock keeps others from taking them too."""
    mine = (table.c.channel_id == channel_id, table.c.state == NEW, _may_start(now))
    oldest = (table.c.first_seen_at, table.c.module, table.c.record_id)
    rows = transaction.execute(select(*_DIRTY).where(*mine).order_by(*oldest).limit(most))
    return [Dirty(*row) for row in rows]


def _may_start(now: datetime) -> Any:
    return or_(table.c.due_at.is_(None), table.c.due_at <= now)


def mark_loaded(
    transaction: Connection, channel_id: str, served: Sequence[Dirty], now: datetime, skew_seconds: float
) -> None:
    """The records are in raw as Zoho has them. One that a newer notification named meanwhile stays new.

    Args:
        skew_seconds: Zoho's clock less ours.
    """
    values = {"state": LOADED, "loaded_at": now, "due_at": None, "raw_seconds": bindparam("seconds")}
    _each(
        transaction, channel_id, served, values, [{"seconds": _since(one.zoho_at, now, skew_seconds)} for one in served]
    )


def postpone(transaction: Connection, channel_id: str, waiting: Sequence[Dirty], until: datetime) -> None:
    """Leave these records for later, unless a newer notification comes."""
    _each(transaction, channel_id, waiting, {"due_at": until}, [{} for _ in waiting])


def loaded_by_sync(
    transaction: Connection,
    channel_id: str,
    modules: Collection[str],
    began: datetime,
    now: datetime,
    skew_seconds: float,
) -> None:
    """A sync that read these modules to their end, or may not read them, has done all for what was named before it."""
    query = select(*_DIRTY).where(table.c.channel_id == channel_id, table.c.module.in_(sorted(modules)))
    rows = transaction.execute(query.where(table.c.state == NEW, table.c.last_seen_at < began))
    mark_loaded(transaction, channel_id, [Dirty(*row) for row in rows], now, skew_seconds)


def _each(
    transaction: Connection,
    channel_id: str,
    rows: Sequence[Dirty],
    values: dict[str, Any],
    more: Sequence[dict[str, Any]],
) -> None:
    """Change rows that are still as they were taken."""
    same = (table.c.module == bindparam("m"), table.c.record_id == bindparam("r"), table.c.n == bindparam("k"))
    statement = update(table).where(table.c.channel_id == channel_id, *same, table.c.state == NEW).values(values)
    each = [{"m": one.module, "r": one.record_id, "k": one.n} | extra for one, extra in zip(rows, more, strict=True)]
    if each:
        transaction.execute(statement, each)


def _since(zoho_at: datetime | None, now: datetime, skew_seconds: float) -> float | None:
    return None if zoho_at is None else max(0.0, (now - zoho_at).total_seconds() + skew_seconds)


def mark_published(transaction: Connection, channel_ids: Collection[str], built_at: datetime, now: datetime) -> None:
    """The lists of these channels show what was loaded before the build began."""
    mine = (table.c.channel_id.in_(sorted(channel_ids)), table.c.state == LOADED, table.c.loaded_at <= built_at)
    transaction.execute(update(table).where(*mine).values(state=PUBLISHED, published_at=now))


def unlisted_channels(transaction: Connection, module: str) -> list[str]:
    """The channels with records of this module that were loaded, and that no publication has shown since."""
    loaded = select(table.c.channel_id).where(table.c.state == LOADED, table.c.module == module).distinct()
    return list(transaction.scalars(loaded.order_by(table.c.channel_id)))


def mark_counted(
    transaction: Connection, channel_id: str, modules: Collection[str], began: datetime, now: datetime
) -> None:
    """A whole sync has read what was named before it began: no other sync is needed for it."""
    mine = (table.c.channel_id == channel_id, table.c.counted_at.is_(None), table.c.last_seen_at < began)
    transaction.execute(update(table).where(*mine, table.c.module.in_(sorted(modules))).values(counted_at=now))


def mark_insight(
    transaction: Connection, channel_id: str, built_at: datetime, now: datetime, skew_seconds: float
) -> None:
    """The numbers of a channel were published, and they count what a sync had read before the build began."""
    mine = (table.c.channel_id == channel_id, table.c.insight_seconds.is_(None), table.c.counted_at <= built_at)
    query = select(table.c.module, table.c.record_id, table.c.zoho_at).where(*mine, table.c.zoho_at.is_not(None))
    same = (table.c.module == bindparam("m"), table.c.record_id == bindparam("r"))
    statement = update(table).where(*mine, *same).values(insight_seconds=bindparam("seconds"))
    rows = transaction.execute(query).all()
    each = [{"m": row[0], "r": row[1], "seconds": _since(row[2], now, skew_seconds)} for row in rows]
    if each:
        transaction.execute(statement, each)


def uncounted_channels(transaction: Connection) -> list[str]:
    """The channels with a notification that no whole sync has followed yet."""
    waiting = select(table.c.channel_id).where(table.c.counted_at.is_(None)).distinct()
    return list(transaction.scalars(waiting.order_by(table.c.channel_id)))


def has_uncounted(transaction: Connection, channel_id: str) -> bool:
    """Whether a notification of this channel came that no whole sync has followed yet."""
    mine = (table.c.channel_id == channel_id, table.c.counted_at.is_(None))
    return transaction.execute(select(table.c.record_id).where(*mine).limit(1)).first() is not None


def has_served(transaction: Connection, channel_id: str, since: datetime) -> bool:
    """Whether a record that no whole sync has followed was read already, or has waited since before an instant."""
    mine = (table.c.channel_id == channel_id, table.c.counted_at.is_(None))
    ready = or_(table.c.state != NEW, table.c.first_seen_at <= since)
    return transaction.execute(select(table.c.record_id).where(*mine, ready).limit(1)).first() is not None


def named_since(transaction: Connection, channel_id: str, module: str, since: datetime) -> dict[str, datetime]:
    """Record id → when the last notification named it, for those named at or after an instant of our clock."""
    rows = transaction.execute(
        select(table.c.record_id, table.c.last_seen_at).where(
            table.c.channel_id == channel_id, table.c.module == module, table.c.last_seen_at >= since
        )
    )
    return {row[0]: row[1] for row in rows}


def log_load(
    transaction: Connection, channel_id: str, module: str, kind: str, numbers: tuple[int, int, float], now: datetime
) -> None:
    """Keep what one reading of a module cost: (ids, rows, credits). `kind`: records, or deletions."""
    ids, rows, credits = numbers
    values: dict[str, Any] = {"channel_id": channel_id, "module": module, "kind": kind, "at": now}
    transaction.execute(insert(push_loads).values(**values, ids=ids, rows=rows, credits=credits))


def last_load(transaction: Connection, channel_id: str, module: str, kind: str) -> datetime | None:
    """When the last reading of this kind was."""
    mine = (push_loads.c.channel_id == channel_id, push_loads.c.module == module, push_loads.c.kind == kind)
    found: datetime | None = transaction.scalar(select(func.max(push_loads.c.at)).where(*mine))
    return found


def prune(transaction: Connection, now: datetime) -> None:
    """Delete what was served more than 7 days ago. A record that another transaction uses now stays for the next time:
    waiting for it could block the other one."""
    key = (table.c.channel_id, table.c.module, table.c.record_id)
    old = select(*key).where(table.c.state != NEW, table.c.last_seen_at < now - KEPT).with_for_update(skip_locked=True)
    transaction.execute(delete(table).where(tuple_(*key).in_(old)))
    transaction.execute(delete(push_loads).where(push_loads.c.at < now - KEPT))


def seconds_of(transaction: Connection, now: datetime, channel_id: str | None = None) -> dict[str, list[float]]:
    """`raw` and `insight` → the sorted seconds of the newest records of the last 24 hours.

    Args:
        channel_id: of this channel; None means all.
    """
    found = {}
    for name, column, at in (
        ("raw", table.c.raw_seconds, table.c.loaded_at),
        ("insight", table.c.insight_seconds, table.c.counted_at),
    ):
        query = select(column).where(column.is_not(None), at > now - timedelta(hours=24))
        if channel_id is not None:
            query = query.where(table.c.channel_id == channel_id)
        found[name] = sorted(transaction.scalars(query.order_by(at.desc()).limit(MOST_MEASURED)))
    return found


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that this share of the sorted values does not exceed; None: there are no values."""
    return values[max(0, math.ceil(len(values) * share) - 1)] if values else None


def count_new(transaction: Connection, channel_id: str) -> int:
    """The number of records that wait to be read."""
    mine = (table.c.channel_id == channel_id, table.c.state == NEW)
    return int(transaction.scalar(select(func.count()).select_from(table).where(*mine)) or 0)

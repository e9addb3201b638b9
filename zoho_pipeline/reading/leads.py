"""Lists of a channel's leads, page by page, the newest first.

The order is (created_at, id), both descending, and leads without a time of creation come last. The first page without a
filter reads `recent_lead`, which also has leads that are newer than as_of. Further pages read `lead`, and in addition
what `recent_lead` has beyond as_of, so that no lead appears twice and none is left out. A page with a filter reads
`lead` alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zoho_pipeline.reading.published import with_later
from zoho_pipeline.reading.values import json_ready
from zoho_pipeline.warehouse.connection import Connection

Position = tuple[str | None, str]
"""(created_at in ISO 8601 or None, id) of the last lead of a page."""

HIDDEN = "***"
_MOST_INITIALS = 3
_ORDER = 'order by created_at desc nulls last, id collate "C" desc'
_RECENT = """
select zoho_lead_id as id, created_at, created_local, full_name, email, phone, company, lead_status, lead_source,
    owner_name, content_id, content_title, is_converted, is_newer_than_as_of
from recent_lead where channel_id = ?
"""
_LEADS = """
select zoho_lead_id as id, created_at, created_local, company, lead_status, lead_source, owner_name, is_converted
from lead where channel_id = ?
"""


@dataclass(frozen=True)
class LeadFilter:
    """Which leads a list shows; None means any. The values are those of the columns, in their spelling."""

    status: str | None = None
    source: str | None = None
    content_id: str | None = None

    @property
    def is_empty(self) -> bool:
        return self == LeadFilter()


def page(
    connection: Connection,
    channel_id: str,
    limit: int,
    after: Position | None = None,
    only: LeadFilter | None = None,
) -> tuple[list[dict[str, Any]], Position | None]:
    """A page of leads, ready for JSON, and the position after which the next page begins (None: this is the last).

    A row has id, created_at (UTC), created_local, full_name, email, phone, company, lead_status, lead_source,
    owner_name, content_id, content_title, is_converted, is_newer_than_as_of and captured_by (None: it is newer than
    as_of, or the marts were published by an older version).

    Args:
        limit: 1 to 100.
        after: the position that the page before gave.
    """
    only = only or LeadFilter()
    if only.is_empty and after is None:
        rows = connection.rows(_listed(_RECENT), (channel_id, limit + 1))
    else:
        rows = _further(connection, channel_id, limit + 1, after, only)
    found = [_ready(row) for row in rows[:limit]]
    last = found[-1] if len(rows) > limit else None
    return found, None if last is None else (last["created_at"], last["id"])


def _ready(row: dict[str, Any]) -> dict[str, Any]:
    values = {name: json_ready(value) for name, value in row.items()}
    return values | {"created_at": values["created_at"] and f"{values['created_at']}Z"}


def _listed(query: str, beyond: str = "") -> str:
    """The query of the leads of a list, in its order and with its limit."""
    leads = with_later("captured_by", query)
    return f"select * from ({leads}) as found where 1 = 1{beyond} {_ORDER} limit ?"  # noqa: S608


def _further(
    connection: Connection, channel_id: str, limit: int, after: Position | None, only: LeadFilter
) -> list[dict[str, Any]]:
    beyond, place = _beyond(after)
    filters, values = _filters(channel_id, only)
    rows = connection.rows(_listed(_LEADS + filters, beyond), (channel_id, *values, *place, limit))
    rows = _with_people(connection, channel_id, rows)
    if not only.is_empty:
        return rows
    newer = connection.rows(_listed(f"{_RECENT} and is_newer_than_as_of", beyond), (channel_id, *place, limit))
    # each of them was created after as_of, and so after every other lead
    known = {row["id"] for row in rows}
    return [*(row for row in newer if row["id"] not in known), *rows][:limit]


def _beyond(after: Position | None) -> tuple[str, Sequence[Any]]:
    """The condition on leads that come after a position, and its values."""
    if after is None:
        return "", ()
    moment, last = after
    if moment is None:
        return ' and created_at is null and id collate "C" < ?', (last,)
    at = datetime.fromisoformat(moment.removesuffix("Z"))
    same = 'created_at = ? and id collate "C" < ?'
    return f" and (created_at < ? or created_at is null or ({same}))", (at, at, last)


def _filters(channel_id: str, only: LeadFilter) -> tuple[str, list[Any]]:
    named = {"lead_status": only.status, "lead_source": only.source}
    given = {column: value for column, value in named.items() if value is not None}
    text, values = "".join(f" and {column} = ?" for column in given), list(given.values())
    if only.content_id is not None:
        credited = "select zoho_lead_id from lead_source_attribution where channel_id = ? and content_id = ?"
        text, values = f"{text} and zoho_lead_id in ({credited})", [*values, channel_id, only.content_id]
    return text, values


def _with_people(connection: Connection, channel_id: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with names, addresses and content, which are in other marts."""
    ids = [row["id"] for row in rows]
    if not ids:
        return []
    marks = ", ".join("?" * len(ids))
    people = connection.rows(
        "select person_id as id, full_name, email, coalesce(phone, mobile) as phone from lead_contact"  # noqa: S608
        f" where channel_id = ? and kind = 'lead' and person_id in ({marks})",
        (channel_id, *ids),
    )
    credited = connection.rows(
        "select a.zoho_lead_id as id, a.content_id, max(c.title) as content_title from lead_source_attribution as a"  # noqa: S608
        " left join content_performance as c on a.channel_id = c.channel_id and a.content_id = c.content_id"
        f" where a.channel_id = ? and a.zoho_lead_id in ({marks}) group by a.zoho_lead_id, a.content_id",
        (channel_id, *ids),
    )
    more: dict[str, dict[str, Any]] = {row["id"]: row for row in people}
    contents = {row["id"]: row for row in credited}
    none = {"full_name": None, "email": None, "phone": None, "content_id": None, "content_title": None}
    ends = {"is_newer_than_as_of": False}
    return [none | row | more.get(row["id"], {}) | contents.get(row["id"], {}) | ends for row in rows]


@dataclass(frozen=True)
class KnownLead:
    """What the published marts show of a lead. `known_at`: how new that is, in UTC; None: unknown."""

    id: str
    status: str | None
    is_converted: bool
    known_at: datetime | None


def find_lead(connection: Connection, channel_id: str, lead_id: str) -> KnownLead | None:
    """A lead of the published marts, also one that is newer than as_of; None: they do not have it."""
    rows = connection.rows(
        "select lead_status, is_converted, modified_at as known_at, 0 as place from lead"
        " where channel_id = ? and zoho_lead_id = ?"
        " union all select lead_status, is_converted, loaded_at as known_at, 1 as place from recent_lead"
        " where channel_id = ? and zoho_lead_id = ? order by place",
        (channel_id, lead_id, channel_id, lead_id),
    )
    if not rows:
        return None
    row = rows[0]
    known: datetime | None = row["known_at"]
    if known is not None and known.tzinfo is None:
        known = known.replace(tzinfo=UTC)
    return KnownLead(lead_id, row["lead_status"] or None, bool(row["is_converted"]), known)


def initials(name: str | None) -> str | None:
    """`Asha Rao` → `A. R.`; None stays None."""
    letters = [found.group() for word in (name or "").split() if (found := re.search(r"\w", word))]
    if not (name or "").strip():
        return None
    return " ".join(f"{letter.upper()}." for letter in letters[:_MOST_INITIALS]) or HIDDEN

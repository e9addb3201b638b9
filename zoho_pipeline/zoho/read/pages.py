"""What all lists have in common: rows, whether more rows follow, and names that are safe in a path."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from zoho_pipeline.zoho.connection.answer import Answer
from zoho_pipeline.zoho.connection.client import VERSION
from zoho_pipeline.zoho.errors import BadAnswer, ModuleMissing, NotFound

Row = dict[str, Any]

MOST_PER_PAGE = 200

SENT_ID = "$sent_id"
"""The key under which a row without a usable id has what Zoho sent in its place. No column is read from a `$…` key."""

_NAMELESS = "no id "
_TIMES = ("Created_Time", "Modified_Time", "deleted_time", "created_time")

_EMPTY: tuple[Any, ...] = (None, "", [], False)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_ID = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Page:
    """Rows as Zoho sent them (ids as text, timestamps with an offset), in Zoho's order.

    `next_page_token` is the token of the next page, where the route has tokens. `server_time` is Zoho's clock (UTC).
    """

    rows: list[Row]
    more: bool
    next_page_token: str | None
    server_time: datetime


def module_path(module: str, *rest: str) -> str:
    """`/crm/v7/Leads/…`; ModuleMissing if no module can have the name."""
    if not _NAME.fullmatch(module):
        raise ModuleMissing(module[:60], "a module's API name has letters, digits and _")
    return "/".join((f"/crm/{VERSION}/{module}", *rest))


def record_id(text: str) -> str:
    """The id, if it has the form of one; else NotFound."""
    if not _ID.fullmatch(text):
        raise NotFound(f"{text[:60]!r} is no record id.")
    return text


def page_of(answer: Answer, what: str, key: str = "data", *, info: bool = True, per_page: int = MOST_PER_PAGE) -> Page:
    """The page in an answer; it is empty for 204, 304 and no rows.

    Args:
        key: the key of the rows.
        info: whether the route promises `info.more_records`. A page without it is the last one if it is not full. A
            full one is a BadAnswer, because rows could be lost without a sign.
        per_page: how many rows a full page has.
    """
    if answer.data is None:
        return Page([], False, None, answer.server_time)
    rows = rows_of(answer.data, key, what)
    about = answer.data.get("info")
    if not isinstance(about, dict) or not isinstance(about.get("more_records"), bool):
        unclear = isinstance(about, dict) and "more_records" in about
        if unclear or (info and len(rows) >= per_page):
            raise BadAnswer(f"{what}: the answer does not say whether more records follow.")
        about = {}
    token = about.get("next_page_token")
    more = bool(about.get("more_records", False))
    return Page(rows, more, token if more and isinstance(token, str) else None, answer.server_time)


def rows_of(document: Mapping[str, Any], key: str, what: str) -> list[Row]:
    """The list of objects under `key`; BadAnswer if it is something else."""
    rows = document.get(key)
    if not isinstance(rows, list) or not all(type(row) is dict for row in rows):
        raise BadAnswer(f"{what}: the answer has no list {key!r} of objects.")
    return rows


def with_text_ids(rows: list[Row]) -> list[Row]:
    """The same rows, each with an `id` of text, so that one odd row does not stop the page.

    A whole number is taken by its exact digits: `parsing` reads no whole number as a float. A row with anything else,
    without an id, or with one that begins with 0 (a query sorts the true id), gets an id that no record has, and keeps
    what was sent under SENT_ID. So it is counted, compared and rejected as one row. The name is made of its times,
    which all routes show (see `without_content`), and of its other values: two records of one import have the same
    times, and may be on different pages. Empty values do not count: a field that is new would change the name.
    """
    named: dict[str, int] = {}
    for row in rows:
        sent = row.get("id")
        if type(sent) is str and sent and not (sent[0] == "0" and sent.isdigit()):
            continue
        if type(sent) is int and sent > 0:
            row["id"] = str(sent)
            continue
        times = [row.get(name) for name in _TIMES]
        shown = (name for name in sorted(row) if not name.startswith("$"))
        values = [(name, row[name]) for name in shown if row[name] not in _EMPTY]
        name = f"{_NAMELESS}{_digest(times)} {_digest(values)}"
        named[name] = named.get(name, 0) + 1
        row["id"] = name if named[name] == 1 else f"{name} {named[name]}"
        row[SENT_ID] = sent
    return rows


def without_content(id_: str) -> str:
    """The part of a name of `with_text_ids` that is the same on each route; any other id as it is."""
    return " ".join(id_.split(" ")[:3]) if id_.startswith(_NAMELESS) else id_


def _digest(values: list[Any]) -> str:
    return sha256(repr(values).encode("utf-8", "backslashreplace")).hexdigest()[:12]

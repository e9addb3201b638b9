"""COQL: up to 2,000 rows per call for one to three credits, and a keyset that reads all changes without gaps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from zoho_pipeline.zoho.connection.client import VERSION, ZohoClient
from zoho_pipeline.zoho.connection.credits import COQL_DEFAULT_ROWS, LIMIT, rows_asked
from zoho_pipeline.zoho.connection.server_clock import format_time, time_or_none
from zoho_pipeline.zoho.errors import BadAnswer, InvalidRequest
from zoho_pipeline.zoho.parsing import is_digits, whole_number
from zoho_pipeline.zoho.read.pages import Page, module_path, page_of, with_text_ids

PATH = f"/crm/{VERSION}/coql"
MOST_ROWS = 2_000
SAFE_ROWS = COQL_DEFAULT_ROWS
MOST_FIELDS = 500
UNSUPPORTED_FIELDS: dict[str, frozenset[str]] = {
    "Calls": frozenset({"CTI_Entry"}),
    "Events": frozenset({"Participants"}),
}
"""Fields that queries refuse although the metadata lists them; a connector in production found them."""

_LEARNED = "rows of a query"

# A query has no parameters, so names, ids and numbers are checked before they become part of it (see the noqa below).
_FIELD = re.compile(r"\$?[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class Keyset:
    """The last row that was read, in the order (Modified_Time, id). The next page starts after it."""

    modified_time: datetime
    id: str


def query(client: ZohoClient, select_query: str) -> Page:
    """The rows of one query. Lookups are only `{"id": …}`; converted leads are included.

    If Zoho refuses more than 200 rows per call (one of its tables says so), later queries request 200.
    """
    most = int(client.learned.get(_LEARNED, MOST_ROWS))
    try:
        return _query(client, _at_most(select_query, most))
    except InvalidRequest as error:
        if error.code != "LIMIT_EXCEEDED" or min(rows_asked(select_query), most) <= SAFE_ROWS:
            raise
    page = _query(client, _at_most(select_query, SAFE_ROWS))
    client.learned[_LEARNED] = SAFE_ROWS
    return page


def _query(client: ZohoClient, text: str) -> Page:
    answer = client.post(PATH, json={"select_query": text}, repeatable=True)
    return page_of(answer, "COQL", per_page=rows_asked(text))


def _at_most(text: str, most: int) -> str:
    """The query, with a smaller LIMIT if it requests more rows. The page then says that more records follow."""
    if rows_asked(text) <= most:
        return text
    return LIMIT.sub(lambda found: f"{found[0][: -len(found[1])]}{most}", text)


def changes(
    client: ZohoClient,
    module: str,
    fields: Sequence[str],
    *,
    since: datetime | None,
    until: datetime,
    after: Keyset | None = None,
    limit: int = MOST_ROWS,
) -> Page:
    """One page of the rows with `since` ≤ Modified_Time < `until`, in the order (Modified_Time, id).

    Args:
        since, until: the half-open window; both are cut to the second.
        after: the last row of the previous page.
        limit: 200 rows cost one credit, 1,000 two, 2,000 three.
    """
    page = query(client, changes_query(module, fields, since=since, until=until, after=after, limit=limit))
    with_text_ids(page.rows)
    return page


def changes_query(
    module: str,
    fields: Sequence[str],
    *,
    since: datetime | None,
    until: datetime,
    after: Keyset | None = None,
    limit: int = MOST_ROWS,
) -> str:
    """The text of a `changes` query. COQL requires that conditions are bracketed in pairs."""
    low = after.modified_time if after else since
    where = f"Modified_Time < '{format_time(until)}'"
    if low is not None:
        where = f"(Modified_Time >= '{format_time(low)}' and {where})"
    if after is not None:
        where = f"({where} and (Modified_Time > '{format_time(after.modified_time)}' or id > {_digits(after.id)}))"
    order = f"order by Modified_Time asc, id asc limit {_rows(limit)}"
    return f"select {_columns(fields, 'Modified_Time')} from {_module(module)} where {where} {order}"  # noqa: S608


def last_of(page: Page) -> Keyset | None:
    """The keyset of the last row that has a readable Modified_Time; None if no row has one."""
    stamps = ((time_or_none(row.get("Modified_Time")), row["id"]) for row in reversed(page.rows))
    return next((Keyset(at, id_) for at, id_ in stamps if at is not None), None)


def last_id(page: Page, after: str) -> str:
    """The last id of a page in the order of ids, from which the next page continues; `after` if it has none.

    An id with other characters than digits has no place in that order, and a query cannot name it.
    """
    return next((row["id"] for row in reversed(page.rows) if is_digits(row["id"])), after)


def ids(
    client: ZohoClient, module: str, *, after: str = "0", limit: int = MOST_ROWS, fields: Sequence[str] = ()
) -> Page:
    """One page of a module's ids (and fields), in the order of ids, for a comparison id by id."""
    where = f"id > {_digits(after)}"
    order = f"order by id asc limit {_rows(limit)}"
    page = query(client, f"select {_columns(fields)} from {_module(module)} where {where} {order}")  # noqa: S608
    with_text_ids(page.rows)
    return page


def by_ids(client: ZohoClient, module: str, fields: Sequence[str], wanted: Sequence[str]) -> Page:
    """The records with these ids, at most 100, for one credit. A record that the user does not see is left out.

    A row whose id no record can have is kept: its record is one of those that were asked for.
    """
    listed = ", ".join(_digits(id_) for id_ in wanted)
    where = f"id in ({listed}) limit {SAFE_ROWS}"
    page = query(client, f"select {_columns(fields, 'Modified_Time')} from {_module(module)} where {where}")  # noqa: S608
    with_text_ids(page.rows)
    if page.more or not {row["id"] for row in page.rows if is_digits(row["id"])} <= set(wanted):
        raise BadAnswer(f"COQL on {module}: the answer has other records than the query asked for.")
    return page


def count(client: ZohoClient, module: str, where: str = "id is not null") -> int:
    """How many rows the user sees, with converted leads. It is exact and costs one credit, unlike the count call."""
    page = query(client, f"select COUNT(id) from {_module(module)} where {where}")  # noqa: S608
    values = [value for row in page.rows for value in row.values()]
    if len(values) == 1 and (number := whole_number(values[0])) is not None:
        return number
    if not page.rows:
        return 0
    raise BadAnswer(f"COQL on {module}: the answer to a count has no number.")


def _columns(fields: Sequence[str], *always: str) -> str:
    names: dict[str, None] = dict.fromkeys(("id", *always, *fields))
    for name in names:
        if not _FIELD.fullmatch(name):
            raise InvalidRequest(f"{name[:60]!r} is no API name of a field.", "INVALID_QUERY", {"column": name[:60]})
    return ", ".join(names)


def _module(name: str) -> str:
    return module_path(name).rpartition("/")[2]


def _digits(record_id: str) -> str:
    """The id, if it has only digits. A query contains ids without quotes."""
    if not is_digits(record_id):
        raise InvalidRequest(f"{record_id[:60]!r} is no record id.", "INVALID_QUERY", {"id": record_id[:60]})
    return record_id


def _rows(limit: int) -> int:
    if not 1 <= limit <= MOST_ROWS:
        raise ValueError(f"limit {limit} is not in 1…{MOST_ROWS}")
    return limit

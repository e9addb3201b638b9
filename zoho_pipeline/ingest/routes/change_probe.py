"""The unchanged probe: one aggregate query gives the number of records and the latest change.

The query costs one credit, whatever the size of the module. If queries do not support MAX, only the count is read, and
changes are found by reading. The answer is compared with the same totals of the warehouse.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import format_time, parse_time
from zoho_pipeline.zoho.errors import (
    AnswerTooLarge,
    BadAnswer,
    InvalidRequest,
    ModuleMissing,
    NoPermission,
    NotSupported,
    ScopeMissing,
)
from zoho_pipeline.zoho.parsing import is_digits, whole_number
from zoho_pipeline.zoho.read import coql
from zoho_pipeline.zoho.read.pages import module_path, with_text_ids

QUERY_REFUSED = (AnswerTooLarge, InvalidRequest, ModuleMissing, NoPermission, NotSupported, ScopeMissing)
"""Errors of a query while lists still work: they do not mean that the module is missing."""

CONVERTED, CREATED = "Converted_Date_Time", "Created_Time"


@dataclass(frozen=True)
class Totals:
    """The live records created before the end of the window: their number, the latest change, the latest conversion.

    `changed` is None if only the count is known. `asked_at` is Zoho's clock as the answer showed it.
    """

    count: int
    changed: datetime | None = None
    converted: datetime | None = None
    asked_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True)
class KnownDifference:
    """A difference between Zoho and the warehouse that a comparison id by id has explained, or could not repair.

    Attributes:
        more: the number of records that the warehouse has beyond the count of a query. It is negative if the query
            counts records that were rejected as a whole.
        latest: the latest change at Zoho and in the warehouse, as texts. None if they agree.
        left: records that still differ; `words` names them for a person.
    """

    more: int
    latest: tuple[str, str] | None
    left: int
    words: str

    @classmethod
    def from_json(cls, stored: Any) -> Self | None:
        """Read the difference from the state; None if there is none."""
        if not stored:
            return None
        latest = stored.get("latest")
        there, here = latest or ("", "")
        return cls(stored["more"], (there, here) if latest else None, stored["left"], stored["words"])

    def to_json(self) -> dict[str, Any]:
        latest = list(self.latest) if self.latest else None
        return {"more": self.more, "latest": latest, "left": self.left, "words": self.words}


def totals(client: ZohoClient, module: str, created_before: datetime | None) -> Totals:
    """The totals at Zoho. Raises ScopeMissing, InvalidRequest and others if the module cannot be queried.

    Args:
        created_before: only records that were created before. None: all records, because the module shows no time of
            creation.
    """
    where = "id is not null" if created_before is None else f"{CREATED} < '{format_time(created_before)}'"
    columns = ["COUNT(id)", "MAX(Modified_Time)"]
    if module == "Leads":
        columns.append(f"MAX({CONVERTED})")
    try:
        name = module_path(module).rpartition("/")[2]
        page = coql.query(client, f"select {', '.join(columns)} from {name} where {where}")  # noqa: S608
        found = _read(page.rows[0], module) if page.rows else Totals(0)
        return replace(found, asked_at=page.server_time)
    except (InvalidRequest, BadAnswer):
        return Totals(coql.count(client, module, where))


def shows_no_creation(refused: InvalidRequest) -> bool:
    """Whether Zoho refused a query because the connected user sees no Created_Time in the module."""
    return refused.code == "INVALID_QUERY" and CREATED in f"{refused} {refused.details}"


def converted_since(client: ZohoClient, since: datetime) -> set[str]:
    """The ids of the leads converted at or after an instant. A conversion may leave Modified_Time unchanged."""
    found: set[str] = set()
    after, limit = "0", 200
    while True:
        where = f"{CONVERTED} >= '{format_time(since)}' and id > {after}"
        page = coql.query(client, f"select id from Leads where {where} order by id asc limit {limit}")  # noqa: S608
        found.update(row["id"] for row in with_text_ids(page.rows) if is_digits(row["id"]))
        if not page.more:
            return found
        last = coql.last_id(page, after)
        if int(last) <= int(after):
            raise BadAnswer("COQL on Leads: more conversions follow, but the page ends where it began.")
        after, limit = last, client.pacing.query_rows


def listed(client: ZohoClient, module: str, ids: Collection[str]) -> set[str]:
    """Those of these ids that a query shows now. At most fifty ids can be given."""
    name = module_path(module).rpartition("/")[2]
    text = f"select id from {name} where id in ({', '.join(sorted(ids))}) limit 200"  # noqa: S608
    return {row["id"] for row in with_text_ids(coql.query(client, text).rows)}


def difference(there: Totals, here: Totals, hi: datetime, compared: KnownDifference | None = None) -> str:
    """The difference between Zoho and the warehouse, as a text; empty if there is none.

    Args:
        there, here: totals of the live records created before `hi`; `there` was asked at or after `hi`.
        compared: the difference that an earlier comparison id by id left. It is not reported again.
    """
    if there.count + (compared.more if compared else 0) != here.count:
        return f"{there.count} live records at Zoho, {here.count} here"
    if there.changed is None or there.changed >= hi:
        return ""  # a record was edited since then: it may have been read before or after that edit
    # a latest change here at or after `hi` was read after the query
    same = here.changed is not None and (there.changed == here.changed or here.changed >= hi)
    if same or (compared and _pair(there, here) == compared.latest):
        return ""
    return f"latest change {_shown(there.changed)} at Zoho, {_shown(here.changed)} here"


def left_by(there: Totals | None, here: Totals, more: int, left: int, words: str) -> KnownDifference | None:
    """The difference that a comparison id by id left; None if it left none.

    Args:
        more: the number of stored records that Zoho shows by id and in no query, less those of a query that were
            rejected as a whole.
        left: records that still differ. `words` names them for a person.
    """
    latest = None
    if there is not None and there.changed is not None and there.changed != here.changed:
        latest = _pair(there, here)
    if not (more or left or latest):
        return None
    count = here.count - there.count if there is not None and left else more
    return KnownDifference(count, latest, left, words)


def _pair(there: Totals, here: Totals) -> tuple[str, str]:
    return _shown(there.changed), _shown(here.changed)


def _shown(at: datetime | None) -> str:
    return "none" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def _read(row: Mapping[str, Any], module: str) -> Totals:
    """The one row of an aggregate. Each API version spells its keys differently."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        lowered = key.lower()
        for part in ("count", "modified_time", "converted_date_time"):
            if part in lowered:
                found[part] = value
    count = whole_number(found.get("count"))
    if count is None or "modified_time" not in found:
        raise BadAnswer(f"COQL on {module}: the answer to an aggregate lacks a value.")
    return Totals(count, _instant(found["modified_time"]), _instant(found.get("converted_date_time")))


def _instant(value: Any) -> datetime | None:
    return parse_time(value) if isinstance(value, str) and value else None

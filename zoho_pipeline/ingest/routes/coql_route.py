"""Route `coql`: full rows by queries, up to 2,000 per call for one to three credits.

Each query continues after the last (Modified_Time, id) of the query before (a keyset): an edit can only move a row
forward. Below the final instant nothing can change any more. After it, an edit may move a row behind that key within
one second, so that part is read again until two readings agree. Lookups come as bare ids: their names are filled in the
warehouse (`raw/lookup_names`).
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.routes.records_route import Batch
from zoho_pipeline.ingest.routes.window import EVER, Window, modified
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import format_time
from zoho_pipeline.zoho.errors import (
    AnswerTooLarge,
    BadAnswer,
    InvalidRequest,
    ModuleMissing,
    NoPermission,
    NotSupported,
    ScopeMissing,
)
from zoho_pipeline.zoho.parsing import is_digits
from zoho_pipeline.zoho.read import coql
from zoho_pipeline.zoho.read.pages import Page, Row

REFUSALS = (AnswerTooLarge, InvalidRequest, ModuleMissing, NoPermission, NotSupported, ScopeMissing)
"""Errors of a query although lists of the same module work: another route is used."""

LISTED_ROWS = 200
"""The number of rows of the query that finds changes. It costs one credit."""
MOST_TAIL_WALKS = 8
MOST_TAIL_PAGES = 50
_FOREVER = timedelta(days=3_650)
_PARENTS_WITH_MODULE = frozenset({"Notes"})


@dataclass(frozen=True)
class Listed:
    """The ids and versions changed since an instant. `whole`: there are no others.

    `impossible` are the rows with an id that no record can have. They are not among `rows`.
    """

    rows: list[Row]
    impossible: list[Row]
    whole: bool
    read_at: datetime


def can_give_rows(module: str, plan: FieldPlan) -> bool:
    """Whether a query gives every field of the plan. Queries refuse some fields, and the module of a note's parent."""
    refused = coql.UNSUPPORTED_FIELDS.get(module, frozenset())
    return module not in _PARENTS_WITH_MODULE and not refused & set(plan.names) and len(plan.names) < coql.MOST_FIELDS


def list_changes(client: ZohoClient, module: str, since: datetime, window: Window, *, created: bool) -> Listed:
    """The ids and versions changed at or after `since`, for one credit. `created`: the module has Created_Time."""
    names = ("Modified_Time", "Created_Time") if created else ("Modified_Time",)
    page = coql.changes(client, module, names, since=since, until=window.hi + _FOREVER, limit=LISTED_ROWS)
    rows = [row for row in page.rows if is_digits(row["id"])]
    impossible = [row for row in page.rows if not is_digits(row["id"])]
    _check(rows, module, None)
    return Listed(rows, impossible, not page.more, page.server_time)


def count_changes(client: ZohoClient, module: str, since: datetime | None, until: datetime | None = None) -> int:
    """The number of records changed at or after one instant and before another (None: no limit), for one credit."""
    bounds = [
        f"Modified_Time {sign} '{format_time(at)}'" for sign, at in ((">=", since), ("<", until)) if at is not None
    ]
    where = " and ".join(bounds) or "id is not null"
    return coql.count(client, module, f"({where})" if len(bounds) > 1 else where)


class QueryReader:
    """Reads one module upwards from an instant by queries, to its last record.

    `most` is the largest page that the org has accepted so far. It becomes smaller if the org refuses 2,000 rows.
    """

    def __init__(
        self,
        client: ZohoClient,
        module: str,
        plan: FieldPlan,
        window: Window,
        final_to: datetime,
        most: int,
        limits: SyncLimits,
    ) -> None:
        self._client, self._module, self._plan, self._window = client, module, plan, window
        self._final_to = final_to
        self.most = most
        self._smaller = limits.smaller_query

    def read(self, since: datetime | None) -> Iterator[Batch]:
        """Yield all batches from `since` (inclusive) on, in the order of change. Raises REFUSALS before the first."""
        slipped = yield from self._walk(since)
        before: dict[str, str] | None = None
        for _ in range(MOST_TAIL_WALKS if slipped else 0):
            found: dict[str, str] = {}
            for batch in self._tail():
                found.update((row["id"], str(row.get("Modified_Time"))) for row in batch.rows)
                yield batch
            if found == before:
                return
            before = found

    def _walk(self, since: datetime | None) -> Generator[Batch, None, bool]:
        """Walk once. Returns whether a row may have moved behind its key."""
        after: coql.Keyset | None = None
        tail = 0
        while True:
            asked_at = self._window.now()
            page = self._page(since, after)
            _check(page.rows, self._module, after)
            last = coql.last_of(page)
            reached = last.modified_time if last else after.modified_time if after else since
            yield Batch(page.rows, reached, asked_at)
            slipped = after is not None and after.modified_time >= self._final_to
            tail += slipped
            if not page.more or tail > MOST_TAIL_PAGES:
                return slipped
            if last is None:
                raise BadAnswer(f"COQL on {self._module}: more records follow, but no row of the page says where.")
            after = last

    def _tail(self) -> Iterator[Batch]:
        """Read everything from the final instant on once more."""
        yield from self._walk(self._final_to)

    def _page(self, since: datetime | None, after: coql.Keyset | None) -> Page:
        until = self._window.hi + _FOREVER
        try:
            return coql.changes(
                self._client, self._module, self._plan.names, since=since, until=until, after=after, limit=self.most
            )
        except (InvalidRequest, AnswerTooLarge) as error:
            if self.most == self._smaller or not _about_rows(error):
                raise
            self.most = self._smaller
            return self._page(since, after)


def _about_rows(error: InvalidRequest | AnswerTooLarge) -> bool:
    """Whether a query for fewer rows may work."""
    if isinstance(error, AnswerTooLarge):
        return True
    if error.code != "LIMIT_EXCEEDED":
        return False
    text = f"{error} {error.details}".lower()
    return not any(clause in text for clause in ("select", "offset", "where", "order"))


def _check(rows: list[Row], module: str, after: coql.Keyset | None) -> None:
    """Refuse a page in another order than requested: the cursor would pass rows that were not read. Lists read them.

    A record whose Modified_Time cannot be read has no place in that order.
    """
    if not all(is_digits(row["id"]) for row in rows):
        raise InvalidRequest(
            f"COQL on {module}: an id is not a number, so that the rows have no order.", "INVALID_QUERY"
        )
    keys = [(at, int(row["id"])) for row in rows if (at := modified(row)) > EVER]
    first = [(after.modified_time, int(after.id))] if after else []
    if any(later <= earlier for earlier, later in pairwise([*first, *keys])):
        raise InvalidRequest(
            f"COQL on {module}: the rows are not in the requested order of (Modified_Time, id).", "INVALID_QUERY"
        )

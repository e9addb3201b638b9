"""Route `records`: Get Records by keyset on Modified_Time, 200 rows per call.

Pages by number skip a row whenever an edit moves another row out of an earlier page. So every call here reads a first
page: ascending, from the last Modified_Time that was read. A row below it has been read, or it was edited since then
and comes again later. Page tokens are used only if one second fills a whole page, and only inside that second. That
walk is repeated until two walks agree: a walk can skip a row only if another row left during it, and then the next walk
lacks the row that left.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.routes.window import EVER, SECOND, Window, last_modified, modified
from zoho_pipeline.zoho import parsing
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import time_or_none
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.parsing import is_digits
from zoho_pipeline.zoho.read import records
from zoho_pipeline.zoho.read.pages import Page, Row

MOST_WALKS = 20
MOST_TAIL_PAGES = 1_000
"""The most pages that are read beyond the end of the window. Later edits belong to the next sync."""
MOST_TOKENS = 500
"""Zoho's page tokens reach 100,000 records: 500 pages."""


@dataclass(frozen=True)
class Batch:
    """The rows of one page. Everything modified before `reached` has been read. `read_at` is Zoho's clock.

    `settled`: the window was settled before. Otherwise rows from `reached` on are read again later.
    """

    rows: list[Row]
    reached: datetime | None
    read_at: datetime
    settled: bool = True


@dataclass(frozen=True)
class _Answer:
    rows: list[Row]
    last: datetime | None
    more: bool
    token: str | None
    zoho_at: datetime


class KeysetReader:
    """Reads one module upwards from an instant, to its last record.

    It also reads beyond `hi`, the end of the window. A record that was edited during the sync is there, and Zoho does
    not show its earlier version any more.

    It does not wait before it reads. Once the window is settled, it goes back to the instant below which the rows that
    it read before are final (see `window`), and gives all rows from there on once more. Its caller waits where no query
    shows changes that leave Modified_Time as it was.
    """

    def __init__(
        self, client: ZohoClient, module: str, plan: FieldPlan, window: Window, *, inclusive: bool = False
    ) -> None:
        self._client, self._module, self._plan, self._window = client, module, plan, window
        self.inclusive = inclusive
        """Whether an answer showed that If-Modified-Since includes its own second. No source says whether it does."""
        self.zoho_at: datetime | None = None
        """Zoho's clock as the first answer in the settled window showed it."""

    def read(self, since: datetime | None) -> Iterator[Batch]:
        """Yield all batches from `since` (inclusive) on, in the order of change.

        Each version of a record is given once, except if it was read before its second was over.
        """
        seen: dict[str, str] = {}
        tail, known_at = 0, None
        reached, early = since, False
        while True:
            settled, asked_at = self._window.settled, self._window.now()
            if settled and early:
                since = reached
                _forget_from(seen, reached)
            early = not settled
            over = self._window.over(settled)
            answer = self._first_page(since, probe=known_at == since)
            known_at = answer.last
            ahead = _later(since, answer.last)
            reached = ahead if settled else _later(reached, self._final_below(answer.last))
            if settled and self.zoho_at is None:
                self.zoho_at = answer.zoho_at
            yield Batch(_fresh(answer.rows, seen, over), reached, asked_at, settled)
            tail += settled and reached is not None and reached >= self._window.hi
            if (not answer.more and settled) or tail > MOST_TAIL_PAGES:
                return
            if early and (not answer.more or (answer.last is not None and answer.last >= over)):
                self._window.settle()
            elif since is None or (ahead is not None and ahead > since):
                since = ahead
            else:
                yield from self._same_second(since, max(since, answer.last or since), seen, reached)
                since = max(since, answer.last or since) + SECOND
            _forget(seen, reached)

    def _final_below(self, last: datetime | None) -> datetime | None:
        return None if last is None else self._window.final_below(last)

    def _same_second(
        self, since: datetime, second: datetime, seen: dict[str, str], reached: datetime | None
    ) -> Iterator[Batch]:
        """Read a second that fills more than a page: walk by tokens until two walks agree."""
        before: set[str] | None = None
        for _ in range(MOST_WALKS):
            found: set[str] = set()
            settled, asked_at = self._window.settled, self._window.now()
            over = self._window.over(settled)
            for answer in self._walk(since if self.inclusive else since - SECOND):
                within = [row for row in answer.rows if modified(row) <= second]
                found.update(row["id"] for row in within)
                yield Batch(_fresh(within, seen, over), reached, asked_at, settled)
                if answer.last is not None and answer.last > second:
                    break
            if found == before or second >= self._window.hi:
                return
            before = found
        raise BadAnswer(
            f"{self._module}: {len(before or ())} records share {second.isoformat()} and keep changing while they are "
            "read. Run the sync again after the import or mass update."
        )

    def _walk(self, since: datetime | None) -> Iterator[_Answer]:
        token: str | None = None
        seen: set[str] = set()
        while True:
            answer = self._page(since, token)
            yield answer
            if not answer.more:
                return
            token = _next_token(self._module, answer.token, seen)

    def _first_page(self, since: datetime | None, probe: bool) -> _Answer:
        """The page that begins at `since`. If the header excludes its own second, the page is asked for one second
        earlier. That is right in both cases, but it may bring a crowded second once more.

        probe: a record of this second was just read, so its absence shows that the header excludes the second.
        """
        if since is None or self.inclusive:
            return self._page(since)
        if probe:
            answer = self._page(since)
            self.inclusive = any(modified(row) == since for row in answer.rows)
            return answer if self.inclusive else self._page(since - SECOND)
        answer = self._page(since - SECOND)
        self.inclusive = any(modified(row) == since - SECOND for row in answer.rows)
        if self.inclusive and answer.more and answer.last is not None and answer.last <= since:
            return self._page(since)
        return answer

    def _page(self, since: datetime | None, token: str | None = None) -> _Answer:
        """One page of all fields: slices of at most 50 fields, joined if they show the same version of a record."""
        first, *others = self._plan.slices
        page = self._call(first, since, token)
        check_order(page.rows, self._module)
        rows, last = page.rows, last_modified(page.rows)
        if page.more and last is None:
            raise BadAnswer(
                f"GET {self._module}: more records follow, but no record of the page says when it was changed. Let the "
                "profile of the connected user see Modified_Time of this module."
            )
        first_at = min((at for row in rows if (at := modified(row)) > EVER), default=since or EVER)
        for names in others if rows else ():
            rows = self._joined(rows, first_at, last or first_at, names)
        return _Answer(rows, last, page.more, page.next_page_token, page.server_time)

    def _joined(self, rows: list[Row], first: datetime, last: datetime, names: tuple[str, ...]) -> list[Row]:
        """Add another slice of fields to the rows, read for the same period.

        A record that was edited between the two calls has another version there. It is left out here, and comes again
        later with its new time.
        """
        missing = {row["id"]: row for row in rows if is_digits(row["id"])}
        joined: dict[str, Row] = {}
        token: str | None = None
        seen: set[str] = set()
        while missing:
            page = self._call(names, first if self.inclusive else first - SECOND, token)
            for other in page.rows:
                row = missing.get(other["id"])
                if row is not None and modified(row) == modified(other):
                    joined[row["id"]] = parsing.joined(row, other)
                    del missing[row["id"]]
            if not page.more or (last_modified(page.rows) or last) > last or page.next_page_token is None:
                break
            token = _next_token(self._module, page.next_page_token, seen)
        # a row whose id no record can have is only rejected: one slice of it is enough
        return [joined.get(row["id"], row) for row in rows if row["id"] in joined or not is_digits(row["id"])]

    def _call(self, names: tuple[str, ...], since: datetime | None, token: str | None) -> Page:
        return records.get_page(
            self._client,
            self._module,
            names,
            modified_since=since,
            sort_by="Modified_Time",
            sort_order="asc",
            converted="both" if self._module == "Leads" else None,
            page_token=token,
        )


def check_order(rows: list[Row], module: str) -> None:
    """Raise BadAnswer for a page that is not in ascending order: the cursor would pass rows that were not read.

    A record whose Modified_Time cannot be read has no place in that order.
    """
    times = [at for row in rows if (at := modified(row)) > EVER]
    if any(later < earlier for earlier, later in pairwise(times)):
        raise BadAnswer(f"GET {module}: the page is not in the order of Modified_Time that was requested.")


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)


def _fresh(rows: list[Row], seen: dict[str, str], over: datetime) -> list[Row]:
    """The rows whose version was not given yet. Only versions of seconds that are over are remembered, because a second
    edit within the same second has the same Modified_Time."""
    fresh = [row for row in rows if seen.get(row["id"]) != _version(row)]
    seen.update((row["id"], _version(row)) for row in fresh if modified(row) < over)
    return fresh


def _forget_from(seen: dict[str, str], first: datetime | None) -> None:
    """Forget the versions from this instant on: under a wrong `Date`, their seconds may not have been over."""
    for id_ in [id_ for id_, text in seen.items() if first is None or (time_or_none(text) or EVER) >= first]:
        del seen[id_]


def _version(row: Row) -> str:
    return str(row.get("Modified_Time"))


def _next_token(module: str, token: str | None, seen: set[str]) -> str:
    """The token of the next page. A token that comes back would lead round in a circle, and each page costs credits."""
    if token is None or token in seen or len(seen) >= MOST_TOKENS:
        raise BadAnswer(f"{module}: more records follow, but the answer has no new token to reach them.")
    seen.add(token)
    return token


def _forget(seen: dict[str, str], since: datetime | None) -> None:
    """Forget versions that cannot come again, from time to time. So memory stays bounded for modules of any size."""
    if since is None or len(seen) < 20_000:
        return
    for id_ in [id_ for id_, text in seen.items() if (time_or_none(text) or EVER) < since - 2 * SECOND]:
        del seen[id_]

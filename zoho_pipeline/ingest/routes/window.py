"""The window of a sync: [cursor − overlap, hi), on Zoho's own clock, and where a record is in it.

`hi` is Zoho's clock when the sync started, rounded up to the next second, so that everything changed before the start
is below it (Zoho's times are whole seconds). A write may become visible a moment after its Modified_Time, so the end of
the window is read once Zoho's clock has passed hi + lag: then the window is settled. That moment is computed once, in
real time, so that a clock that is frozen (in a simulator) or set back cannot block a sync.

A long read need not wait for it. A row that a reading at time T does not show yet has a Modified_Time that is not
before T − lag. So everything below T − lag is final, and the rest is read again in the settled window. T comes from two
clocks, and the earlier one counts: the `Date` header may be ahead, and then no record is as new as it says; or
Zoho's clock was set back, and then records are newer than the header says. The clocks of servers differ (`SKEW`), so
that this time is subtracted too.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from zoho_pipeline.zoho.connection.server_clock import time_or_none
from zoho_pipeline.zoho.read.pages import Row

OVERLAP = timedelta(minutes=5)
"""The period below the cursor that is read again: writes may become visible minutes late (imports, replicas)."""

OVERLAP_ROWS = 190
"""The most rows of the overlap: they fit on a page beside new rows, so that a sync without changes needs one call."""

SECOND = timedelta(seconds=1)

EVER = datetime(1971, 1, 1, tzinfo=UTC)
"""An instant before every record. It stands for a Modified_Time that cannot be read: the record counts as changed."""

SKEW = timedelta(seconds=60)
"""The clocks of Zoho's servers differ by less than this. A time further ahead of a clock comes from another clock."""


class Window:
    """The upper bound of one sync and the waiting that makes it safe. Shared by the module threads.

    Args:
        server_time: Zoho's clock as the answer to a call made at the start showed it.
        lag: the seconds that a write may take to become visible.
        sleep: how a thread waits until the window is settled. A pool of threads sets its own.
        last_read: when the newest rows in the warehouse were read. `now` is never before it: of two readings of one
            version the later one wins, also if the clock is frozen or was set back.
    """

    def __init__(
        self,
        server_time: datetime,
        lag: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        last_read: datetime | None = None,
    ) -> None:
        self._started, self._monotonic = monotonic(), monotonic
        self.sleep = sleep
        self._server_time = server_time.astimezone(UTC)
        self._from = max(self._server_time, last_read) if last_read else self._server_time
        self.lag = timedelta(seconds=lag)
        self.hi = self._server_time.replace(microsecond=0) + SECOND
        self._settled_at = self._started + (self.hi + self.lag - self._server_time).total_seconds()

    def now(self) -> datetime:
        """The time of a reading: Zoho's clock, but never before the newest reading of an earlier sync."""
        return self._from + timedelta(seconds=self._monotonic() - self._started)

    def clock(self) -> datetime:
        """Zoho's clock, estimated from its value at the start and the time elapsed here."""
        return self._server_time + timedelta(seconds=self._monotonic() - self._started)

    @property
    def settled(self) -> bool:
        """Whether every write with a time below `hi` has become visible."""
        return self._monotonic() >= self._settled_at

    def settle(self) -> None:
        """Wait until every write below `hi` has become visible."""
        left = self._settled_at - self._monotonic()
        while left > 0:
            self.sleep(left)
            left = self._settled_at - self._monotonic()

    def over(self, settled: bool) -> datetime:
        """The instant below which every second is over, by the `Date` header. A row from below it does not change any
        more without a new Modified_Time. `settled`: whether the window was settled when the row was requested."""
        return self.hi if settled else self._long_before(self.clock())

    def final_below(self, newest: datetime) -> datetime:
        """The instant below which a read shows everything although the window is not settled. `newest`: the newest
        Modified_Time that Zoho has shown so far."""
        return self._long_before(min(self.clock(), newest))

    def _long_before(self, at: datetime) -> datetime:
        return (at - self.lag - SKEW).replace(microsecond=0)


def modified(row: Row) -> datetime:
    """The Modified_Time of a record as an instant; `EVER` if it has none, or none that is a time (as in the year 0)."""
    return time_or_none(row.get("Modified_Time")) or EVER


def last_modified(rows: Iterable[Row]) -> datetime | None:
    """The latest readable Modified_Time of a page; None if no row has one."""
    return max((at for row in rows if (at := modified(row)) > EVER), default=None)


def parse(text: str | None) -> datetime | None:
    """Parse an instant of the state."""
    return datetime.fromisoformat(text) if text else None

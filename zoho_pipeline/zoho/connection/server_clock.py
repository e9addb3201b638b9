"""Zoho's times: their format, and Zoho's clock from the `Date` header.

The bounds of a window come from Zoho's clock, never from this machine's. A machine that is three minutes ahead would
move the cursor over changes that come later.
"""

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from zoho_pipeline.zoho.errors import BadAnswer

YEARS = range(2000, 3000)
"""The years that a clock may show. Windows end some years after the clock, and Python's years end with 9999."""
_SHORT_YEAR = re.compile(r"\d-[A-Za-z]{3}-\d\d ")
JUMP_SECONDS = 10.0
"""How much the Date headers of one run may differ: they have whole seconds, travel, and come from several servers."""
DRIFT = 1.001
"""Our clock may be slower than Zoho's: four seconds per hour."""


def format_time(instant: datetime) -> str:
    """`2026-05-01T04:30:00+00:00`: the form of headers and queries, with seconds and an offset.

    The fraction is cut and never rounded up: a lower bound may only move down.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return instant.astimezone(UTC).replace(microsecond=0).isoformat()


def parse_time(text: str) -> datetime:
    """A timestamp of Zoho, with any offset, as an instant in UTC; BadAnswer if it is none or has no offset."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            raise BadAnswer(f"a timestamp without offset: {text[:40]!r}")
        return instant.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # years before 1 and after 9999, also in UTC alone
        raise BadAnswer(f"not a timestamp: {str(text)[:40]!r}") from None


def time_or_none(value: Any) -> datetime | None:
    """A timestamp of Zoho as an instant in UTC; None for an empty value, and for one that is no timestamp."""
    try:
        return parse_time(value) if value else None
    except BadAnswer:
        return None


@lru_cache(maxsize=64)  # read twice per answer, and all answers of a second have the same one
def parse_date_header(text: str | None) -> datetime | None:
    """The `Date` header as an instant in UTC; None if it is missing, no date, or in a year that no clock shows."""
    if not text:
        return None
    try:
        written = parsedate_to_datetime(text)
        instant = written.astimezone(UTC) if written.tzinfo else written.replace(tzinfo=UTC)
    except (ValueError, OverflowError, TypeError):  # the end of the year 9999, with an offset west of Greenwich
        return None
    # the parser reads the year 0 as 2000
    is_given = str(written.year) in text or _SHORT_YEAR.search(text) is not None
    return instant if is_given and instant.year in YEARS else None


class ServerClock:
    """The newest `Date` header plus the time since then, by the monotonic clock. Thread-safe.

    It is never ahead of Zoho: the header is cut to the second, and was written before it arrived. A header that jumped
    is not used: a proxy has a wrong clock, or a clock was set. A clock that stands still has not jumped.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._first: tuple[datetime, float] | None = None
        self._seen: tuple[datetime, float] | None = None

    def observe(self, date: datetime, sent: float | None = None) -> str:
        """Use the `Date` of an answer that has just arrived, unless it jumped.

        Args:
            sent: when its request was sent, by the monotonic clock. The header was written between then and now.

        Returns:
            How far the header jumped, in words for a person; empty if it did not jump.
        """
        with self._lock:
            now = self._monotonic()
            sent = now if sent is None else sent
            if self._first is None or self._seen is None:
                self._first, self._seen = (date, sent), (date, now)
                return ""
            # A jump ahead is measured from the first header, so that small steps do not add up. A jump back is measured
            # from the newest one, because a clock may stand still. A header is never older than its request.
            ahead = (date - self._first[0]).total_seconds() - (now - self._first[1]) * DRIFT - JUMP_SECONDS
            behind = (self._seen[0] - date).total_seconds() - (now - sent) - JUMP_SECONDS
            if ahead > 0 or behind > 0:
                was, passed = (
                    (self._first[0], now - self._first[1]) if ahead > 0 else (self._seen[0], now - self._seen[1])
                )
                return f"from {was:%Y-%m-%d %H:%M:%S} to {date:%Y-%m-%d %H:%M:%S} UTC while {passed:.0f} s passed"
            self._seen = (date, now)
            return ""

    def now(self) -> datetime:
        """Zoho's present time in UTC; BadAnswer if no answer had a `Date` yet."""
        with self._lock:
            seen = self._seen
        if seen is None:
            raise BadAnswer("Zoho's answers have no Date header, so its clock is unknown.")
        date, at = seen
        return date + timedelta(seconds=self._monotonic() - at)

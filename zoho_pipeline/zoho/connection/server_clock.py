"""Zoho's time: its wire format, and its own clock as the `Date` header shows it.

Windows are bounded by Zoho's clock, never by this machine's: a machine three minutes ahead would move the
cursor over changes that are yet to come.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from zoho_pipeline.zoho.errors import BadAnswer


def format_time(instant: datetime) -> str:
    """`2026-05-01T04:30:00+00:00`: second resolution, explicit offset, as headers and queries take it.

    The fraction is cut, never rounded up: a lower bound may only move down.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant} has no time zone")
    return instant.astimezone(UTC).replace(microsecond=0).isoformat()


def parse_time(text: str) -> datetime:
    """A Zoho timestamp (any offset) as an instant in UTC; BadAnswer where it has no offset or is none."""
    try:
        instant = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise BadAnswer(f"not a timestamp: {str(text)[:40]!r}") from None
    if instant.tzinfo is None:
        raise BadAnswer(f"a timestamp without offset: {text[:40]!r}")
    return instant.astimezone(UTC)


def parse_date_header(text: str | None) -> datetime | None:
    """The `Date` header as an instant in UTC; None where it is absent or no date."""
    if not text:
        return None
    try:
        instant = parsedate_to_datetime(text)
    except ValueError:
        return None
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)


class ServerClock:
    """The newest `Date` header plus the time elapsed since, by the monotonic clock. Thread-safe.

    It never runs ahead of Zoho: the header is cut to the second and was written before it arrived.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: tuple[datetime, float] | None = None

    def observe(self, date: datetime) -> None:
        """Take over the `Date` of an answer that has just arrived."""
        with self._lock:
            self._seen = (date, self._monotonic())

    def now(self) -> datetime:
        """Zoho's present instant in UTC; BadAnswer while no answer carried a `Date`."""
        with self._lock:
            seen = self._seen
        if seen is None:
            raise BadAnswer("Zoho's answers carry no Date header, so its clock is unknown.")
        date, at = seen
        return date + timedelta(seconds=self._monotonic() - at)

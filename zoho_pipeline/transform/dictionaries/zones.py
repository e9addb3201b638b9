"""Time zones: which names are known, and when the clock of a zone changes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

UTC_NAME = "UTC"
_NO_PLACES = frozenset({"localtime", "posixrules", "Factory"})
"""Files beside the zones on some machines; what they mean depends on the machine."""
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
_STEP = timedelta(days=5)
"""No zone has changed its clock twice within five days since 1900."""


class ZoneChange(NamedTuple):
    """The instant in UTC (without zone) at which a clock changes; the seconds by which it is ahead of UTC around it."""

    at: datetime
    seconds_before: int
    seconds_after: int


class ZoneSpan(NamedTuple):
    """A part of a year of UTC, from `start` to before `end`, in which a zone is `seconds` ahead of UTC."""

    year: int
    start: datetime
    end: datetime
    seconds: int


@lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    """The IANA names that mean the same zone on every machine."""
    return frozenset(available_timezones() - _NO_PLACES)


@lru_cache(maxsize=64)
def zone_changes(name: str) -> tuple[ZoneChange, ...]:
    """Every change of a zone's clock from 1900 to 2100, oldest first. The name is a known one."""
    return tuple(_changes(ZoneInfo(name)))


def zone_spans(name: str) -> Iterator[ZoneSpan]:
    """Every year from 1900 to 2100, cut at the changes of the zone's clock."""
    changes = zone_changes(name)
    seconds = changes[0].seconds_before if changes else _seconds(_FIRST, ZoneInfo(name))
    pending = iter([*changes, None])
    change = next(pending)
    for year in range(_FIRST.year, _LAST.year):
        start, end = (_FIRST.replace(year=y, tzinfo=None) for y in (year, year + 1))
        while change and change.at < end:
            if start < change.at:
                yield ZoneSpan(year, start, change.at, seconds)
            start, seconds, change = change.at, change.seconds_after, next(pending)
        yield ZoneSpan(year, start, end, seconds)


def _changes(zone: ZoneInfo) -> Iterator[ZoneChange]:
    low, before = _FIRST, _seconds(_FIRST, zone)
    while low < _LAST:
        high = low + _STEP
        after = _seconds(high, zone)
        if after != before:
            yield ZoneChange(_first_second(low, high, before, zone).replace(tzinfo=None), before, after)
        low, before = high, after


def _first_second(low: datetime, high: datetime, before: int, zone: ZoneInfo) -> datetime:
    """The first second after `low` at which the distance is no longer `before`; at `high` it is not."""
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (middle, high) if _seconds(middle, zone) == before else (low, middle)
    return high


def _seconds(instant: datetime, zone: ZoneInfo) -> int:
    distance = instant.astimezone(zone).utcoffset()
    assert distance is not None
    return int(distance.total_seconds())

"""Business hours: Zoho's document as a row, and as intervals of the week."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import orjson

from zoho_pipeline.channels.settings.setting_files import WEEKDAYS

DAY_SECONDS = 86_400
WORKDAYS = WEEKDAYS[:5]

Interval = tuple[int, int, int, bool]
"""ISO weekday, first second, end second (exclusive, at most 86,400), and whether its shift began the day before."""


def hours_row(document: Mapping[str, Any], channel_id: str, basis: str, synced_at: datetime) -> dict[str, Any]:
    """The row of `business_hours`. `basis` is zoho or set."""
    return {
        "channel_id": channel_id,
        "id": str(document.get("id") or basis),
        "type": document.get("type"),
        "week_starts_on": document.get("week_starts_on"),
        "same_as_everyday": document.get("same_as_everyday"),
        "business_days": _json(document.get("business_days")),
        "daily_timing": _json(document.get("daily_timing")),
        "custom_timing": _json(document.get("custom_timing")),
        "basis": basis,
        "synced_at": synced_at,
    }


def intervals(document: Mapping[str, Any]) -> list[Interval]:
    """The intervals of a week, sorted and without overlaps. A shift over midnight becomes two, one for each day.

    Raises:
        ValueError: a time or a day has no valid form.
    """
    days = document.get("business_days") or WORKDAYS
    match document.get("type"):
        case "24_by_7":
            return [(day, 0, DAY_SECONDS, False) for day in range(1, 8)]
        case "24_by_5":
            return sorted((_weekday(day), 0, DAY_SECONDS, False) for day in days)
    if document.get("same_as_everyday") or not document.get("custom_timing"):
        timing = document.get("daily_timing") or ()
        opened = [(day, timing) for day in days]
    else:
        opened = [(entry.get("days"), entry.get("business_timing") or ()) for entry in document["custom_timing"]]
    return _without_overlaps([part for day, timing in opened for part in _split_at_midnight(_weekday(day), timing)])


def interval_rows(document: Mapping[str, Any], channel_id: str, synced_at: datetime) -> list[dict[str, Any]]:
    """The rows of `business_intervals`, see `intervals`."""
    names = ("iso_weekday", "start_second", "end_second", "is_continued")
    return [
        {"channel_id": channel_id, **dict(zip(names, interval, strict=True)), "synced_at": synced_at}
        for interval in intervals(document)
    ]


def _split_at_midnight(weekday: int, timing: Sequence[str]) -> list[Interval]:
    if len(timing) != 2:
        raise ValueError(f"the business timing {list(timing)!r} is not a start and an end")
    start, end = _seconds(timing[0]), _seconds(timing[1]) or DAY_SECONDS
    if end > start:
        return [(weekday, start, end, False)]
    following = weekday % 7 + 1
    return [(weekday, start, DAY_SECONDS, False), (following, 0, end, True)]


def _without_overlaps(parts: Sequence[Interval]) -> list[Interval]:
    """The parts cut at every start and end and put together again: where a day is open anyway, no shift goes on."""
    found: list[Interval] = []
    for day in sorted({part[0] for part in parts}):
        todays = [part for part in parts if part[0] == day]
        cuts = sorted({second for part in todays for second in part[1:3]})
        for start, end in pairwise(cuts):
            over = [part for part in todays if part[1] <= start and end <= part[2]]
            if over:
                piece = (day, start, end, all(part[3] for part in over))
                last = found[-1] if found else None
                if last and (last[0], last[2], last[3]) == (day, start, piece[3]):
                    found[-1] = (day, last[1], end, last[3])
                else:
                    found.append(piece)
    return found


def _weekday(name: Any) -> int:
    try:
        return WEEKDAYS.index(str(name).strip().capitalize()) + 1
    except ValueError:
        raise ValueError(f"{name!r} is not a weekday") from None


def _seconds(text: str) -> int:
    hours, _, minutes = str(text).partition(":")
    value = int(hours) * 3600 + int(minutes or 0) * 60
    if not 0 <= value <= DAY_SECONDS:
        raise ValueError(f"{text!r} is not a time of day")
    return value


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()

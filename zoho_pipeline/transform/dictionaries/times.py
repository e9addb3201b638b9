"""Times in a text field: Zoho's `First_Visited_Time` is a text in many orgs."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from zoho_pipeline.transform.dictionaries.text import shown_text

FIRST_YEAR = 1900
"""An earlier time is no time of a CRM. The models use the same year (`staging`)."""
_TIME = re.compile(
    r"(\d{4,6}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-](?:0\d|1[0-4]):?[0-5]\d)?", re.ASCII
)


class TimeText(NamedTuple):
    """A time of a text. `utc` is set if the text has an offset, `local` (wall-clock time) if it has none.

    A text of the right form that is no time from FIRST_YEAR to 9999 is impossible, and has neither. A text of another
    form is no time at all.
    """

    utc: datetime | None = None
    local: datetime | None = None
    is_impossible: bool = False


def read_time(text: str) -> TimeText:
    """The time of a text in ISO 8601: date, T or a blank, hours and minutes, perhaps seconds and an offset."""
    match = _TIME.fullmatch(shown_text(text))
    if not match:
        return TimeText()
    day, clock, offset = match.groups()
    try:
        instant = datetime.fromisoformat(f"{day}T{clock}{offset or ''}")
        instant = instant.astimezone(UTC).replace(tzinfo=None) if offset else instant
    except (ValueError, OverflowError):
        return TimeText(is_impossible=True)
    if instant.year < FIRST_YEAR:
        return TimeText(is_impossible=True)
    return TimeText(utc=instant) if offset else TimeText(local=instant)

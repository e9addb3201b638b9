"""What the page of a channel reads from the published marts: its few columns, in as few queries as that takes.

`insight.read_from` reads every column and every list, because it answers programs. A page shows a tenth of that. Where
a publication has the rows of a page packed into one (see `channel_pages`), one query is enough.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from sys import getsizeof
from typing import Any

from zoho_pipeline.reading.channel_numbers import HAS_DATA, ChannelNumbers, numbers_of
from zoho_pipeline.reading.published import with_later
from zoho_pipeline.reading.values import from_json, json_ready
from zoho_pipeline.transform.channel_pages import PACKED, PARTS
from zoho_pipeline.warehouse.connection import Connection, SqlError

log = logging.getLogger(__name__)

_LISTS = ("weeks", "source_rates", "lead_channels", "topic_rates", "first_contact")
"""The parts of a page that are lists of its insight."""

_QUERIES = {
    name: with_later(", ".join(part.later), part.query) if part.later else part.query for name, part in PARTS.items()
}

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class PageNumbers:
    """The numbers of one channel, all of one publication.

    Attributes:
        numbers: those of the API; None: no transform has published the channel.
        insight: the newest row of `channel_insight`, and its lists: weeks (oldest first), source_rates (conversion
            within 30 days by lead source), lead_channels, topic_rates, first_contact (at most one row: all leads).
            None: no data.
        contents: the content items with the most leads by last touch: {title, leads, won, revenue, currency}. `leads`
            and `won` are sums of credits. `won` and `revenue` are None where deals cannot be read.
        leads: the newest rows of `recent_lead`, the newest first, without addresses and phone numbers.
    """

    numbers: ChannelNumbers | None = None
    insight: Mapping[str, Any] | None = None
    contents: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    leads: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @property
    def size(self) -> int:
        """About how many bytes of memory it takes. A text of a tenant may be long, so each value counts."""
        insight = self.insight or {}
        lists = [self.contents, self.leads, *(insight[name] for name in _LISTS if name in insight)]
        rows = [insight, *(row for rows in lists for row in rows)]
        return 2048 + sum(getsizeof(row) + sum(map(getsizeof, row.values())) for row in rows)


def read_page_numbers(connection: Connection, channel_id: str) -> PageNumbers:
    """The numbers of a channel. Without data, its lists are empty."""
    found = _packed(connection, channel_id) or _queried(connection, channel_id)
    leads = found["leads"]
    if not found["insight"]:
        return PageNumbers(leads=leads)
    row = found["insight"][0]
    numbers = numbers_of(row, _number(found["total"]), _number(found["newer"]))
    if row["data_status"] not in HAS_DATA:
        return PageNumbers(numbers, leads=leads)
    insight: dict[str, Any] = _ready(row) | {name: [_ready(row) for row in found[name]] for name in _LISTS}
    insight["weeks"].reverse()
    return PageNumbers(numbers, insight, [_ready(row) for row in found["contents"]], leads)


def _packed(connection: Connection, channel_id: str) -> dict[str, Rows] | None:
    """The rows of each part from the packed row; None where the publication has none.

    A row that a person damaged is as good as none: the marts have the numbers.
    """
    if not connection.has_packed_rows:
        return None
    try:
        rows = connection.fetch(PACKED, (channel_id,))[1]
    except SqlError as error:
        if error.kind not in ("CatalogException", "BinderException"):
            raise
        return None  # another version has published, with no packed rows, or with other columns
    if not rows:
        return None
    try:
        return _unpacked(rows[0][0])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("the packed page of %s is damaged (%s); its marts are read", channel_id, type(error).__name__)
        return None


def _unpacked(text: str) -> dict[str, Rows]:
    content = from_json(text)
    found: dict[str, Rows] = {name: content[name] for name in PARTS}
    for row in found["insight"]:
        row["as_of_date"] = date.fromisoformat(row["as_of_date"])
        row["as_of_utc"] = _time(row["as_of_utc"])
    for row in found["leads"]:
        row["created_local"] = _time(row["created_local"])
    return found


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _queried(connection: Connection, channel_id: str) -> dict[str, Rows]:
    """The rows of each part, by a query on its mart. Without an insight, most parts are empty."""
    found: dict[str, Rows] = {name: [] for name in PARTS}
    for name in ("insight", "leads"):
        found[name] = connection.rows(_QUERIES[name], (channel_id,))
    if not found["insight"]:
        return found
    day = found["insight"][0]["as_of_date"]
    for name, part in PARTS.items():
        if name not in ("insight", "leads"):
            found[name] = connection.rows(_QUERIES[name], (channel_id, day) if part.of_newest_day else (channel_id,))
    return found


def _number(rows: Rows) -> int:
    return int(rows[0]["number"]) if rows else 0


def _ready(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json_ready(value) for name, value in row.items()}

"""What a section reads from: the published marts of one channel, at one publication."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from zoho_pipeline.agents.untrusted import clean, clean_url, quoted
from zoho_pipeline.reading.channel_numbers import HAS_DATA, DataStatus
from zoho_pipeline.reading.values import json_ready
from zoho_pipeline.warehouse.connection import Connection

MOST_TOPICS = 8
"""The most topics that are named with a content item."""

_LONGEST_TOPICS = 10_000

CORRELATION = "This is a correlation and no proof of a cause."
SMALL_GROUPS = "Groups of fewer than 3 leads show their number only."


@dataclass(frozen=True)
class Reading:
    """A channel that the caller may see.

    Attributes:
        marts: None: nothing was published yet.
        as_of: the instant at which the numbers are true; None: no complete sync was published.
        as_of_date: the local date of it, which is the key of the marts with one row per day.
    """

    marts: Connection | None
    channel_id: str
    as_of: datetime | None
    as_of_date: date | None
    data_status: DataStatus
    sees_initials: bool = False

    @property
    def has_data(self) -> bool:
        """Whether there are numbers: a complete sync was published, and Leads can be read."""
        return self.marts is not None and self.as_of is not None and self.data_status in HAS_DATA

    def rows(self, sql: str, params: Iterable[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query on the marts, ready for JSON; none where there is no data."""
        if self.marts is None or not self.has_data:
            return []
        return [{name: json_ready(v) for name, v in row.items()} for row in self.marts.rows(sql, list(params))]

    def has_mart(self, name: str) -> bool:
        """Whether a mart is published. A new mart is missing until the first transform after an upgrade."""
        found = "select count(*) as n from information_schema.tables where table_schema = 'marts' and table_name = ?"
        return bool(self.rows(found, (name,))[0]["n"]) if self.has_data else False

    def columns(self, mart: str) -> list[str]:
        """The columns of a published mart."""
        if self.marts is None or not self.has_data:
            return []
        return self.marts.fetch(f"select * from {mart} limit 0")[0]  # noqa: S608

    def caveats(self) -> list[str]:
        """What must be said of any number of this channel now."""
        if self.data_status == "stale":
            return ["The last complete sync is old, so these numbers are of the past (see as_of)."]
        if self.data_status == "module_missing":
            return ["Leads cannot be read, so there are no numbers."]
        return [] if self.has_data else ["No complete sync of this channel was published yet, so there are no numbers."]


def captured_column(reading: Reading) -> str:
    """The SQL of `lead.captured_by`; null where an older version published the mart without it."""
    return "lead.captured_by" if "captured_by" in reading.columns("lead") else "cast(null as varchar)"


def read_contents(reading: Reading, content_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Content id → title, url, content_type and topics of an item, cleaned."""
    ids = sorted(set(content_ids))
    if not ids or not reading.has_mart("content_item"):
        return {}
    marks = ", ".join("?" * len(ids))
    rows = reading.rows(
        "select content_id, title, canonical_url, content_type, topics from content_item"  # noqa: S608
        f" where channel_id = ? and content_id in ({marks})",
        (reading.channel_id, *ids),
    )
    return {row["content_id"]: described(row) for row in rows}


def described(row: dict[str, Any]) -> dict[str, Any]:
    """The parts of a content item that an agent reads. Its id is not one of them."""
    parts = str(row.get("topics") or "")[:_LONGEST_TOPICS].split("|")
    topics = [found for part in parts if (found := clean(part))]
    return {
        "title": clean(row.get("title")),
        "url": clean_url(row.get("canonical_url")),
        "content_type": clean(row.get("content_type")),
        "topics": topics[:MOST_TOPICS],
    }


def iso(moment: datetime | None) -> str | None:
    """An instant as ISO 8601 in UTC, to the second."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def named(title: str | None) -> str:
    """A title in a sentence."""
    return quoted(title, "content without a title")


def percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"

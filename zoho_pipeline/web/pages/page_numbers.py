"""What the page of a channel reads from the published marts: its few columns, in as few queries as that takes.

`insight.read_from` reads every column and every list, because it answers programs. A page shows a tenth of that, and
nine tenths of a query on one channel are its plan and its columns. So a page has queries of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from sys import getsizeof
from typing import Any

from zoho_pipeline.reading.channel_numbers import HAS_DATA, ChannelNumbers, numbers_of, read_contents
from zoho_pipeline.reading.insight_page import WEEKS
from zoho_pipeline.reading.published import with_later
from zoho_pipeline.reading.values import json_ready
from zoho_pipeline.warehouse.connection import Connection

_INSIGHT = with_later(
    "conversion_cohort_from, conversion_cohort_to",
    """select channel_id, as_of_date, as_of_utc, data_status, leads_this_month, leads_last_month_same_point,
    leads_last_month_full, leads_change_rate, trend_direction, topic_status, median_hours_to_first_contact,
    conversion_rate_30d, conversion_rate_30d_n, conversion_rate_30d_x,
    conversion_rate_30d_ci_low, conversion_rate_30d_ci_high,
    top_sources_period, top_source_1, top_source_1_leads, top_source_2, top_source_2_leads,
    top_source_3, top_source_3_leads, other_sources_leads, unknown_source_leads,
    suggested_topic_1, suggested_topic_2, suggested_topic_3
 from channel_insight where channel_id = ? order by as_of_date desc limit 1""",
)
_TOTAL = "select count(*) from lead where channel_id = ?"
_NEWEST = with_later(
    "captured_by",
    "select lead_rank, created_local, full_name, company, lead_source, lead_status, content_id, content_title,"
    " is_converted, is_newer_than_as_of"
    " from recent_lead where channel_id = ? and (lead_rank <= ? or is_newer_than_as_of)",
)
_WEEKS = "select period_start, n_leads, is_partial from lead_volume where channel_id = ? and grain = 'week'"
_LISTS = {
    "source_rates": (
        "select dimension_value, n_leads, n_converted, conversion_rate, ci_low, ci_high, display_status"
        " from conversion_rate where channel_id = ? and as_of_date = ? and dimension = 'lead_source'"
        " and stage = 'deal' and definition = 'matured_30d'"
    ),
    "topic_rates": with_later(
        "rest_rate, n_topics_tested",
        "select topic, n_leads, n_converted, conversion_rate, ci_low, ci_high, base_rate, evidence"
        " from topic_performance where channel_id = ? and as_of_date = ?",
    ),
    "contacts": with_later(
        "n_contact_before_creation, n_converted_without_contact",
        "select dimension, dimension_value, n_leads, n_contacted, n_uncontacted, oldest_uncontacted_hours"
        " from time_to_first_contact"
        " where channel_id = ? and as_of_date = ? and dimension in ('all', 'lead_channel')",
    ),
}
"""Name → its rows of the newest day. `contacts` is split: two queries on one mart would cost twice as much."""


@dataclass(frozen=True)
class PageNumbers:
    """The numbers of one channel, all of one publication.

    Attributes:
        numbers: those of the API; None: no transform has published the channel.
        insight: the newest row of `channel_insight`, and its lists: weeks (oldest first), source_rates (conversion
            within 30 days by lead source), topic_rates, first_contact (at most one row: all leads), lead_channels (the
            one with the most leads first). None: no data.
        contents: see `read_contents`.
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
        lists = [self.contents, self.leads, *(value for value in insight.values() if isinstance(value, list))]
        rows = [insight, *(row for rows in lists for row in rows)]
        return 2048 + sum(getsizeof(row) + sum(map(getsizeof, row.values())) for row in rows)


def read_page_numbers(connection: Connection, channel_id: str, leads: int, contents: int) -> PageNumbers:
    """The numbers of a channel. Without data, its lists are empty.

    Args:
        leads, contents: the most rows of the two lists.
    """
    found = connection.rows(_INSIGHT, (channel_id,))
    recent = sorted(connection.rows(_NEWEST, (channel_id, leads)), key=lambda row: row["lead_rank"])
    if not found:
        return PageNumbers(leads=recent[:leads])
    row = found[0]
    total = int(connection.fetch(_TOTAL, (channel_id,))[1][0][0])
    numbers = numbers_of(row, total, sum(lead["is_newer_than_as_of"] for lead in recent))
    if row["data_status"] not in HAS_DATA:
        return PageNumbers(numbers, leads=recent[:leads])
    insight: dict[str, Any] = _ready(row)
    day = (channel_id, row["as_of_date"])
    insight |= {name: [_ready(row) for row in connection.rows(query, day)] for name, query in _LISTS.items()}
    contacts = insight.pop("contacts")
    insight["first_contact"] = [row for row in contacts if row["dimension"] == "all"]
    channels = [row for row in contacts if row["dimension"] == "lead_channel" and row["n_leads"] > 0]
    channels.sort(key=lambda row: (-row["n_leads"], row["dimension_value"]))
    insight["lead_channels"] = [{"lead_channel": row["dimension_value"], "n_leads": row["n_leads"]} for row in channels]
    # a channel has few weeks: to order them here costs less than the plan of an ordered query
    weeks = sorted((_ready(row) for row in connection.rows(_WEEKS, (channel_id,))), key=lambda row: row["period_start"])
    insight["weeks"] = weeks[-WEEKS:]
    return PageNumbers(numbers, insight, read_contents(connection, channel_id, contents), recent[:leads])


def _ready(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json_ready(value) for name, value in row.items()}

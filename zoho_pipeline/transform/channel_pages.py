"""The rows of the marts that the page of a channel shows, and these rows packed into one row per channel.

A page needs some sixty columns of eight marts. In DuckDB a query on one channel costs 0.4 ms and 20 µs per column,
because each column is a segment of its own that must be found and decompressed. Nine queries cost 18 ms of CPU, and a
server of two cores could not show 50 pages of different channels per second. A packed row costs 0.5 ms, and packing
all of them 3 % of a full rebuild (5,000 channels with 100 leads: 3 s). Postgres finds the rows by its indexes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoho_pipeline.transform.packed_rows import ReaderTable
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, STATE_SCHEMA

TABLE = "channel_pages"
LEADS, CONTENTS, WEEKS, CHANNELS = 20, 5, 13, 8
"""The most rows of the lists of a page."""


@dataclass(frozen=True)
class Part:
    """Some rows of one mart that a page shows.

    Attributes:
        columns: name on the page → expression on the columns of the mart.
        where: a condition on the rows; empty: all rows of the channel.
        of_newest_day: only the rows of the newest day that `channel_insight` has.
        order, most: the order of the rows, and their largest number; None: all. Several rows need an order: a list
            without one differs between two runs with the same rows.
        counts: the part is one row, with the number of the rows.
        later: columns that the marts of an older version lack. They are null there.
    """

    mart: str
    columns: Mapping[str, str]
    where: str = ""
    of_newest_day: bool = False
    order: str = ""
    most: int | None = None
    counts: bool = False
    later: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """The rows of one channel without the `later` columns, which the reader adds.

        Its parameters are the channel, and the day for a part `of_newest_day`.
        """
        asked = {name: value for name, value in self.columns.items() if name not in self.later}
        columns = ", ".join(name if name == value else f"{value} as {name}" for name, value in asked.items())
        day = " and as_of_date = ?" if self.of_newest_day else ""
        where = f" and ({self.where})" if self.where else ""
        order = f" order by {self.order}" if self.order else ""
        limit = "" if self.most is None else f" limit {self.most}"
        return f"select {columns} from {self.mart} where channel_id = ?{day}{where}{order}{limit}"  # noqa: S608

    def packed(self, of: str) -> str:
        """The rows of each channel as one list, in DuckDB's SQL. `of`: a condition on the channels."""
        row = ", ".join(f"'{name}': {value}" for name, value in self.columns.items())
        order = f" order by {self.order}" if self.order else ""
        rows = f"[{{{row}}}]" if self.counts else f"list({{{row}}}{order})"
        most = "" if self.most is None else f"[1:{self.most}]"
        day = " semi join newest using (channel_id, as_of_date)" if self.of_newest_day else ""
        where = f" and ({self.where})" if self.where else ""
        return (
            f"select channel_id, {rows}{most} as rows from {MARTS_SCHEMA}.{self.mart}{day}"  # noqa: S608
            f" where {of}{where} group by channel_id"
        )


def _same(names: str) -> dict[str, str]:
    return {name: name for name in names.split()}


PARTS: Mapping[str, Part] = {
    "insight": Part(
        "channel_insight",
        _same(
            "channel_id as_of_date as_of_utc data_status leads_this_month leads_last_month_same_point"
            " leads_last_month_full leads_change_rate trend_direction topic_status median_hours_to_first_contact"
            " conversion_rate_30d conversion_rate_30d_n conversion_rate_30d_x conversion_rate_30d_ci_low"
            " conversion_rate_30d_ci_high top_sources_period top_source_1 top_source_1_leads top_source_2"
            " top_source_2_leads top_source_3 top_source_3_leads other_sources_leads unknown_source_leads"
            " suggested_topic_1 suggested_topic_2 suggested_topic_3 conversion_cohort_from conversion_cohort_to"
        ),
        order="as_of_date desc",
        most=1,
        later=("conversion_cohort_from", "conversion_cohort_to"),
    ),
    "total": Part("lead", {"number": "count(*)"}, counts=True),
    "newer": Part("recent_lead", {"number": "count(*)"}, "is_newer_than_as_of", counts=True),
    "leads": Part(
        "recent_lead",
        _same(
            "lead_rank created_local full_name company lead_source lead_status content_id content_title is_converted"
            " is_newer_than_as_of captured_by"
        ),
        f"lead_rank <= {LEADS}",
        order="lead_rank",
        later=("captured_by",),
    ),
    "weeks": Part(
        "lead_volume",
        _same("period_start n_leads is_partial"),
        "grain = 'week'",
        order="period_start desc",
        most=WEEKS,
    ),
    "source_rates": Part(
        "conversion_rate",
        _same("dimension_value n_leads n_converted conversion_rate ci_low ci_high display_status"),
        "dimension = 'lead_source' and stage = 'deal' and definition = 'matured_30d'",
        of_newest_day=True,
        order="dimension_value",
    ),
    "lead_channels": Part(
        "time_to_first_contact",
        {"lead_channel": "dimension_value", "n_leads": "n_leads"},
        "dimension = 'lead_channel' and n_leads > 0",
        of_newest_day=True,
        order="n_leads desc, dimension_value",
        most=CHANNELS,
    ),
    "topic_rates": Part(
        "topic_performance",
        _same("topic n_leads n_converted conversion_rate ci_low ci_high base_rate evidence rest_rate n_topics_tested"),
        of_newest_day=True,
        order="topic",
        later=("rest_rate", "n_topics_tested"),
    ),
    "first_contact": Part(
        "time_to_first_contact",
        _same(
            "n_leads n_contacted n_uncontacted oldest_uncontacted_hours n_contact_before_creation"
            " n_converted_without_contact"
        ),
        "dimension = 'all'",
        of_newest_day=True,
        later=("n_contact_before_creation", "n_converted_without_contact"),
    ),
    "contents": Part(
        "content_performance",
        {
            "title": "coalesce(title, content_id)",
            "leads": "credited_leads",
            "won": "credited_won_deals",
            "revenue": "won_revenue",
            "currency": "currency",
        },
        "model = 'last_touch' and content_id <> '(none)' and credited_leads > 0",
        order="credited_leads desc, content_id",
        most=CONTENTS,
    ),
}
"""Name on the page → its rows."""

MARTS = frozenset(part.mart for part in PARTS.values())


def pack(of: str = "true", shape: str = "") -> str:
    """DuckDB's SELECT of the packed rows. Each has the rows of all parts as JSON, under the names of the parts.

    Args:
        of: a condition on the channels whose rows are packed.
        shape: the text of the column `shape`.
    """
    lists = "".join(f", {name}_rows as ({part.packed(of)})" for name, part in PARTS.items())
    content = ", ".join(f"'{name}': coalesce({name}_rows.rows, [])" for name in PARTS)
    joins = "".join(f" left join {name}_rows on newest.channel_id = {name}_rows.channel_id" for name in PARTS)
    return (
        "with newest as (select channel_id, max(as_of_date) as as_of_date"  # noqa: S608
        f" from {MARTS_SCHEMA}.channel_insight where {of} group by channel_id){lists}"
        f" select newest.channel_id, '{shape}' as shape, cast(to_json({{{content}}}) as varchar) as content"
        f" from newest{joins} order by newest.channel_id"
    )


STORED_TABLE = ReaderTable(TABLE, MARTS, pack)
SHAPE = STORED_TABLE.shape

PACKED = f"select content from {STATE_SCHEMA}.{TABLE} where channel_id = ? and shape = '{SHAPE}'"  # noqa: S608
"""The packed row of a channel. Its parameter is the channel."""

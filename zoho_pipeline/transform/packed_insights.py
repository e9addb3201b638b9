"""The newest insight of each channel with its lists, packed into one row per channel in the published DuckDB file.

An insight needs 107 columns of four marts. Four queries on one channel cost DuckDB 7.4 ms of CPU (see `channel_pages`),
and a packed row costs 0.9 ms. To pack takes 3 s of CPU per 5,000 channels with 100 leads, and 12 kB per channel. The
rates stay rows (`insight_rates`): to pack those costs three times as much as all others, and saves 1 ms. Postgres finds
the rows by its indexes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoho_pipeline.transform.insight_rates import DIMENSIONS
from zoho_pipeline.transform.packed_rows import ReaderTable
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, STATE_SCHEMA

TABLE = "packed_insights"
INSIGHT = "channel_insight"
SHARED = ("channel_id", "as_of_date", "as_of_utc")
"""Columns that are equal in a whole list of an insight. Its rows are shown without them."""


@dataclass(frozen=True)
class InsightList:
    """Some rows of a mart that go with an insight.

    Attributes:
        order: the columns that give their order.
        which: a condition on the rows.
        of_day: only the rows of the insight's day.
    """

    order: tuple[str, ...]
    which: str = "true"
    of_day: bool = True


LISTS: Mapping[str, InsightList] = {
    "time_to_first_contact": InsightList(("dimension", "dimension_value"), DIMENSIONS),
    "topic_performance": InsightList(("topic",)),
    "lead_volume": InsightList(("period_start", "grain"), of_day=False),
}
"""Mart → its rows that go with an insight, without those of `insight_rates`."""

MARTS = frozenset((INSIGHT, *LISTS))


def pack(of: str = "true", shape: str = "") -> str:
    """DuckDB's SELECT of the packed rows.

    `content` is a JSON object: the insight under `channel_insight`, and each list as `{column: [values]}` and
    `channel_id` under the name of its mart, so that a name is stored once. A list without rows is null. A timestamp has
    a blank where ISO 8601 has a `T`.

    Args:
        of: a condition on the channels whose rows are packed.
        shape: the text of the column `shape`.
    """
    newest = f"select channel_id, max(as_of_date) as as_of_date from {MARTS_SCHEMA}.{INSIGHT} where {of} group by all"  # noqa: S608
    lists = "".join(f", {name}_lists as ({_columns(name, part, of)})" for name, part in LISTS.items())
    content = "".join(f", '{name}': {name}_lists.content" for name in LISTS)
    joins = "".join(f" left join {name}_lists on found.channel_id = {name}_lists.channel_id" for name in LISTS)
    return (
        f"with newest as ({newest}){lists}, found as (select * from {MARTS_SCHEMA}.{INSIGHT}"  # noqa: S608
        f" semi join newest using (channel_id, as_of_date) where {of})"
        f" select found.channel_id, '{shape}' as shape,"
        f" cast(to_json({{'{INSIGHT}': to_json(found){content}}}) as varchar) as content"
        f" from found{joins} order by found.channel_id"
    )


def _columns(mart: str, part: InsightList, of: str) -> str:
    """The rows of each channel as one JSON object of lists."""
    day = " semi join newest using (channel_id, as_of_date)" if part.of_day else ""
    shared = [name for name in SHARED if part.of_day or name != "as_of_date"]
    return (
        "select channel_id, to_json(columns_) as content from (select channel_id,"  # noqa: S608
        f" list(columns(* exclude ({', '.join(shared)})) order by {', '.join(part.order)}) as '\\0'"
        f" from {MARTS_SCHEMA}.{mart}{day} where {of} and {part.which} group by channel_id) as columns_"
    )


STORED_TABLE = ReaderTable(TABLE, MARTS, pack)
SHAPE = STORED_TABLE.shape

PACKED = f"select content from {STATE_SCHEMA}.{TABLE} where channel_id = ? and shape = '{SHAPE}'"  # noqa: S608
"""The packed row of a channel. Its parameter is the channel."""

"""The rows of `conversion_rate` that go with the insight of a channel, stored in the published DuckDB file.

`conversion_rate` is a view. DuckDB plans a query on it for 5 ms, whatever it returns, and that is a quarter of what an
insight costs. A channel has some 140 of these rows. Stored, they are read in 1.5 ms. To store them takes 0.5 s of CPU
and 4.5 MB per 1,000 channels with 100 leads. Postgres plans the view faster, and reads it.
"""

from zoho_pipeline.transform.packed_rows import ReaderTable
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, STATE_SCHEMA

TABLE = "insight_rates"
MARTS = frozenset(("channel_insight", "conversion_rate"))
DIMENSIONS = "dimension in ('all', 'lead_source', 'lead_channel')"
WHICH = DIMENSIONS + " and (dimension <> 'lead_channel' or (stage = 'deal' and definition = 'matured_30d'))"
"""The rows of one day that go with the insight of this day."""
ORDER = ("stage", "definition", "dimension", "dimension_value")


def select(of: str = "true", shape: str = "") -> str:
    """DuckDB's SELECT of the stored rows.

    Args:
        of: a condition on the channels whose rows are stored.
        shape: the text of the column `shape`.
    """
    return (
        "with newest as (select channel_id, max(as_of_date) as as_of_date"  # noqa: S608
        f" from {MARTS_SCHEMA}.channel_insight where {of} group by channel_id)"
        f" select '{shape}' as shape, * from {MARTS_SCHEMA}.conversion_rate"
        f" semi join newest using (channel_id, as_of_date) where {of} and {WHICH}"
        f" order by channel_id, {', '.join(ORDER)}"
    )


STORED_TABLE = ReaderTable(TABLE, MARTS, select)
SHAPE = STORED_TABLE.shape

STORED = (
    f"select * exclude (shape) from {STATE_SCHEMA}.{TABLE}"  # noqa: S608
    f" where channel_id = ? and as_of_date = ? and shape = '{SHAPE}'"
)
"""The stored rows of a channel and a day, in no order. No rows: read the mart."""

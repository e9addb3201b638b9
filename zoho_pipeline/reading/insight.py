"""A channel's newest insight with its lists, ready for JSON (`read`), and a picture of its weeks (`chart`).

`insight_page` makes a page from it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from operator import itemgetter
from typing import Any

from zoho_pipeline.reading.chart import bars
from zoho_pipeline.reading.insight_page import weeks_of
from zoho_pipeline.reading.published import connect
from zoho_pipeline.reading.query import json_ready
from zoho_pipeline.transform import insight_rates
from zoho_pipeline.transform.channel_pages import WEEKS
from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.warehouse.connection import Connection, SqlError
from zoho_pipeline.warehouse.warehouse import Warehouse

LISTS = {
    "conversion_rate": (insight_rates.WHICH, insight_rates.ORDER),
    "time_to_first_contact": (insight_rates.DIMENSIONS, ("dimension", "dimension_value")),
    "topic_performance": ("1 = 1", ("topic",)),
}
"""Marts with one row per day and value → which rows go with the insight of the day, and their order. Rates by content
item and topic have thousands of rows; read those with `zoho-pipeline sql`. The rows of lead channels become
`lead_channels`. The rows are sorted here: to sort them costs DuckDB 0.7 ms per query, whatever their number."""


def read(warehouse: Warehouse, channel_id: str) -> dict[str, Any]:
    """`read_from` on a connection of its own.

    Raises:
        NotPublished: no transform has run, or none since the channel was connected.
    """
    with connect(warehouse) as connection:
        return read_from(connection, channel_id)


def read_from(connection: Connection, channel_id: str) -> dict[str, Any]:
    """The newest `channel_insight` row of a channel, ready for JSON, and its lists under the names of their marts.

    The lists are conversion_rate and time_to_first_contact of that day (the total and each lead source),
    topic_performance of that day, and the newest 13 weeks and 13 months of lead_volume. `lead_channels` has the
    channels that brought leads in the last 90 days, with the rate of the matured ones.

    Raises:
        NotPublished: no transform has run since the channel was connected.
    """
    newest = "select * from channel_insight where channel_id = ? order by as_of_date desc limit 1"
    rows = connection.rows(newest, (channel_id,))
    if not rows:
        raise NotPublished(f"there is no insight of {channel_id} yet. Run `zoho-pipeline transform`.")
    found = {name: json_ready(value) for name, value in rows[0].items()}
    day = rows[0]["as_of_date"]
    for mart, (which, order) in LISTS.items():
        query = f"select * from {mart} where channel_id = ? and as_of_date = ? and {which}"  # noqa: S608
        stored = _stored_rates(connection, channel_id, day) if mart == "conversion_rate" else []
        found[mart] = stored or _list(connection, query, (channel_id, day))
        found[mart].sort(key=itemgetter(*order))
    found["lead_channels"] = _lead_channels(found["time_to_first_contact"], found["conversion_rate"])
    for mart in ("conversion_rate", "time_to_first_contact"):
        found[mart] = [row for row in found[mart] if row["dimension"] != "lead_channel"]
    # a channel has few periods: to order them here costs less than the plan of two ordered queries
    periods = _list(connection, "select * from lead_volume where channel_id = ?", (channel_id,))
    periods.sort(key=lambda row: str(row["period_start"]))
    grains = [[row for row in periods if row["grain"] == grain][-WEEKS:] for grain in ("month", "week")]
    found["lead_volume"] = [row for rows in grains for row in rows]
    return found


def chart(insight: Mapping[str, Any]) -> str:
    """The leads of the newest weeks as bars, with the current week paler: a PNG as a `data:` URI, for an `<img>`
    or for `![…](…)` of markdown."""
    weeks = weeks_of(insight)
    return bars([row["n_leads"] or 0 for row in weeks], pale_last=bool(weeks and weeks[-1]["is_partial"]))


def _lead_channels(times: Sequence[Mapping[str, Any]], rates: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lead channels that brought leads, those with the most leads first, with their rates."""
    of_value = {row["dimension_value"]: row for row in rates if row["dimension"] == "lead_channel"}
    found = [
        {
            "lead_channel": row["dimension_value"],
            "n_leads": row["n_leads"],
            "n_matured": rate["n_leads"],
            **{name: rate[name] for name in ("n_converted", "conversion_rate", "ci_low", "ci_high")},
        }
        for row in times
        if row["dimension"] == "lead_channel" and row["n_leads"] and (rate := of_value.get(row["dimension_value"]))
    ]
    return sorted(found, key=lambda row: -row["n_leads"])


def _stored_rates(connection: Connection, channel_id: str, day: date) -> list[dict[str, Any]]:
    """The rows of conversion_rate from the table beside it. Empty where the publication has no such rows."""
    if not connection.has_packed_rows:
        return []
    try:
        return _list(connection, insight_rates.STORED, (channel_id, day))
    except SqlError as error:
        if error.kind not in ("CatalogException", "BinderException"):
            raise
        return []  # another version has published, without this table


def _list(connection: Connection, query: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows as objects, without the columns that are equal in the whole list."""
    shared = ("channel_id", "as_of_date", "as_of_utc")
    return [{k: json_ready(v) for k, v in row.items() if k not in shared} for row in connection.rows(query, params)]

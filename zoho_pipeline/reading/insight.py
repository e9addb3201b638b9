"""A channel's newest insight with its lists, ready for JSON (`read`), and a picture of its weeks (`chart`).

`insight_page` makes a page from it.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import Any

from zoho_pipeline.reading.chart import bars
from zoho_pipeline.reading.insight_page import weeks_of
from zoho_pipeline.reading.published import connect
from zoho_pipeline.reading.query import json_ready
from zoho_pipeline.transform import insight_rates, packed_insights
from zoho_pipeline.transform.channel_pages import WEEKS
from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.warehouse.connection import Connection, SqlError
from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)


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
    found = _packed(connection, channel_id) or _from_marts(connection, channel_id)
    if found is None:
        raise NotPublished(f"there is no insight of {channel_id} yet. Run `zoho-pipeline transform`.")
    rates = _rates(connection, channel_id, date.fromisoformat(found["as_of_date"]))
    found["lead_channels"] = _lead_channels(found["time_to_first_contact"], rates)
    found["conversion_rate"] = rates
    for mart in ("conversion_rate", "time_to_first_contact"):
        found[mart] = [row for row in found[mart] if row["dimension"] != "lead_channel"]
    periods = found["lead_volume"]
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


def _packed(connection: Connection, channel_id: str) -> dict[str, Any] | None:
    """The insight with its lists, without the rates, from the packed row. None where the publication has none.

    A row that a person damaged is as good as none: the marts have the numbers.
    """
    rows = _beside_the_marts(connection, packed_insights.PACKED, (channel_id,))
    if not rows:
        return None
    try:
        return _unpacked(rows[0]["content"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("the packed insight of %s is damaged (%s); its marts are read", channel_id, type(error).__name__)
        return None


def _unpacked(text: str) -> dict[str, Any]:
    """The insight of a packed text. DuckDB writes NaN and Infinity, which JSON does not have: they become null."""
    content = json.loads(text, parse_constant=lambda _: None)
    found: dict[str, Any] = content[packed_insights.INSIGHT]
    if found["as_of_utc"] is not None:
        found["as_of_utc"] = datetime.fromisoformat(found["as_of_utc"]).isoformat()
    for mart in packed_insights.LISTS:
        columns = {name: values for name, values in (content[mart] or {}).items() if name != "channel_id"}
        found[mart] = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return found


def _from_marts(connection: Connection, channel_id: str) -> dict[str, Any] | None:
    """The same from the marts. None: the channel has no insight."""
    newest = f"select * from {packed_insights.INSIGHT} where channel_id = ? order by as_of_date desc limit 1"  # noqa: S608
    rows = connection.rows(newest, (channel_id,))
    if not rows:
        return None
    found = {name: json_ready(value) for name, value in rows[0].items()}
    for mart, part in packed_insights.LISTS.items():
        query, params = f"select * from {mart} where channel_id = ? and {part.which}", [channel_id]  # noqa: S608
        if part.of_day:
            query, params = f"{query} and as_of_date = ?", [channel_id, rows[0]["as_of_date"]]
        found[mart] = _sorted(connection.rows(query, params), part.order)
    return found


def _rates(connection: Connection, channel_id: str, day: date) -> list[dict[str, Any]]:
    """The rows of conversion_rate that go with the insight, from the table beside it or from the mart."""
    rows = _beside_the_marts(connection, insight_rates.STORED, (channel_id, day))
    if not rows:
        query = f"select * from conversion_rate where channel_id = ? and as_of_date = ? and {insight_rates.WHICH}"  # noqa: S608
        rows = connection.rows(query, (channel_id, day))
    return _sorted(rows, insight_rates.ORDER)


def _beside_the_marts(connection: Connection, query: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows of a table that is published for readers. Empty where the publication has no such rows."""
    if not connection.has_packed_rows:
        return []
    try:
        return connection.rows(query, params)
    except SqlError as error:
        if error.kind not in ("CatalogException", "BinderException"):
            raise
        return []  # another version has published, without this table


def _sorted(rows: list[dict[str, Any]], order: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as objects, without the columns that are equal in the whole list. To sort them costs DuckDB 0.7 ms per
    query, whatever their number."""
    shared = packed_insights.SHARED
    found = [{k: json_ready(v) for k, v in row.items() if k not in shared} for row in rows]
    return sorted(found, key=itemgetter(*order))

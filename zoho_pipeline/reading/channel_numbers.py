"""The few numbers of a channel that lists and status lines show, for many channels in one reading."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from zoho_pipeline.warehouse.connection import Connection

DataStatus = Literal["ok", "stale", "never_synced", "module_missing"]
STALE_AFTER_HOURS = 36.0
HAS_DATA = ("ok", "stale")
"""The values of `data_status` with which a channel has numbers. With another one they are unknown, and not 0."""


@dataclass(frozen=True)
class ChannelNumbers:
    """The newest numbers of a channel. Each is None where there is no data.

    Attributes:
        as_of: the instant at which they are true, aware; None: the channel never had a complete sync.
        data_status: of the mart when it was built: ok, stale, never_synced or module_missing.
        total: live leads at as_of.
        change_rate: this month against last month at the same point, e.g. 0.25 for a quarter more.
        newer_than_as_of: leads that are loaded and not counted yet; of the newest 200.
    """

    as_of: datetime | None
    as_of_date: date
    data_status: str
    total: int | None
    this_month: int | None
    last_month_same_point: int | None
    last_month_full: int | None
    change_rate: float | None
    newer_than_as_of: int | None


def read_numbers(connection: Connection, channel_ids: Collection[str]) -> dict[str, ChannelNumbers]:
    """Channel → its numbers. A channel that no transform has published yet is left out."""
    ids = sorted(set(channel_ids))
    if not ids:
        return {}
    some = f"channel_id in ({', '.join('?' * len(ids))})"
    columns = (
        "channel_id, as_of_date, as_of_utc, data_status, leads_this_month, leads_last_month_same_point,"
        f" leads_last_month_full, leads_change_rate from channel_insight where {some}"
    )
    if len(ids) == 1:  # to choose the newest of its days here costs less than the plan of an ordered query
        days = connection.rows(f"select {columns}", ids)
        newest = sorted(days, key=lambda row: row["as_of_date"])[-1:]
    else:
        newest = connection.rows(f"select distinct on (channel_id) {columns} order by channel_id, as_of_date desc", ids)
    totals = _counts(connection, f"select channel_id, count(*) from lead where {some} group by channel_id", ids)  # noqa: S608
    late = f"select channel_id, count(*) from recent_lead where {some} and is_newer_than_as_of group by channel_id"  # noqa: S608
    newer = _counts(connection, late, ids)
    return {
        row["channel_id"]: numbers_of(row, totals.get(row["channel_id"], 0), newer.get(row["channel_id"], 0))
        for row in newest
    }


def _counts(connection: Connection, query: str, ids: list[str]) -> dict[str, int]:
    return {str(channel_id): int(count) for channel_id, count in connection.fetch(query, ids)[1]}


def numbers_of(row: Mapping[str, Any], total: int, newer: int) -> ChannelNumbers:
    """The numbers of a channel from its newest row of `channel_insight`, its live leads and its leads after as_of."""
    has_data = row["data_status"] in HAS_DATA
    as_of = row["as_of_utc"] if row["data_status"] != "never_synced" else None
    rate = row["leads_change_rate"]
    return ChannelNumbers(
        as_of=as_of and as_of.replace(tzinfo=UTC),
        as_of_date=row["as_of_date"],
        data_status=row["data_status"],
        total=total if has_data else None,
        this_month=row["leads_this_month"],
        last_month_same_point=row["leads_last_month_same_point"],
        last_month_full=row["leads_last_month_full"],
        change_rate=None if rate is None else float(rate),
        newer_than_as_of=newer if has_data else None,
    )


def data_status(numbers: ChannelNumbers | None, stale_after_hours: object, now: datetime) -> DataStatus:
    """The status of a channel's numbers now: that of the marts, but numbers that nobody renews become stale.

    Args:
        numbers: None: no transform has published the channel.
        stale_after_hours: the parameter of the channel; None: 36 hours.
    """
    if numbers is None:
        return "never_synced"
    if numbers.data_status == "ok" and numbers.as_of is not None:
        hours = _hours(stale_after_hours)
        return "stale" if numbers.as_of < now - timedelta(hours=hours) else "ok"
    for known in ("stale", "module_missing"):
        if numbers.data_status == known:
            return known
    return "never_synced"


def _hours(stale_after_hours: object) -> float:
    """A parameter that is no whole number counts as none: it must not hide the numbers of every channel in a list."""
    text = str(stale_after_hours)
    return float(text) if text.isdecimal() and len(text) <= 5 else STALE_AFTER_HOURS

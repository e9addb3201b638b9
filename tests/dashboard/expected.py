"""What each view must show, from the marts themselves: pandas filters and sorts, and none of the dashboard's SQL."""

from typing import Any

import pandas as pd

from zoho_pipeline import read_mart

Table = list[list[Any]]
NOT_KNOWN = "–"


def percent(value: Any) -> str:
    return NOT_KNOWN if pd.isna(value) else f"{float(value) * 100:.1f} %"


def plain(value: Any, unit: str = "") -> str:
    """A number with commas, and no zero at the end of its decimals."""
    if pd.isna(value):
        return NOT_KNOWN
    text = f"{float(value):,.4f}".rstrip("0").rstrip(".")
    return text + unit


def insight(channel: str) -> Any:
    return read_mart("channel_insight", channels=[channel]).sort_values("as_of_date").iloc[-1]


def metrics(view: str, channel: str) -> dict[str, str]:
    """Label → value of the main numbers of a view."""
    if view == "channel":
        row = insight(channel)
        return {
            "Leads this month": plain(row.leads_this_month),
            "Lead to deal within 30 days": percent(row.conversion_rate_30d),
            "Median time to first contact": plain(row.median_hours_to_first_contact, " h"),
            "Leads without contact": plain(row.n_uncontacted),
        }
    if view == "speed":
        row = of_dimension("time_to_first_contact", "all", channel).iloc[0]
        return {
            "Median": plain(row.median_contacted_hours, " h"),
            "Median, business hours": plain(row.median_contacted_business_hours, " h"),
            "Within 24 hours": percent(row.within_24h_rate),
            "Waiting": plain(row.n_uncontacted),
        }
    return {}


def captions(view: str, channel: str) -> list[str]:
    """Parts of captions that have figures."""
    if view == "channel":
        row = insight(channel)
        contact = of_dimension("time_to_first_contact", "all", channel).iloc[0]
        low, high = percent(row.conversion_rate_30d_ci_low), percent(row.conversion_rate_30d_ci_high)
        return [
            f"As of {row.as_of_utc:%Y-%m-%d %H:%M} UTC. The numbers are up to date.",
            f"{plain(row.leads_last_month_same_point)} at this point of last month",
            f"95 % interval: {low} to {high}, of {plain(row.conversion_rate_30d_n)} leads",
            f"{percent(row.contacted_rate)} of the leads of 90 days were contacted: "
            f"{plain(contact.n_contacted)} of {plain(contact.n_leads)}",
            f"The oldest waits for {plain(row.oldest_uncontacted_hours, ' h')}",
            f"The last 4 weeks: {plain(row.leads_last_4_weeks)} leads. "
            f"The 4 weeks before: {plain(row.leads_previous_4_weeks)}.",
        ]
    if view == "content":
        marts = read_mart("content_performance_default", channels=[channel])
        row = marts[marts.content_id == "(none)"].iloc[0]
        return [f"{plain(row.credited_leads)} leads and {plain(row.credited_deals)} deals are credited to no content."]
    if view == "speed":
        row = of_dimension("time_to_first_contact", "all", channel).iloc[0]
        return [f"of {plain(row.n_contacted)} leads that were contacted", f"{plain(row.n_leads)} leads in all"]
    return []


def of_dimension(mart: str, dimension: str, channel: str) -> pd.DataFrame:
    """The rows of a dimension on the newest day, most leads first."""
    rows = read_mart(mart, channels=[channel])
    rows = rows[(rows.dimension == dimension) & (rows.as_of_date == rows.as_of_date.max()) & (rows.n_leads > 0)]
    return rows.sort_values(["n_leads", "dimension_value"], ascending=[False, True])


RATES = ["dimension_label", "n_leads", "n_converted", "conversion_rate", "ci_low", "ci_high"]


def tables(view: str, channel: str) -> dict[str, Table]:
    """Key of a table → its rows."""
    if view == "channel":
        weeks = read_mart("lead_volume", channels=[channel])
        weeks = weeks[weeks.grain == "week"].sort_values("period_start", ascending=False).head(26)
        return {
            "weeks": values(weeks[["period_start", "n_leads", "is_partial"]]),
            "rates": values(of_dimension("conversion_rate_headline", "lead_channel", channel)[RATES]),
        }
    if view == "sources":
        leads = read_mart("lead_source_attribution", channels=[channel])
        sources = [
            [
                name,
                len(rows),
                int(rows.has_deal.sum()),
                int(rows.is_won.sum()),
                float(rows.won_revenue_originating.sum()),
            ]
            for name, rows in leads.groupby("lead_source")
        ]
        return {
            "sources": sorted(sources, key=lambda row: (-row[1], row[0])),
            "rates": values(of_dimension("conversion_rate_headline", "lead_source", channel)[RATES]),
        }
    if view == "content":
        rows = read_mart("content_performance_default", channels=[channel])
        rows = rows[(rows.content_id != "(none)") & (rows.credited_leads > 0)]
        rows = rows.sort_values(["credited_leads", "content_id"], ascending=[False, True])
        names = ["title", "content_type", "credited_leads", "credited_deals", "credited_won_deals", "won_revenue"]
        return {"content": values(rows[[*names, "n_leads", "conversion_rate", "ci_low", "ci_high"]])}
    names = ["n_contacted", "n_uncontacted", "contacted_rate", "median_contacted_hours"]
    names += ["median_contacted_business_hours", "within_1h_rate", "within_24h_rate", "oldest_uncontacted_hours"]
    owners = of_dimension("time_to_first_contact", "owner", channel)
    return {"owners": values(owners[["dimension_label", "n_leads", *names]])}


def values(frame: pd.DataFrame) -> Table:
    """The cells: None for what is missing, floats for exact decimals."""

    def cell(value: Any) -> Any:
        if pd.isna(value):
            return None
        return float(value) if type(value).__name__ == "Decimal" else value

    return [[cell(value) for value in row] for row in frame.itertuples(index=False)]

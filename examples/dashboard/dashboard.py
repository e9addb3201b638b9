"""A starter dashboard on the marts: the channel, its sources, its content, and the speed to lead of each owner.

It reads the published DuckDB file or the copy of the marts in Postgres, as any BI tool does, and needs nothing of the
pipeline itself. DASHBOARD_SOURCE names the place: the path of a file, or postgresql://user:password@host:port/database.

    DASHBOARD_SOURCE=data/warehouse.published.duckdb streamlit run dashboard.py
"""

import os
from pathlib import Path

import pandas as pd
import streamlit as st

CHANNELS = "select distinct channel_id from marts.channel_insight order by channel_id"
INSIGHT = """
select as_of_date, data_status, leads_this_month, leads_last_month_same_point, conversion_rate_30d,
    conversion_rate_30d_ci_low, conversion_rate_30d_ci_high, conversion_rate_30d_n, contacted_rate,
    median_hours_to_first_contact, n_uncontacted
from marts.channel_insight where channel_id = {channel} order by as_of_date desc limit 1
"""
WEEKS = """
select period_start as week, n_leads as leads from marts.lead_volume
where channel_id = {channel} and grain = 'week' order by period_start desc limit 26
"""
SOURCES = """
select lead_source, count(*) as leads, sum(case when has_deal then 1 else 0 end) as with_deal,
    sum(case when is_won then 1 else 0 end) as won, sum(won_revenue_originating) as won_revenue, max(currency) as
    currency
from marts.lead_source_attribution where channel_id = {channel} group by lead_source order by leads desc, lead_source
"""
RATES = """
select dimension_label as lead_source, n_leads as leads, n_converted as with_deal, conversion_rate, ci_low, ci_high
from marts.conversion_rate_headline as r
where channel_id = {channel} and dimension = 'lead_source' and n_leads > 0
    and as_of_date = (select max(as_of_date) from marts.channel_insight as i where i.channel_id = r.channel_id)
order by leads desc, lead_source
"""
CONTENT = """
select title, content_type, credited_leads, credited_deals, credited_won_deals, won_revenue, currency, conversion_rate
from marts.content_performance_default where channel_id = {channel} and credited_leads > 0
order by credited_leads desc, title limit 50
"""
OWNERS = """
select name as owner, n_leads_90d as leads_90d, contacted_rate, median_contacted_hours, median_business_hours,
    n_waiting as waiting, conversion_rate_30d
from marts.owner where channel_id = {channel} and n_leads_90d > 0 order by n_leads_90d desc, name limit 100
"""
QUERIES = {
    "insight": INSIGHT,
    "weeks": WEEKS,
    "sources": SOURCES,
    "rates": RATES,
    "content": CONTENT,
    "owners": OWNERS,
}
KEEP_SECONDS = 60
"""So long are answers kept. The pipeline publishes every 15 seconds at most."""
Frames = dict[str, pd.DataFrame]


def ask(source: str, queries: dict[str, str], channel: str | None = None) -> Frames:
    """The answers of some queries, all on one publication."""
    if source.startswith(("postgresql://", "postgres://")):
        return _ask_postgres(source, queries, channel)
    return _ask_duckdb(Path(source), queries, channel)


def _ask_duckdb(path: Path, queries: dict[str, str], channel: str | None) -> Frames:
    import duckdb

    # The file is closed again at once. While somebody has it open, each publication must copy the whole file.
    with duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        given = [] if channel is None else [channel]
        return {name: connection.execute(query.format(channel="?"), given).df() for name, query in queries.items()}


def _ask_postgres(url: str, queries: dict[str, str], channel: str | None) -> Frames:
    import psycopg

    given = None if channel is None else [channel]
    found = {}
    with psycopg.connect(url, application_name="dashboard") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        for name, query in queries.items():
            cursor = connection.execute(query.format(channel="%s"), given)
            found[name] = pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
    return found


@st.cache_data(ttl=KEEP_SECONDS, show_spinner="Reading the marts …")
def read(channel: str | None) -> Frames:
    """The channels, or everything of one channel."""
    source = os.environ["DASHBOARD_SOURCE"]
    return ask(source, {"channels": CHANNELS}) if channel is None else ask(source, QUERIES, channel)


def percent(value: object) -> str:
    """A share as a text; – where it is not known."""
    return "–" if pd.isna(value) else f"{100 * float(value):.1f} %"


def number(value: object, unit: str = "") -> str:
    """A number as a text; – where it is not known."""
    return "–" if pd.isna(value) else f"{float(value):,.10g}{unit}"


def show_channel(found: Frames) -> None:
    """The headline numbers, and leads per week."""
    if found["insight"].empty:
        st.info("There is no insight of this channel yet.")
        return
    row = found["insight"].iloc[0]
    st.caption(f"As of {row.as_of_date:%Y-%m-%d}. The data are: {row.data_status}.")
    columns = st.columns(4)
    before = row.leads_last_month_same_point
    then = f"{number(before)} at this point last month"
    columns[0].metric("Leads this month", number(row.leads_this_month), then, "off")
    columns[1].metric(
        "Lead to deal in 30 days",
        percent(row.conversion_rate_30d),
        f"95 %: {percent(row.conversion_rate_30d_ci_low)} to {percent(row.conversion_rate_30d_ci_high)}",
        "off",
    )
    columns[2].metric("Median time to first contact", number(row.median_hours_to_first_contact, " h"))
    columns[3].metric("Leads without contact", number(row.n_uncontacted))
    st.subheader("Leads per week")
    st.bar_chart(found["weeks"].set_index("week"), y="leads")


def show_sources(found: Frames) -> None:
    """Leads, deals and revenue per source, and the rates with their uncertainty."""
    st.subheader("Leads by source")
    st.bar_chart(found["sources"], x="lead_source", y="leads", horizontal=True)
    _table("sources", _plain(found["sources"]))
    st.subheader("Conversion by source")
    st.caption("Leads that are old enough, and the share of them with a deal within 30 days; 95 % interval.")
    _table("rates", _plain(found["rates"], "conversion_rate", "ci_low", "ci_high"))


def show_content(found: Frames) -> None:
    """What the content brought, by the default attribution model."""
    st.subheader("Content by credited leads")
    if found["content"].empty:
        st.info("No lead is credited to content. Load the content catalogue: zoho-pipeline content load.")
        return
    _table("content", _plain(found["content"], "conversion_rate"))


def show_owners(found: Frames) -> None:
    """How fast each owner makes the first contact, for the leads of the last 90 days."""
    st.subheader("Speed to lead by owner")
    owners = found["owners"]
    contacted = owners.dropna(subset=["median_business_hours"]).astype({"median_business_hours": float})
    if not contacted.empty:
        st.caption("Median business hours from the creation of a lead to the first contact.")
        st.bar_chart(contacted, x="owner", y="median_business_hours", horizontal=True)
    _table("owners", _plain(owners, "contacted_rate", "conversion_rate_30d"))


def _table(key: str, frame: pd.DataFrame) -> None:
    """A table that people can sort. The key is a class of its place in the page (`st-key-…`)."""
    with st.container(key=key):
        st.dataframe(frame, hide_index=True)


def _plain(frame: pd.DataFrame, *shares: str) -> pd.DataFrame:
    """The frame with shares as percentages, other numbers as texts, and – for what is not known."""
    shown = {
        name: column.map(percent) if name in shares else column.map(lambda v: v if isinstance(v, str) else number(v))
        for name, column in frame.items()
    }
    return pd.DataFrame(shown)


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="Zoho CRM: from lead to deal", layout="wide")
    st.title("From lead to deal")
    if not os.environ.get("DASHBOARD_SOURCE"):
        st.error("DASHBOARD_SOURCE is not set. It takes the path of the published file, or postgresql://…")
        return
    channels = read(None)["channels"]["channel_id"].tolist()
    if not channels:
        st.info("There are no marts yet. Run zoho-pipeline transform.")
        return
    channel = st.selectbox("Channel", channels)
    found = read(channel)
    views = {"Channel": show_channel, "Sources": show_sources, "Content": show_content, "Speed to lead": show_owners}
    for tab, show in zip(st.tabs(list(views)), views.values(), strict=True):
        with tab:
            show(found)


main()

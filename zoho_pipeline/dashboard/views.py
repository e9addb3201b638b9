"""The four views of the dashboard. Each takes the answers to its questions, and draws them with Streamlit.

Texts of a tenant (names, titles, reasons) are drawn by `st.text`, in tables and in charts only. These show a text as it
is, whereas markdown would follow its links and load its images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from zoho_pipeline.dashboard import questions
from zoho_pipeline.dashboard.charts import bars, columns, intervals
from zoho_pipeline.dashboard.questions import Answers

NOT_KNOWN = "–"
STATUS = {
    "ok": "The numbers are up to date.",
    "stale": "The last complete sync is older than 36 hours. These are its numbers.",
    "never_synced": "This channel has no complete sync yet. Run zoho-pipeline sync.",
    "module_missing": "The leads cannot be read. Check the scopes and the profile of the connected user.",
}
WORDS = {
    "title": "Title",
    "content_type": "Type",
    "lead_source": "Source",
    "lead_channel": "Lead channel",
    "owner": "Owner",
    "n_leads": "Leads",
    "n_with_deal": "With a deal",
    "n_won": "Won",
    "n_converted": "With a deal in 30 days",
    "conversion_rate": "Conversion",
    "ci_low": "95 % from",
    "ci_high": "95 % to",
    "credited_leads": "Credited leads",
    "credited_deals": "Credited deals",
    "credited_won_deals": "Credited won deals",
    "n_contacted": "Contacted",
    "n_uncontacted": "Waiting",
    "contacted_rate": "Contacted, share",
    "median_contacted_hours": "Median, hours",
    "median_contacted_business_hours": "Median, business hours",
    "within_1h_rate": "Within 1 hour",
    "within_24h_rate": "Within 24 hours",
    "oldest_uncontacted_hours": "Longest wait, hours",
    "period_start": "Week from",
    "is_partial": "Not over",
}
SHARES = {"conversion_rate", "ci_low", "ci_high", "contacted_rate", "within_1h_rate", "within_24h_rate"}
COHORT = "The leads that were created 60 to 30 days before, and those of them that had a deal within 30 days."


@dataclass(frozen=True)
class View:
    """One page of the dashboard: its name, its place in the URL, its questions, and what draws their answers."""

    name: str
    path: str
    asks: dict[str, str]
    draw: Callable[[Answers, str | None], None]


def percent(value: Any) -> str:
    """A share from 0 to 1 as a text."""
    return NOT_KNOWN if pd.isna(value) else f"{100 * float(value):.1f} %"


def number(value: Any, unit: str = "") -> str:
    """A number as a text."""
    return NOT_KNOWN if pd.isna(value) else f"{float(value):,.10g}{unit}"


def table(key: str, frame: pd.DataFrame, currency: str | None = None, **words: str) -> None:
    """A table that people can sort and download.

    Args:
        key: the class of its place in the page is `st-key-` and this.
        currency: the currency of the column `won_revenue`.
        words: headings for columns that mean something else here.
    """
    headings = WORDS | {"won_revenue": f"Won revenue ({currency})" if currency else "Won revenue"} | words
    shown: dict[str, Any] = {}
    for name in frame:
        heading = headings.get(str(name), str(name))
        if name in SHARES:
            shown[str(name)] = st.column_config.NumberColumn(heading, format="percent")
        elif pd.api.types.is_numeric_dtype(frame[name].dtype):
            shown[str(name)] = st.column_config.NumberColumn(heading, format="localized")
        else:
            shown[str(name)] = st.column_config.Column(heading)
    with st.container(key=key):
        st.dataframe(_floats(frame), hide_index=True, column_config=shown, placeholder=NOT_KNOWN)
    if len(frame) == questions.MOST_ROWS:
        st.caption(f"These are the first {questions.MOST_ROWS} rows.")


def show_channel(found: Answers, currency: str | None) -> None:  # noqa: ARG001
    """The main numbers, the leads of each week, the conversion of each lead channel, and what to write about."""
    if found["insight"].empty:
        st.info("This channel has no insight yet. Run zoho-pipeline transform.")
        return
    row = found["insight"].iloc[0]
    as_of = NOT_KNOWN if pd.isna(row.as_of_utc) else f"{row.as_of_utc:%Y-%m-%d %H:%M} UTC"
    st.caption(f"As of {as_of}. {STATUS.get(row.data_status, row.data_status)}")
    first, second, third, fourth = st.columns(4)
    first.metric("Leads this month", number(row.leads_this_month))
    first.caption(f"{number(row.leads_last_month_same_point)} at this point of last month")
    second.metric("Lead to deal within 30 days", percent(row.conversion_rate_30d))
    low, high = percent(row.conversion_rate_30d_ci_low), percent(row.conversion_rate_30d_ci_high)
    second.caption(f"95 % interval: {low} to {high}, of {number(row.conversion_rate_30d_n)} leads")
    third.metric("Median time to first contact", number(row.median_hours_to_first_contact, " h"))
    third.caption(f"{percent(row.contacted_rate)} of the leads of 90 days were contacted{_counts(found['contact'])}")
    fourth.metric("Leads without contact", number(row.n_uncontacted))
    fourth.caption(f"The oldest waits for {number(row.oldest_uncontacted_hours, ' h')}")
    st.subheader("Leads per week")
    weeks = found["weeks"]
    last, before = number(row.leads_last_4_weeks), number(row.leads_previous_4_weeks)
    st.caption(f"The last 4 weeks: {last} leads. The 4 weeks before: {before}. Trend: {_trend(row.trend_direction)}.")
    st.altair_chart(columns(weeks, "period_start", "n_leads", WORDS))
    with st.expander("The weeks as a table"):
        table("weeks", weeks)
    st.subheader("Conversion by lead channel")
    st.caption(f"{COHORT} The bars are 95 % intervals.")
    st.altair_chart(intervals(found["rates"], "lead_channel", WORDS))
    table("rates", found["rates"])
    st.subheader("What to write about")
    topics = [(row[f"suggested_topic_{n}"], row[f"suggested_topic_{n}_reason"]) for n in (1, 2, 3)]
    given = [(topic, reason) for topic, reason in topics if not pd.isna(topic)]
    if not given:
        st.info("There is no suggestion: no topic has enough leads yet.")
    for place, (topic, reason) in enumerate(given, start=1):
        with st.container(key=f"topic-{place}"):
            st.text(f"{place}. {topic}: {reason}")


def show_sources(found: Answers, currency: str | None) -> None:
    """Leads, deals and revenue of each source, and its conversion with an interval."""
    st.subheader("Leads by source")
    if found["sources"].empty:
        st.info("This channel has no leads.")
        return
    st.caption("All live leads, and what became of them until now.")
    st.altair_chart(bars(found["sources"].head(15), "lead_source", "n_leads", WORDS))
    table("sources", found["sources"], currency)
    st.subheader("Conversion by source")
    st.caption(f"{COHORT} The bars are 95 % intervals.")
    st.altair_chart(intervals(found["rates"].head(15), "lead_source", WORDS))
    table("rates", found["rates"])


def show_content(found: Answers, currency: str | None) -> None:
    """What each content item brought, by the attribution model last_touch."""
    st.subheader("Content by credited leads")
    if not found["none"].empty:
        row = found["none"].iloc[0]
        with st.container(key="none"):
            st.caption(
                f"{number(row.credited_leads)} leads and {number(row.credited_deals)} deals are credited to no content."
            )
    if found["content"].empty:
        st.info("No lead is credited to content. Load what you published: zoho-pipeline content load ID content.csv")
        return
    st.altair_chart(bars(found["content"].head(15), "title", "credited_leads", WORDS))
    st.caption("Credit by the model last_touch. Leads and conversion: those of them that are 30 to 60 days old.")
    table("content", found["content"], currency, n_leads="Leads, 30 to 60 days old")


def show_speed(found: Answers, currency: str | None) -> None:  # noqa: ARG001
    """How fast each owner makes the first contact, for the leads of the last 90 days."""
    if found["all"].empty:
        st.info("This channel has no leads.")
        return
    row = found["all"].iloc[0]
    st.caption("From the creation of a lead to the first contact. The leads of the last 90 days.")
    first, second, third, fourth = st.columns(4)
    first.metric("Median", number(row.median_contacted_hours, " h"))
    first.caption(f"of {number(row.n_contacted)} leads that were contacted")
    second.metric("Median, business hours", number(row.median_contacted_business_hours, " h"))
    second.caption(f"of {number(row.n_contacted)} leads that were contacted")
    third.metric("Within 24 hours", percent(row.within_24h_rate))
    third.caption(f"{number(row.n_leads)} leads in all")
    fourth.metric("Waiting", number(row.n_uncontacted))
    st.subheader("Speed to lead by owner")
    contacted = found["owners"].dropna(subset=["median_contacted_business_hours"])
    st.altair_chart(bars(contacted.head(30), "owner", "median_contacted_business_hours", WORDS))
    table("owners", found["owners"])


VIEWS = (
    View("Channel", "channel", questions.CHANNEL, show_channel),
    View("Sources", "sources", questions.SOURCES, show_sources),
    View("Content", "content", questions.CONTENT, show_content),
    View("Speed to lead", "speed", questions.SPEED, show_speed),
)


def _counts(contact: pd.DataFrame) -> str:
    """How many leads a share and a median are of: two leads are no proof."""
    if contact.empty:
        return ""
    row = contact.iloc[0]
    return f": {number(row.n_contacted)} of {number(row.n_leads)}"


def _trend(direction: Any) -> str:
    return "not known yet" if pd.isna(direction) else str(direction).replace("_", " ")


def _floats(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with floats for exact decimals: a browser has no other numbers."""
    decimals = {name: "float64" for name in frame if str(frame[name].dtype).startswith("decimal")}
    return frame.astype(decimals)

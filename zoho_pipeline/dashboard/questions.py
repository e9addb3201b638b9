"""The questions of the dashboard in SQL that DuckDB and Postgres both know, and their answers as pandas frames."""

from typing import TYPE_CHECKING

from zoho_pipeline.frames.convert import MAKERS, typed
from zoho_pipeline.reading.published import connect
from zoho_pipeline.settings import load_settings
from zoho_pipeline.warehouse.warehouse import open_warehouse

if TYPE_CHECKING:
    import pandas as pd

Answers = dict[str, "pd.DataFrame"]
MOST_ROWS = 200
"""The limit of the lists below. A table that has so many rows says that there may be more."""

CHANNELS = {"channels": "select channel_id, org_name, currency from channel order by channel_id"}

FIRST_CONTACT = """
    select n_leads, n_contacted, n_uncontacted, contacted_rate, median_contacted_hours,
        median_contacted_business_hours, within_1h_rate, within_24h_rate
    from time_to_first_contact as speed
    where channel_id = ? and dimension = 'all' and as_of_date =
        (select max(as_of_date) from channel_insight where channel_insight.channel_id = speed.channel_id)
"""
"""The first contact of all leads of a channel, of which two views show a part."""

CHANNEL = {
    "insight": """
        select as_of_utc, data_status, leads_this_month, leads_last_month_same_point, leads_last_4_weeks,
            leads_previous_4_weeks, trend_direction, conversion_rate_30d, conversion_rate_30d_ci_low,
            conversion_rate_30d_ci_high, conversion_rate_30d_n, median_hours_to_first_contact, contacted_rate,
            n_uncontacted, oldest_uncontacted_hours, suggested_topic_1, suggested_topic_1_reason, suggested_topic_2,
            suggested_topic_2_reason, suggested_topic_3, suggested_topic_3_reason
        from channel_insight where channel_id = ? order by as_of_date desc limit 1
    """,
    "contact": FIRST_CONTACT,
    "weeks": """
        select period_start, n_leads, is_partial from lead_volume
        where channel_id = ? and grain = 'week' order by period_start desc limit 26
    """,
    "rates": """
        select dimension_label as lead_channel, n_leads, n_converted, conversion_rate, ci_low, ci_high
        from conversion_rate_headline as rate
        where channel_id = ? and dimension = 'lead_channel' and n_leads > 0 and as_of_date =
            (select max(as_of_date) from channel_insight where channel_insight.channel_id = rate.channel_id)
        order by n_leads desc, dimension_value
    """,
}
SOURCES = {
    "sources": """
        select
            lead_source,
            count(*) as n_leads,
            sum(case when has_deal then 1 else 0 end) as n_with_deal,
            sum(case when is_won then 1 else 0 end) as n_won,
            sum(won_revenue_originating) as won_revenue
        from lead_source_attribution where channel_id = ?
        group by lead_source order by n_leads desc, lead_source limit 200
    """,
    "rates": """
        select dimension_label as lead_source, n_leads, n_converted, conversion_rate, ci_low, ci_high
        from conversion_rate_headline as rate
        where channel_id = ? and dimension = 'lead_source' and n_leads > 0 and as_of_date =
            (select max(as_of_date) from channel_insight where channel_insight.channel_id = rate.channel_id)
        order by n_leads desc, dimension_value limit 200
    """,
}
CONTENT = {
    "content": """
        select title, content_type, credited_leads, credited_deals, credited_won_deals, won_revenue,
            n_leads, conversion_rate, ci_low, ci_high
        from content_performance_default
        where channel_id = ? and content_id <> '(none)' and credited_leads > 0
        order by credited_leads desc, content_id limit 200
    """,
    "none": """
        select credited_leads, credited_deals, won_revenue from content_performance_default
        where channel_id = ? and content_id = '(none)'
    """,
}
SPEED = {
    "owners": """
        select dimension_label as owner, n_leads, n_contacted, n_uncontacted, contacted_rate,
            median_contacted_hours, median_contacted_business_hours, within_1h_rate, within_24h_rate,
            oldest_uncontacted_hours
        from time_to_first_contact as speed
        where channel_id = ? and dimension = 'owner' and n_leads > 0 and as_of_date =
            (select max(as_of_date) from channel_insight where channel_insight.channel_id = speed.channel_id)
        order by n_leads desc, dimension_value limit 200
    """,
    "all": FIRST_CONTACT,
}


def ask(questions: dict[str, str], channel_id: str | None = None) -> Answers:
    """The answers of some questions under their names, with the types of `read_mart`.

    All of them are of one publication. The published file is open only as long as that takes: while somebody has it
    open, each publication must copy the whole file.

    Args:
        questions: name → one SELECT, in which marts need no schema.
        channel_id: the value of the mark `?` of each question. None: the questions have no mark.

    Raises:
        SettingsError: a setting is wrong. NotPublished: no transform has run yet.
        SqlError: the engine refused a question, for example because the marts are older than this program.
    """
    given = [] if channel_id is None else [channel_id]
    with connect(open_warehouse(load_settings())) as connection:
        return {name: MAKERS["pandas"](typed(connection.arrow(sql, given))) for name, sql in questions.items()}

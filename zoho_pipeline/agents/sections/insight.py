"""`get_insight`: the main numbers of a channel, in words and as numbers."""

from typing import Any

from zoho_pipeline.agents.model import Insight, InsightNumbers, SourceCount, Suggestion
from zoho_pipeline.agents.sections.reading import CORRELATION, SMALL_GROUPS, Reading, percent
from zoho_pipeline.agents.sections.sources import top_of
from zoho_pipeline.agents.sections.topics import read_topics, reason, topic_name
from zoho_pipeline.agents.suppression import is_small
from zoho_pipeline.agents.untrusted import quoted

DEFINITIONS = {
    "leads_this_month": "Leads created from the local start of the month to as_of.",
    "leads_last_month_same_point": "Leads of last month up to the same day and time of day.",
    "conversion_rate_30d": "The share with a deal within 30 days, of the leads created 60 to 30 days before as_of.",
    "contacted_rate": "The share that had a contact, of the contacted and waiting leads of the last 90 days.",
    "median_hours_to_first_contact": "The median over contacted leads only, so it looks better than it is.",
    "trend_direction": "The last four full weeks against the four before, by a test that knows how weeks scatter.",
    "suggested_topics": "Topics whose leads got deals more often than all leads of the channel.",
}
_SMALL_SAMPLE = 30
_INSIGHT = "select * from channel_insight where channel_id = ? and as_of_date = ?"
_RATES = """
select definition, n_leads from conversion_rate
where channel_id = ? and as_of_date = ? and stage = 'deal' and dimension = 'all'
"""
_CONTACTS = """
select n_contacted, n_uncontacted from time_to_first_contact
where channel_id = ? and as_of_date = ? and dimension = 'all'
"""
_COUNTS = (
    *("leads_this_month", "leads_last_month_same_point", "leads_last_month_full", "leads_change_rate", "change_status"),
    *("trend_direction", "trend_dispersion", "conversion_cohort_from", "conversion_cohort_to", "leads_last_4_weeks"),
    *("leads_previous_4_weeks", "conversion_rate_30d_n", "n_uncontacted"),
)
_MATURED = ("conversion_rate_30d", "conversion_rate_30d_x", "conversion_rate_30d_ci_low", "conversion_rate_30d_ci_high")
_TIMES = ("avg_hours_to_first_contact", "median_hours_to_first_contact", "km_median_hours_to_first_contact")


def insight(reading: Reading) -> tuple[Insight, int]:
    """The newest insight, and the number of rows (0 or 1)."""
    key = (reading.channel_id, reading.as_of_date)
    rows = reading.rows(_INSIGHT, key)
    row = rows[0] if rows else {}
    numbers = _numbers(reading, row)
    sources, other = top_of(row) if row else ([], None)
    suggested = [found for found in read_topics(reading) if found["is_suggested"] and not found["is_hidden"]]
    answer = Insight(
        words=_words(numbers, sources, row.get("top_sources_period")) if row else "There are no numbers yet.",
        numbers=numbers,
        top_sources_period=row.get("top_sources_period"),
        top_sources=[SourceCount(source=name, n_leads=number) for name, number in sources],
        other_sources_leads=other,
        unknown_source_leads=row.get("unknown_source_leads"),
        suggested_topics=[Suggestion(topic=topic_name(found), reason=reason(found)) for found in suggested],
        topic_status=row.get("topic_status"),
        definitions=DEFINITIONS,
        caveats=[*reading.caveats(), *_sample(numbers), CORRELATION, SMALL_GROUPS],
    )
    return answer, len(rows)


def _numbers(reading: Reading, row: dict[str, Any]) -> InsightNumbers:
    key = (reading.channel_id, reading.as_of_date)
    sizes = {found["definition"]: found["n_leads"] for found in reading.rows(_RATES, key)}
    contacts = next(iter(reading.rows(_CONTACTS, key)), {"n_contacted": None, "n_uncontacted": None})
    shown: dict[str, Any] = {name: row.get(name) for name in _COUNTS}
    few = is_small(shown["conversion_rate_30d_n"])
    shown |= {name: None if few else row.get(name) for name in _MATURED}
    for name, definition in (("rolling", "rolling_30d"), ("km", "km_30d")):
        column = f"conversion_rate_30d_{name}"
        shown[column] = None if is_small(sizes.get(definition)) else row.get(column)
    few_contacted = is_small(contacts["n_contacted"])
    shown |= {name: None if few_contacted else row.get(name) for name in _TIMES}
    judged = (contacts["n_contacted"] or 0) + (contacts["n_uncontacted"] or 0)
    shown["contacted_rate"] = None if is_small(judged) else row.get("contacted_rate")
    # the age of the lead that waits longest is its time of creation, so it is shown to the day, and within a group only
    oldest = row.get("oldest_uncontacted_hours")
    is_hidden = oldest is None or not shown["n_uncontacted"] or is_small(shown["n_uncontacted"])
    shown["oldest_uncontacted_days"] = None if is_hidden or oldest is None else int(float(oldest) // 24)
    return InsightNumbers(**shown)


def _sample(numbers: InsightNumbers) -> list[str]:
    size = numbers.conversion_rate_30d_n
    if size is None or size >= _SMALL_SAMPLE:
        return []
    return [f"The conversion rate counts {size} leads only, which is a small sample."]


def _cohort(found: InsightNumbers) -> str:
    if found.conversion_cohort_from is None or found.conversion_cohort_to is None:
        return ""
    return f"; they came from {found.conversion_cohort_from} to {found.conversion_cohort_to}"


def _words(found: InsightNumbers, sources: list[tuple[str, int]], period: str | None) -> str:
    parts = []
    if found.leads_this_month is not None:
        against = f", against {found.leads_last_month_same_point} up to the same point of last month"
        parts.append(f"{found.leads_this_month} leads came this month{against}.")
    if sources:
        listed = ", ".join(f"{quoted(name, 'no name')} {number}" for name, number in sources)
        parts.append(f"The sources with the most leads {(period or 'this_month').replace('_', ' ')}: {listed}.")
    if found.conversion_rate_30d is not None:
        low, high = found.conversion_rate_30d_ci_low, found.conversion_rate_30d_ci_high
        between = "" if low is None or high is None else f", 95 % interval {percent(low)} to {percent(high)}"
        parts.append(
            f"{found.conversion_rate_30d_x} of {found.conversion_rate_30d_n} leads got a deal within 30 days "
            f"({percent(found.conversion_rate_30d)}{between}){_cohort(found)}."
        )
    if found.median_hours_to_first_contact is not None:
        parts.append(f"The median time to first contact is {found.median_hours_to_first_contact:g} hours.")
    if found.n_uncontacted:
        parts.append(f"{found.n_uncontacted} leads wait for a first contact.")
    return " ".join(parts) or "There are no numbers yet."

"""What the channel's page shows, computed from the fields of the API alone: sentences, charts and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoho_pipeline.web.api.channel_model import ChannelState
from zoho_pipeline.web.pages.charts import FEW, Bars, Whisker, bars_of_weeks, shares, whiskers
from zoho_pipeline.web.pages.formats import day, hours, moment, percent, plural, short_moment, whole

MOST_ROWS = 8
"""Rows of a chart: more would not be read."""

SMALL = 30
"""With fewer leads the page shows the range of a rate, and no rate that looks exact."""

_TRENDS = {
    "up": "More leads came in the last four full weeks than in the four before.",
    "down": "Fewer leads came in the last four full weeks than in the four before.",
    "flat": "About as many leads came in the last four full weeks as in the four before.",
}
_TOPICS = {
    "insufficient_data": "Too few leads per topic are old enough to compare.",
    "no_conversions_in_matured_cohort": "No lead that is old enough has a deal yet, so no topic is better.",
    "no_matured_leads": "No lead is old enough yet to compare topics.",
}
_TOO_FEW = "Each source has few leads so far, so these ranges overlap: do not rank the sources by them yet."


@dataclass(frozen=True)
class Number:
    """A number with what it counts."""

    label: str
    value: str
    note: str | None
    counts: str


@dataclass(frozen=True)
class InsightView:
    """The part of the page that is made of the insight."""

    weeks: Bars | None
    weeks_words: str
    conversion: str
    conversion_note: str
    rates: Sequence[Whisker]
    rates_end: float
    rates_words: str
    sources: Sequence[tuple[str, int, float, float]]
    sources_words: str
    channels: Sequence[tuple[str, int, float, float]]
    contact: Sequence[str]
    topics: Sequence[Whisker]
    topics_end: float
    topics_words: str
    suggestions: Sequence[tuple[str, str]]


def numbers(state: ChannelState, insight: Mapping[str, Any]) -> list[Number]:
    """The four numbers at the top of the page. The connection itself is the line above them.

    Args:
        insight: see `PageNumbers`; empty where there is none.
    """
    counts, zone, currency = state.leads, state.timezone, state.currency
    newer = counts.newer_than_as_of or 0
    later = f"and {whole(newer, currency)} newer, not counted yet" if newer else None
    at = f"As of {moment(state.as_of, zone)}." if state.as_of else "There are no numbers yet."
    return [
        Number(
            "Leads this month",
            whole(counts.this_month, currency),
            _change(state),
            f"Leads created since the first of the month, local time of {zone}. {at}",
        ),
        Number(
            "Leads imported",
            whole(counts.total, currency),
            later,
            f"Leads that exist in Zoho today, converted ones included, deleted ones not. {at}",
        ),
        _waiting(insight, currency, at),
        Number(
            "Last sync",
            short_moment(state.last_sync.complete_at, zone),
            None if state.last_sync.complete_at else "never finished",
            f"All changes in Zoho before this time are imported. Local time of {zone}.",
        ),
    ]


def _waiting(insight: Mapping[str, Any], currency: str | None, at: str) -> Number:
    total = _first_contact(insight)
    waiting, oldest = total.get("n_uncontacted"), total.get("oldest_uncontacted_hours")
    note = f"the longest for {hours(oldest)}" if waiting and oldest is not None else None
    counts = f"Leads of the last 90 days that nobody called, met or wrote to yet, and that are not converted. {at}"
    return Number("Waiting for a first contact", whole(waiting, currency), note, counts)


def _first_contact(insight: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row of all leads in `time_to_first_contact`; empty where there is none."""
    found: Mapping[str, Any] = next(iter(insight.get("first_contact", ())), {})
    return found


def _change(state: ChannelState) -> str | None:
    now, then, rate = state.leads.this_month, state.leads.last_month_same_point, state.leads.change_rate
    if now is None or then is None:
        return None
    by = "by this point last month"
    if not then:
        return f"none {by}"
    if not rate:
        return f"as many as {by}"
    word = "more" if rate > 0 else "fewer"
    return f"{percent(abs(rate))} {word} than the {whole(then, state.currency)} {by}"


def insight_view(insight: Mapping[str, Any], currency: str | None) -> InsightView:
    """The view of an insight that has numbers, as `read_page_numbers` reads it."""
    rates, end = whiskers(_source_rates(insight))
    topics, topics_end = whiskers(_topic_rates(insight))
    sources, sources_words = _sources(insight)
    found = bars_of_weeks(insight["weeks"])
    return InsightView(
        weeks=found,
        weeks_words=_weeks(found, insight["trend_direction"], currency),
        conversion=_conversion(insight, currency),
        conversion_note=_conversion_note(insight),
        rates=rates,
        rates_end=end,
        rates_words=_TOO_FEW if rates and all(row.is_uncertain for row in rates) else "",
        sources=sources,
        sources_words=sources_words,
        channels=shares([(row["lead_channel"], row["n_leads"]) for row in insight["lead_channels"]]),
        contact=_contact(insight, currency),
        topics=topics,
        topics_end=topics_end,
        topics_words=_TOPICS.get(str(insight["topic_status"]), ""),
        suggestions=_suggestions(insight, currency),
    )


def _weeks(bars: Bars | None, trend: str, currency: str | None) -> str:
    if bars is None:
        return "There is no week to show."
    full = [bar.count for bar in bars.bars if not bar.is_running]
    if not full:
        return "No week is over yet."
    low, high = min(full), max(full)
    span = whole(high, currency) if low == high else f"{whole(low, currency)} to {whole(high, currency)}"
    span = f"{span} {plural(high, 'lead')} per full week."
    return f"{span} {_TRENDS.get(trend, 'There are too few leads to show a trend.')}"


def _conversion(insight: Mapping[str, Any], currency: str | None) -> str:
    n, x = insight["conversion_rate_30d_n"], insight["conversion_rate_30d_x"]
    if x is None:
        return "It is unknown which leads got a deal: deals cannot be read."
    if not n:
        return "No lead is 30 days old yet, so there is nothing to measure."
    first, last = insight.get("conversion_cohort_from"), insight.get("conversion_cohort_to")
    came = f" that came from {day(str(first))} to {day(str(last))}" if first and last else ""
    return f"{whole(x, currency)} of {whole(n, currency)} leads{came} got a deal within 30 days."


def _conversion_note(insight: Mapping[str, Any]) -> str:
    rate, n = insight["conversion_rate_30d"], insight["conversion_rate_30d_n"]
    if rate is None or insight["conversion_rate_30d_x"] is None or n < FEW:
        return ""
    low, high = insight["conversion_rate_30d_ci_low"], insight["conversion_rate_30d_ci_high"]
    if n < SMALL:
        return f"With 95 % confidence, the rate lies between {percent(low, n)} and {percent(high, n)}."
    return f"{percent(rate, n)}; with 95 % confidence between {percent(low, n)} and {percent(high, n)}."


def _source_rates(insight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rates of the sources with the most leads, and the counts of all others together."""
    rows = [row for row in insight["source_rates"] if row["n_converted"] is not None and row["n_leads"]]
    rows.sort(key=lambda row: (-row["n_leads"], row["dimension_value"]))
    shown_rows = [_rate(row["dimension_value"], row, row["display_status"] != "ok") for row in rows[:MOST_ROWS]]
    rest = rows[MOST_ROWS:]
    return [*shown_rows, _rest(rest)] if rest else shown_rows


def _rest(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Other sources together. They are unlike each other, so they have counts and no rate."""
    n, x = (sum(row[column] for row in rows) for column in ("n_leads", "n_converted"))
    unknown = dict.fromkeys(("conversion_rate", "ci_low", "ci_high"))
    label = f"{len(rows)} other {plural(len(rows), 'source')}"
    return _rate(label, {**unknown, "n_leads": n, "n_converted": x}, True)


def _topic_rates(insight: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = [row for row in insight["topic_rates"] if row["n_converted"] is not None and row["n_leads"]]
    rows.sort(key=lambda row: (-row["n_leads"], row["topic"]))
    return [_rate(row["topic"], row, row["n_leads"] < SMALL) for row in rows[:MOST_ROWS]]


def _rate(label: str, row: Mapping[str, Any], is_uncertain: bool) -> dict[str, Any]:
    return {
        "label": label,
        "rate": row["conversion_rate"],
        "low": row["ci_low"],
        "high": row["ci_high"],
        "n": row["n_leads"],
        "x": row["n_converted"],
        "is_uncertain": is_uncertain,
    }


def _sources(insight: Mapping[str, Any]) -> tuple[list[tuple[str, int, float, float]], str]:
    named = [(str(insight[f"top_source_{n}"]), insight[f"top_source_{n}_leads"]) for n in (1, 2, 3)]
    counts = [(name, count) for name, count in named if name != "None" and count]
    rest = (("Other sources", insight["other_sources_leads"]), ("Unknown", insight["unknown_source_leads"]))
    counts += [(name, count) for name, count in rest if count]
    if not counts:
        return [], "There are no leads, so there are no sources."
    month = "last month; this month has none yet" if insight["top_sources_period"] == "last_month" else "this month"
    return shares(counts), f"Where the leads of {month} came from."


def _contact(insight: Mapping[str, Any], currency: str | None) -> list[str]:
    total = _first_contact(insight)
    if not total.get("n_leads"):
        return ["No lead came in the last 90 days."]
    if total["n_contacted"] is None:
        return ["It is unknown when leads were contacted: no activity can be read."]
    contacted = total["n_contacted"]
    judged = contacted + (total.get("n_uncontacted") or 0)
    lines = [f"{whole(contacted, currency)} of {whole(judged, currency)} leads of the last 90 days were contacted."]
    if insight["median_hours_to_first_contact"] is not None:
        lines.append(f"Half of these waited less than {hours(insight['median_hours_to_first_contact'])}.")
    waiting = total.get("n_uncontacted") or 0
    if waiting:
        oldest = total.get("oldest_uncontacted_hours")
        longest = f"; the longest has waited for {hours(oldest)}" if oldest is not None else ""
        verb = "waits" if waiting == 1 else "wait"
        lines.append(f"{whole(waiting, currency)} {plural(waiting, 'lead')} still {verb}{longest}.")
    others = (total.get("n_contact_before_creation") or 0) + (total.get("n_converted_without_contact") or 0)
    if others:
        kinds = "contacted before Zoho knew them, or converted without a contact"
        lines.append(
            f"{whole(others, currency)} more {plural(others, 'lead')} {'was' if others == 1 else 'were'} {kinds}."
        )
    return lines


def _suggestions(insight: Mapping[str, Any], currency: str | None) -> list[tuple[str, str]]:
    """Topics that go with more deals, and why, in two short sentences. The mart's own reason is for analysts."""
    rows = {row["topic"]: row for row in insight["topic_rates"]}
    names = [str(insight[f"suggested_topic_{n}"]) for n in (1, 2, 3) if insight[f"suggested_topic_{n}"]]
    return [(name, _reason(rows[name], currency)) for name in names if name in rows]


def _reason(row: Mapping[str, Any], currency: str | None) -> str:
    x, n, tested = whole(row["n_converted"], currency), whole(row["n_leads"], currency), row.get("n_topics_tested")
    among = f" among the {whole(tested, currency)} topics that were compared" if tested and tested > 1 else ""
    strength = (
        f"Chance alone rarely does that{among}."
        if row["evidence"] == "strong"
        else f"It is only a hint: chance alone can do that{among}."
    )
    rest = row.get("rest_rate")
    others = f"of all leads {percent(row['base_rate'])}" if rest is None else f"of the other leads {percent(rest)}"
    return f"{x} of {n} leads got a deal; {others} did. {strength}"

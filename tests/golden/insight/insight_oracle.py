"""The numbers of the insight in plain Python, written from the specification, with exact fractions.

It uses no SQL and shares nothing with the models.
The input is the known data of each lead. The output has the columns of the marts.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.golden.statistics.statistics_oracle import fisher, greenwood, holm, survival, trend, weekly, wilson

DAY = 86_400
NONE = "(none)"
LEAD_CHANNELS = (
    "Paid Search", "Organic Search", "Paid Social", "Organic Social", "Paid Video", "Organic Video", "Paid Other",
    "Email", "SMS", "Affiliates", "Display", "Audio", "Referral", "Direct", "Offline", "Unknown",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A content item of the catalogue."""

    content_id: str
    content_type: str
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Lead:
    """What is known of a lead. Instants are UTC. `contacts` are the times of its outbound calls."""

    lead_id: str
    created: datetime
    source: str
    item: Item | None = None
    converted: datetime | None = None
    linked: datetime | None = None
    won: datetime | None = None
    contacts: tuple[datetime, ...] = ()
    channel: str = "Offline"
    campaign: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Channel:
    """A channel with everything that the insight needs."""

    channel_id: str
    as_of: datetime
    timezone: str
    items: tuple[Item, ...]
    leads: tuple[Lead, ...]

    def local(self, instant: datetime) -> datetime:
        return instant.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)

    def age(self, lead: Lead) -> int:
        return int((self.as_of - lead.created).total_seconds())

    def younger_than(self, days: int) -> list[Lead]:
        return [lead for lead in self.leads if 0 <= self.age(lead) < days * DAY]


def percentile(values: Sequence[int], share: Fraction) -> Fraction:
    """Interpolate between the two neighbours of the position share × (n − 1)."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def hours(seconds: Fraction | int | None) -> Decimal | None:
    if seconds is None:
        return None
    exact = Fraction(seconds) / 3600
    with_digits = Decimal(exact.numerator * 10**12 // exact.denominator).scaleb(-12)  # far smaller than any half
    return with_digits.quantize(Decimal("0.01"), ROUND_HALF_UP)


def campaign(channel: Channel, lead: Lead) -> str:
    """Return the campaign of a lead in its most frequent spelling; of equally frequent ones, in the smallest."""
    if lead.campaign is None or lead.campaign.lower() == NONE:
        return NONE
    spelt = [other.campaign for other in channel.leads if other.campaign]
    same = [name for name in spelt if name.lower() == lead.campaign.lower()]
    return min(set(same), key=lambda name: (-same.count(name), name))


def memberships(channel: Channel, lead: Lead) -> list[tuple[str, str]]:
    item = lead.item
    topics = item.topics if item and item.topics else (NONE,)
    return [
        ("all", "all"),
        ("lead_source", lead.source),
        ("lead_channel", lead.channel),
        ("campaign", campaign(channel, lead)),
        ("owner", lead.owner or NONE),
        ("content_type", item.content_type if item else NONE),
        ("content", item.content_id if item else NONE),
        *(("topic", topic) for topic in topics),
    ]


def values(channel: Channel) -> set[tuple[str, str]]:
    """Return every (dimension, value) that must have a row."""
    found = {("all", "all"), *((name, NONE) for name in ("content_type", "content", "topic", "campaign", "owner"))}
    found |= {("lead_channel", name) for name in LEAD_CHANNELS}
    found |= {("lead_source", lead.source) for lead in channel.leads}
    found |= {("campaign", campaign(channel, lead)) for lead in channel.leads}
    found |= {("owner", lead.owner or NONE) for lead in channel.leads}
    for item in channel.items:
        found |= {("content", item.content_id), ("content_type", item.content_type)}
        found |= {("topic", topic) for topic in item.topics}
    return found


def reached(channel: Channel, lead: Lead, stage: str) -> int | None:
    """Return the seconds from creation to the stage if it was reached by as_of."""
    instant = {"any_conversion": lead.converted, "deal": lead.linked, "won": lead.won}[stage]
    if instant is None or instant > channel.as_of:
        return None
    return max(0, int((instant - lead.created).total_seconds()))


def _reaching(channel: Channel, leads: Iterable[Lead], stage: str, limit: float = math.inf) -> int:
    """Return how many leads reached the stage within `limit` seconds of their creation."""
    times = (reached(channel, lead, stage) for lead in leads)
    return sum(1 for seconds in times if seconds is not None and seconds <= limit)


def _km_rate(
    channel: Channel, leads: Sequence[Lead], stage: str
) -> tuple[float | None, tuple[float, float] | tuple[None, None]]:
    """Return the Kaplan-Meier rate at 30 days and its interval."""
    observations = []
    for lead in leads:
        seconds = reached(channel, lead, stage)
        if seconds is not None and seconds <= 30 * DAY:
            observations.append((seconds, True))
        else:
            observations.append((min(channel.age(lead), 30 * DAY), False))
    curve = survival(observations)
    last = curve[-1][1] if curve else Fraction(1)
    followed = max((seconds for seconds, _ in observations), default=0) >= 30 * DAY
    if not followed and last != 0:
        return None, (None, None)
    return float(1 - last), greenwood(observations) or (None, None)


def conversion_rate(channel: Channel) -> dict[tuple[str, str, str, str], tuple[Any, ...]]:
    """Return (stage, definition, dimension, value) → n, x, rate, low, high, immature, status."""
    rows = {}
    for dimension, value in values(channel):
        whole = [lead for lead in channel.younger_than(180) if (dimension, value) in memberships(channel, lead)]
        here = [lead for lead in whole if channel.age(lead) < 90 * DAY]
        young = [lead for lead in here if channel.age(lead) < 30 * DAY]
        matured = [lead for lead in here if 30 * DAY <= channel.age(lead) < 60 * DAY]
        wide = [lead for lead in here if channel.age(lead) >= 30 * DAY]
        old = [lead for lead in whole if channel.age(lead) >= 90 * DAY]
        for stage in ("any_conversion", "deal", "won"):
            counted = {
                "matured_30d": (len(matured), _reaching(channel, matured, stage, 30 * DAY), 0),
                "matured_30d_wide": (len(wide), _reaching(channel, wide, stage, 30 * DAY), 0),
                "matured_90d": (len(old), _reaching(channel, old, stage, 90 * DAY), 0),
                "rolling_30d": (len(young), _reaching(channel, young, stage), len(young)),
                "km_30d": (len(here), _reaching(channel, here, stage, 30 * DAY), len(young)),
                "ever": (len(here), _reaching(channel, here, stage), len(young)),
            }
            for definition, (n, x, immature) in counted.items():
                rate = x / n if n else None
                low, high = (None, None) if rate is None else wilson(rate, n)
                if definition == "km_30d":
                    rate, (low, high) = _km_rate(channel, here, stage) if n else (None, (None, None))
                status = "no_leads" if n == 0 else "insufficient" if n < 5 else "small_sample" if n < 30 else "ok"
                rows[stage, definition, dimension, value] = (n, x, rate, low, high, immature, status)
    return rows


@dataclass(frozen=True)
class Contact:
    """The first contact of a lead, and how long the lead was observed."""

    seconds: int | None
    observed: int | None
    status: str


def first_contact(channel: Channel, lead: Lead) -> Contact:
    happened = [instant for instant in lead.contacts if instant <= channel.as_of]
    if happened:
        seconds = int((min(happened) - lead.created).total_seconds())
        if seconds < -300:
            return Contact(None, None, "early")
        return Contact(max(0, seconds), max(0, seconds), "contacted")
    if lead.converted and lead.converted <= channel.as_of:
        return Contact(None, None, "converted")
    return Contact(None, channel.age(lead), "waiting")


def time_to_first_contact(channel: Channel) -> dict[tuple[str, str], dict[str, Any]]:
    rows = {}
    for dimension, value in values(channel):
        here = [lead for lead in channel.younger_than(90) if (dimension, value) in memberships(channel, lead)]
        seen = [(channel.age(lead), first_contact(channel, lead)) for lead in here]
        times = [contact.seconds for _, contact in seen if contact.seconds is not None]
        clocked = [(age, contact) for age, contact in seen if contact.observed is not None]
        waits = [contact.observed or 0 for _, contact in seen if contact.status == "waiting"]
        statuses = [contact.status for _, contact in seen]
        curve = survival([(contact.observed or 0, contact.seconds is not None) for _, contact in clocked])
        half = next((moment for moment, s in curve if s <= Fraction(1, 2)), None)
        rows[dimension, value] = {
            "n_leads": len(here),
            "n_contacted": len(times),
            "contacted_rate": len(times) / len(clocked) if clocked else None,
            "avg_contacted_hours": hours(Fraction(sum(times), len(times))) if times else None,
            "median_contacted_hours": hours(percentile(times, Fraction(1, 2))) if times else None,
            "p95_contacted_hours": hours(percentile(times, Fraction(95, 100))) if times else None,
            "km_median_hours": hours(half),
            "km_median_status": "no_leads" if not clocked else "ok" if half is not None else "not_reached",
            "within_1h_rate": _within(clocked, 3600),
            "within_24h_rate": _within(clocked, DAY),
            "n_uncontacted": len(waits),
            "n_contact_before_creation": statuses.count("early"),
            "n_converted_without_contact": statuses.count("converted"),
            "oldest_uncontacted_hours": hours(max(waits)) if waits else None,
        }
    return rows


def _within(clocked: Sequence[tuple[int, Contact]], limit: int) -> float | None:
    old = [contact for age, contact in clocked if age >= limit]
    return sum(1 for c in old if c.seconds is not None and c.seconds <= limit) / len(old) if old else None


def month_start(moment: datetime, back: int = 0) -> datetime:
    months = moment.year * 12 + moment.month - 1 - back
    return datetime.combine(date(months // 12, months % 12 + 1, 1), time())


def lead_volume(channel: Channel) -> dict[tuple[str, date], tuple[int, bool]]:
    """Return (grain, first day) → leads, running."""
    now = channel.local(channel.as_of)
    locals_ = [channel.local(lead.created) for lead in channel.leads]
    rows = {}
    for grain, start, longest in (("week", _monday, 7), ("month", _first_of_month, 31)):
        day = min([start(moment) for moment in locals_] or [start(now)])
        while day <= start(now):
            rows[grain, day] = (sum(1 for moment in locals_ if start(moment) == day), day == start(now))
            day = start(datetime.combine(day, time()) + timedelta(longest))
    return rows


def _first_of_month(moment: datetime) -> date:
    return moment.date().replace(day=1)


def _monday(moment: datetime) -> date:
    return moment.date() - timedelta(moment.weekday())


def topics(channel: Channel, min_leads: int = 5) -> dict[str, dict[str, Any]]:
    matured = [lead for lead in channel.younger_than(90) if channel.age(lead) >= 30 * DAY]
    base = Fraction(_reaching(channel, matured, "deal", 30 * DAY), len(matured)) if matured else None
    rows: dict[str, dict[str, Any]] = {}
    for topic in {topic for item in channel.items for topic in item.topics}:
        here = [lead for lead in matured if lead.item and topic in lead.item.topics]
        n, x = len(here), _reaching(channel, here, "deal", 30 * DAY)
        shrunk = (x + 10 * base) / (n + 10) if base is not None else None
        lift = shrunk / base if shrunk is not None and base else None
        rest = [lead for lead in matured if lead not in here]
        p = fisher(x, n, x + _reaching(channel, rest, "deal", 30 * DAY), len(matured)) if n >= min_leads else None
        low, high = wilson(x / n, n) if n else (None, None)
        rows[topic] = {
            "n_leads": n,
            "n_converted": x,
            "conversion_rate": x / n if n else None,
            "base_rate": base,
            "rest_rate": Fraction(_reaching(channel, rest, "deal", 30 * DAY), len(rest)) if rest else None,
            "n_content": len({lead.item for lead in here}),
            "p_value": p,
            "ci_low": low,
            "ci_high": high,
            "shrunk_rate": shrunk,
            "lift": lift,
            "single_item": len({lead.item for lead in here}) == 1,
            "candidate": n >= min_leads and x >= 1 and lift is not None and lift > 1,
        }
    tested = {topic: row["p_value"] for topic, row in rows.items() if row["p_value"] is not None}
    strong = holm(tested)
    for topic, row in rows.items():
        row["n_topics_tested"] = len(tested)
        row["evidence"] = "strong" if topic in strong else "directional"
    ranked = sorted(
        (topic for topic in rows if rows[topic].pop("candidate")),
        key=lambda t: (rows[t]["evidence"] != "strong", -(rows[t]["lift"] or 0), -rows[t]["n_leads"], t),
    )
    for topic, row in rows.items():
        row["suggestion_rank"] = ranked.index(topic) + 1 if topic in ranked[:3] else None
        row["is_suggested"] = topic in ranked[:3]
    return rows


def insight(channel: Channel) -> dict[str, Any]:
    now = channel.local(channel.as_of)
    created = [(channel.local(lead.created), lead.source) for lead in channel.leads]
    this_month, last_month = month_start(now), month_start(now, 1)
    last_day = (this_month - timedelta(1)).day
    point = now.replace(year=last_month.year, month=last_month.month, day=min(now.day, last_day))
    this = [source for moment, source in created if moment >= this_month]
    last = [source for moment, source in created if last_month <= moment < this_month]
    same = sum(1 for moment, _ in created if last_month <= moment < this_month and moment <= point)
    chosen = this or last
    known = sorted({s for s in chosen if s != "Unknown"}, key=lambda s: (-chosen.count(s), s))
    monday = datetime.combine(_monday(now), time())
    weeks = weekly([moment for moment, _ in created], monday)
    direction, scatter = trend(weeks)
    day_60, day_30 = (channel.local(channel.as_of - timedelta(days)).date() for days in (60, 30))
    row: dict[str, Any] = {
        "leads_this_month": len(this),
        "leads_last_month_same_point": same,
        "leads_last_month_full": len(last),
        "leads_change_rate": (len(this) - same) / same if same else None,
        "change_status": "ok" if same else "new" if this else "no_leads_either_month",
        "top_sources_period": "this_month" if this else "last_month",
        "top_sources_tie_at_cutoff": len(known) > 3 and chosen.count(known[3]) == chosen.count(known[2]),
        "other_sources_leads": sum(map(chosen.count, known[3:])),
        "unknown_source_leads": chosen.count("Unknown"),
        "trend_direction": direction,
        "trend_dispersion": scatter,
        "leads_last_4_weeks": sum(weeks[4:]),
        "leads_previous_4_weeks": sum(weeks[:4]),
        "conversion_cohort_from": day_60,
        "conversion_cohort_to": day_30,
        "topic_status": _topic_status(channel),
    }
    for place in range(3):
        row[f"top_source_{place + 1}"] = known[place] if place < len(known) else None
        row[f"top_source_{place + 1}_leads"] = chosen.count(known[place]) if place < len(known) else None
    return row


def _topic_status(channel: Channel) -> str:
    matured = [lead for lead in channel.younger_than(90) if channel.age(lead) >= 30 * DAY]
    if not matured:
        return "no_matured_leads"
    if not _reaching(channel, matured, "deal", 30 * DAY):
        return "no_conversions_in_matured_cohort"
    return "ok" if any(row["is_suggested"] for row in topics(channel).values()) else "insufficient_data"

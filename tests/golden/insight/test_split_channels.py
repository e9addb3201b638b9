"""A channel split into two: counts and sums of the halves add up to those of the whole, and no fact of a lead changes.

Each half has the catalogue, the settings and the clock of the whole, and the leads of the whole are divided by chance.
Rates, medians and intervals do not add up; a rate of the whole is the quotient of its added counts.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.golden.insight.insight_oracle import Channel
from tests.golden.insight.insight_world import Row
from tests.golden.insight.random_channels import NOON, random_channel, raw_of
from tests.golden.sql_lab import SqlLab

CHANNELS = [random_channel(seed) for seed in range(2000, 2040)]
Marts = dict[str, list[Row]]

ADDED = {
    "conversion_rate": (
        ("stage", "definition", "dimension", "dimension_value"),
        ("n_leads", "n_converted", "n_immature"),
    ),
    "time_to_first_contact": (
        ("dimension", "dimension_value"),
        ("n_leads", "n_contacted", "n_uncontacted", "n_contact_before_creation", "n_converted_without_contact"),
    ),
    "lead_volume": (("grain", "period_start"), ("n_leads",)),
    "topic_performance": (("topic",), ("n_leads", "n_converted")),
    "channel_insight": (
        ("as_of_date",),
        (
            "leads_this_month",
            "leads_last_month_same_point",
            "leads_last_month_full",
            "conversion_rate_30d_n",
            "conversion_rate_30d_x",
        ),
    ),
    "content_performance": (
        ("model", "content_id"),
        ("credited_leads", "credited_deals", "credited_won_deals", "won_revenue", "n_leads", "n_converted"),
    ),
    "campaign": (("campaign",), ("n_leads", "n_deals", "won_revenue", "n_matured")),
    "owner": (("owner_id",), ("n_leads_90d", "n_waiting", "won_revenue_90d", "conversion_rate_30d_n")),
}
OF_ONE_LEAD = (
    "lead", "lead_contact", "lead_source_attribution", "lead_first_contact", "lead_touch_credit", "deal", "activity",
    "content_item",
)  # fmt: skip
SETTINGS = ("as_of_date", "as_of_utc", "timezone", "data_status", "conversion_cohort_from", "conversion_cohort_to")


def halves(channel: Channel) -> list[Channel]:
    rng = random.Random(channel.channel_id)
    is_first = {lead.lead_id: rng.random() < 0.5 for lead in channel.leads}
    return [
        replace(
            channel,
            channel_id=f"{channel.channel_id}.{half}",
            leads=tuple(lead for lead in channel.leads if is_first[lead.lead_id] == (half == "a")),
        )
        for half in "ab"
    ]


@pytest.fixture(scope="module")
def whole() -> Marts:
    return built(CHANNELS)


@pytest.fixture(scope="module")
def split() -> Marts:
    return built([half for channel in CHANNELS for half in halves(channel)])


def built(channels: list[Channel]) -> Marts:
    lab = SqlLab(raw_of(channels).rows, NOON + timedelta(7))
    assert lab.failing() == []
    return lab.marts()


def key_of(row: Row, columns: Iterable[str]) -> tuple[Any, ...]:
    """Return channel and key. The spelling of a campaign is that of most leads, so a half may spell it differently."""
    is_campaign = row.get("dimension") == "campaign"
    folded = {"campaign"} | ({"dimension_value"} if is_campaign else set())
    values = [row[name].casefold() if name in folded else row[name] for name in columns]
    return (row["channel_id"].split(".")[0], *values)


def by_key(rows: list[Row], columns: tuple[str, ...]) -> dict[tuple[Any, ...], list[Row]]:
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        found[key_of(row, columns)].append(row)
    return found


@pytest.mark.parametrize("mart", ADDED)
def test_counts_and_sums_of_the_halves_add_up(mart: str, whole: Marts, split: Marts) -> None:
    columns, figures = ADDED[mart]
    parts, both_counted = by_key(split[mart], columns), 0
    wholes = by_key(whole[mart], columns)
    assert parts.keys() <= wholes.keys()
    for key, (row,) in wholes.items():
        for figure in figures:
            given = [part[figure] for part in parts.get(key, [])]
            both_counted += len(given) == 2 and all(given)
            assert row[figure] == sum(given), (key, figure)
    assert both_counted > 10


@pytest.mark.parametrize("mart", OF_ONE_LEAD)
def test_no_row_of_a_lead_or_an_item_changes(mart: str, whole: Marts, split: Marts) -> None:
    def without_channel(rows: list[Row]) -> set[str]:
        return {repr(row | {"channel_id": row["channel_id"].split(".")[0]}) for row in rows}

    assert without_channel(split[mart]) == without_channel(whole[mart])
    assert len(whole[mart]) > len(CHANNELS)


def test_a_rate_of_the_whole_is_the_quotient_of_the_added_counts(whole: Marts, split: Marts) -> None:
    columns, _ = ADDED["conversion_rate"]
    parts, compared = by_key(split["conversion_rate"], columns), 0
    for row in whole["conversion_rate"]:
        given = parts.get(key_of(row, columns), [])
        n = sum(part["n_leads"] for part in given)
        if n and row["definition"] != "km_30d":
            compared += len(given) == 2
            rate = sum(part["n_converted"] for part in given) / n
            assert abs(row["conversion_rate"] - rate) < 1e-12
            assert row["ci_low"] <= rate <= row["ci_high"]
    assert compared > 500


def test_the_extremes_of_the_whole_are_those_of_a_half(whole: Marts, split: Marts) -> None:
    columns, _ = ADDED["time_to_first_contact"]
    parts = by_key(split["time_to_first_contact"], columns)
    for row in whole["time_to_first_contact"]:
        waits = [part["oldest_uncontacted_hours"] for part in parts.get(key_of(row, columns), [])]
        assert row["oldest_uncontacted_hours"] == max((wait for wait in waits if wait is not None), default=None)
    parts = by_key(split["campaign"], ("campaign",))
    for row in whole["campaign"]:
        given = parts[key_of(row, ("campaign",))]
        firsts = [part["first_lead_at"] for part in given if part["first_lead_at"]]
        lasts = [part["last_lead_at"] for part in given if part["last_lead_at"]]
        assert (row["first_lead_at"], row["last_lead_at"]) == (min(firsts, default=None), max(lasts, default=None))


def test_each_half_keeps_clock_and_cohort(whole: Marts, split: Marts) -> None:
    expected = {row["channel_id"]: [row[name] for name in SETTINGS] for row in whole["channel_insight"]}
    for row in split["channel_insight"]:
        assert [row[name] for name in SETTINGS] == expected[row["channel_id"].split(".")[0]]

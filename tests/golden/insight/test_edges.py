"""Edge cases, one channel per case: boundaries to the second, ties, clock changes, no data."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.golden.insight.edge_channels import AS_OF, BUILD, edge_world
from tests.golden.insight.insight_oracle import LEAD_CHANNELS
from tests.golden.insight.insight_world import RawWorld, Row, one, run, table
from zoho_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(scope="module")
def edges(empty_warehouse: Callable[[str], Warehouse]) -> Warehouse:
    warehouse = empty_warehouse("duckdb")
    edge_world().write(warehouse)
    run(warehouse, build_at=BUILD)
    return warehouse


def insight(edges: Warehouse, channel: str) -> Row:
    return one(edges, "channel_insight", f"channel_id = '{channel}'")


def rate(edges: Warehouse, channel: str, definition: str, stage: str = "deal", **where: str) -> Row:
    where = {"dimension": "all", "dimension_value": "all"} | where
    condition = " and ".join(f"{name} = '{value}'" for name, value in where.items())
    return one(
        edges,
        "conversion_rate",
        f"channel_id = '{channel}' and stage = '{stage}' and definition = '{definition}' and {condition}",
    )


def pick(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


@pytest.mark.parametrize(
    ("channel", "same", "full"), [("end_mar", 1, 3), ("end_leap", 1, 2), ("end_may", 1, 2), ("end_jan", 2, 3)]
)
def test_the_same_point_of_last_month_is_clamped(edges: Warehouse, channel: str, same: int, full: int) -> None:
    assert pick(insight(edges, channel), "leads_last_month_same_point", "leads_last_month_full") == (same, full)


def test_months_are_local(edges: Warehouse) -> None:
    row = insight(edges, "kolkata")
    assert pick(row, "leads_this_month", "leads_last_month_full", "as_of_date") == (1, 1, date(2026, 3, 31))
    row = insight(edges, "april")
    assert pick(row, "leads_this_month", "leads_last_month_full", "as_of_date") == (1, 1, date(2026, 4, 1))


def test_weeks_are_local_and_follow_the_clock_change(edges: Warehouse) -> None:
    rows = table(edges, "lead_volume", "channel_id = 'new_york' and grain = 'week'", order="period_start")
    assert [(row["period_start"], row["n_leads"]) for row in rows] == [
        (date(2026, 3, 2), 1), (date(2026, 3, 9), 1), (date(2026, 3, 16), 0),
        (date(2026, 3, 23), 0), (date(2026, 3, 30), 0),
    ]  # fmt: skip


def test_thirty_days_are_elapsed_seconds_across_a_clock_change(edges: Warehouse) -> None:
    assert rate(edges, "elapsed", "matured_30d")["n_leads"] == 1
    assert rate(edges, "elapsed", "rolling_30d")["n_leads"] == 1


def test_at_monday_midnight_the_week_before_is_full(edges: Warehouse) -> None:
    row = insight(edges, "monday")
    assert pick(row, "leads_last_4_weeks", "leads_previous_4_weeks", "trend_direction") == (10, 0, "up")
    running = one(edges, "lead_volume", "channel_id = 'monday' and grain = 'week' and is_partial")
    assert pick(running, "period_start", "n_leads") == (date(2026, 3, 30), 0)


def test_a_tie_at_the_third_source_is_flagged(edges: Warehouse) -> None:
    names = ("top_source_1", "top_source_2", "top_source_3", "top_source_3_leads", "top_sources_tie_at_cutoff")
    rest = ("other_sources_leads", "unknown_source_leads")
    assert pick(insight(edges, "tie"), *names, *rest) == ("Aa", "Bb", "Cc", 2, True, 2, 4)
    assert pick(insight(edges, "no_tie"), *names, *rest) == ("Aa", "Bb", "Cc", 2, False, 2, 0)
    assert pick(insight(edges, "unknown_only"), *names, *rest) == (None, None, None, None, False, 0, 2)


def test_sources_fall_back_to_the_whole_of_last_month(edges: Warehouse) -> None:
    row = insight(edges, "last_month")
    assert row["top_sources_period"] == "last_month"
    assert pick(row, "top_source_1", "top_source_2", "top_source_3") == ("Aa", "Bb", None)
    assert pick(row, "leads_this_month", "leads_last_month_same_point", "change_status") == (0, 1, "ok")
    assert row["leads_change_rate"] == -1.0


def test_a_first_month_is_new(edges: Warehouse) -> None:
    row = insight(edges, "new")
    assert pick(row, "leads_this_month", "leads_change_rate", "change_status") == (1, None, "new")


def test_windows_are_half_open_to_the_second(edges: Warehouse) -> None:
    assert rate(edges, "windows", "matured_30d")["n_leads"] == 2  # 30 days, and 60 less a second
    assert rate(edges, "windows", "rolling_30d")["n_leads"] == 1
    ever = rate(edges, "windows", "ever")
    assert pick(ever, "n_leads", "n_immature") == (5, 1)
    by_source = rate(edges, "windows", "matured_30d", dimension="lead_source", dimension_value="Unknown")
    assert by_source["n_leads"] == 2
    for dimension, value in (("all", "all"), ("lead_source", "Unknown")):
        where = {"dimension": dimension, "dimension_value": value}
        assert rate(edges, "windows", "matured_30d_wide", **where)["n_leads"] == 4  # all but 90 days and the young one
        assert rate(edges, "windows", "matured_90d", **where)["n_leads"] == 2  # 90 days, and 180 less a second


def test_a_deal_counts_to_the_second_of_its_thirtieth_day(edges: Warehouse) -> None:
    assert pick(rate(edges, "late", "matured_30d"), "n_leads", "n_converted") == (2, 1)
    assert rate(edges, "late", "ever")["n_converted"] == 2
    assert pick(rate(edges, "late_90", "matured_90d"), "n_leads", "n_converted") == (2, 1)


@pytest.mark.parametrize(("n", "status"), [(4, "insufficient"), (5, "small_sample"), (29, "small_sample"), (30, "ok")])
def test_display_status_and_an_interval_up_to_one(edges: Warehouse, n: int, status: str) -> None:
    row = rate(edges, f"n{n}", "matured_30d")
    assert pick(row, "display_status", "conversion_rate", "ci_high") == (status, 1.0, 1.0)
    assert row["ci_low"] == pytest.approx(n / (n + 1.959963984540054**2), abs=1e-12)


def test_kaplan_meier_where_nothing_can_be_said(edges: Warehouse) -> None:
    row = rate(edges, "young", "km_30d", "any_conversion")
    assert pick(row, "n_leads", "n_converted", "conversion_rate", "ci_low") == (2, 1, None, None)


def test_kaplan_meier_where_all_convert(edges: Warehouse) -> None:
    assert rate(edges, "all_convert", "km_30d", "any_conversion")["conversion_rate"] == 1.0


def test_when_a_won_deal_was_won(edges: Warehouse) -> None:
    assert rate(edges, "wins", "ever", "won")["n_converted"] == 3
    assert rate(edges, "wins", "rolling_30d", "won")["n_converted"] == 3
    assert rate(edges, "wins", "km_30d", "won")["n_converted"] == 2  # it is unknown when the undated one was won
    assert rate(edges, "wins", "ever", "deal")["n_converted"] == 4  # a lost deal is a deal


@pytest.mark.parametrize(
    ("channel", "direction"),
    [("thin", "insufficient_data"), ("up", "up"), ("flat", "flat"), ("down", "down"), ("level", "flat")],
)
def test_trend(edges: Warehouse, channel: str, direction: str) -> None:
    assert insight(edges, channel)["trend_direction"] == direction


def test_a_topic_at_the_base_rate_is_no_suggestion(edges: Warehouse) -> None:
    row = one(edges, "topic_performance", "channel_id = 'one_topic'")
    assert pick(row, "topic", "n_leads", "n_converted", "lift", "is_suggested") == ("solo", 9, 3, 1.0, False)
    assert insight(edges, "one_topic")["topic_status"] == "insufficient_data"


def test_at_most_three_topics_are_suggested(edges: Warehouse) -> None:
    rows = table(edges, "topic_performance", "channel_id = 'five_topics'", order="coalesce(suggestion_rank, 9)")
    # e is first by its rate. Of the equal ones, D is before a by its bytes. c has only four leads.
    assert [row["topic"] for row in rows if row["is_suggested"]] == ["e", "D", "a"]
    # c is not tested; the others are, and all four are beyond chance
    assert {row["topic"] for row in rows if row["evidence"] == "strong"} == {"a", "b", "D", "e"}
    assert {row["topic"]: row["n_topics_tested"] for row in rows if row["p_value"] is None} == {"c": 4}
    row = insight(edges, "five_topics")
    assert pick(row, "suggested_topic_1", "suggested_topic_3", "topic_status") == ("e", "a", "ok")


def test_strong_evidence_goes_before_a_higher_lift(edges: Warehouse) -> None:
    rows = table(edges, "topic_performance", "channel_id = 'evidence'", order="suggestion_rank")
    assert [pick(row, "topic", "evidence") for row in rows] == [("many", "strong"), ("few", "directional")]
    assert rows[0]["lift"] < rows[1]["lift"]
    assert insight(edges, "evidence")["suggested_topic_1"] == "many"


def test_topics_without_any_deal(edges: Warehouse) -> None:
    row = one(edges, "topic_performance", "channel_id = 'no_deals'")
    assert pick(row, "base_rate", "shrunk_rate", "lift", "is_suggested") == (0.0, 0.0, None, False)
    assert insight(edges, "no_deals")["topic_status"] == "no_conversions_in_matured_cohort"


def test_an_empty_channel_has_zeros(edges: Warehouse) -> None:
    row = insight(edges, "empty")
    zeros = {name for name, value in row.items() if value == 0 and value is not False}
    assert zeros == {
        "leads_this_month", "leads_last_month_same_point", "leads_last_month_full", "other_sources_leads",
        "unknown_source_leads", "conversion_rate_30d_n", "conversion_rate_30d_x", "n_uncontacted",
        "leads_last_4_weeks", "leads_previous_4_weeks",
    }  # fmt: skip
    words = pick(row, "data_status", "change_status", "top_sources_period", "trend_direction", "topic_status")
    assert words == ("ok", "no_leads_either_month", "last_month", "insufficient_data", "no_matured_leads")
    rows = table(edges, "conversion_rate", "channel_id = 'empty'")
    assert {(row["dimension"], row["dimension_value"]) for row in rows} == {
        ("all", "all"), ("content_type", "(none)"), ("content", "(none)"), ("topic", "(none)"), ("campaign", "(none)"),
        ("owner", "(none)"), *(("lead_channel", name) for name in LEAD_CHANNELS),
    }  # fmt: skip
    assert len(rows) == 22 * 3 * 6
    assert {pick(row, "n_leads", "conversion_rate", "display_status") for row in rows} == {(0, None, "no_leads")}
    assert [row["n_leads"] for row in table(edges, "lead_volume", "channel_id = 'empty'")] == [0, 0]


@pytest.mark.parametrize(
    ("channel", "status", "day"), [("never", "never_synced", 1), ("unreadable", "module_missing", 31)]
)
def test_no_data_is_not_zero(edges: Warehouse, channel: str, status: str, day: int) -> None:
    row = insight(edges, channel)
    keys = {"channel_id", "as_of_date", "as_of_utc", "timezone", "data_status", "is_weekly"}
    words = {"change_status": "no_data", "trend_direction": "insufficient_data", "topic_status": "insufficient_data"}
    words |= {"data_status": status}
    assert pick(row, *words) == tuple(words.values())
    assert row["top_sources_tie_at_cutoff"] is False
    rest = row.keys() - keys - words.keys() - {"top_sources_tie_at_cutoff"}
    assert {name for name in rest if row[name] is not None} == set()
    assert row["as_of_date"].day == day  # in Auckland, the instant of the build is already 1 April
    for mart in ("conversion_rate", "time_to_first_contact", "lead_volume"):
        rows = table(edges, mart, f"channel_id = '{channel}'")
        assert {row["n_leads"] for row in rows} == {None}
    for row in table(edges, "topic_performance", f"channel_id = '{channel}'"):
        assert pick(row, "n_leads", "n_content", "reason", "is_suggested") == (None, None, None, False)


def test_without_the_deals_module_leads_are_counted_and_deals_unknown(edges: Warehouse) -> None:
    row = insight(edges, "no_deals_module")
    assert pick(row, "data_status", "topic_status", "contacted_rate") == ("ok", "insufficient_data", 1.0)
    names = ("conversion_rate_30d_n", "conversion_rate_30d_x", "conversion_rate_30d", "conversion_rate_30d_km")
    assert pick(row, *names) == (6, None, None, None)
    for stage in ("deal", "won"):
        for definition in ("matured_30d", "matured_30d_wide", "matured_90d", "rolling_30d", "km_30d", "ever"):
            got = rate(edges, "no_deals_module", definition, stage)
            assert pick(got, "n_converted", "conversion_rate", "ci_low") == (None, None, None)
    assert pick(rate(edges, "no_deals_module", "ever", "any_conversion"), "n_converted", "conversion_rate") == (6, 1.0)
    topic = one(edges, "topic_performance", "channel_id = 'no_deals_module'")
    assert pick(topic, "n_leads", "n_converted", "base_rate", "lift", "is_suggested", "reason") == (
        6, None, None, None, False, None
    )  # fmt: skip


def test_without_any_activity_module_contact_is_unknown(edges: Warehouse) -> None:
    row = one(edges, "time_to_first_contact", "channel_id = 'no_activities' and dimension = 'all'")
    assert pick(row, "n_leads", "n_contacted", "n_uncontacted", "contacted_rate", "within_1h_rate") == (
        6, None, None, None, None
    )  # fmt: skip
    assert row["avg_contacted_hours"] is None
    assert insight(edges, "no_activities")["conversion_rate_30d"] == 1.0
    others = one(edges, "time_to_first_contact", "channel_id = 'no_calls' and dimension = 'all'")
    assert pick(others, "n_leads", "n_contacted") == (6, 6)


def test_stale_data_keeps_its_counts(edges: Warehouse) -> None:
    for channel, status in (("stale", "stale"), ("fresh", "ok")):
        row = insight(edges, channel)
        assert pick(row, "data_status", "leads_this_month") == (status, 1)
        waiting = BUILD - timedelta(hours=36) - (AS_OF - timedelta(2))
        exact = Decimal(waiting.total_seconds()) / 3600
        assert abs(row["oldest_uncontacted_hours"] - exact) <= Decimal("0.005")


@pytest.mark.long
def test_history_stays_and_weekly_sticks(warehouse: Warehouse) -> None:
    def written(as_of: datetime, lead: bool, **options: Any) -> list[tuple[Any, ...]]:
        world = RawWorld()
        world.channel("a", AS_OF)
        world.channel("never", None)
        if lead:
            world.lead("a", "L", AS_OF - timedelta(20))
        world.write(warehouse)
        run(warehouse, build_at=BUILD, as_of=as_of, full=True, **options)
        rows = table(warehouse, "channel_insight", order="channel_id, as_of_date")
        return [pick(r, "channel_id", "as_of_date", "is_weekly", "leads_this_month") for r in rows]

    week, later = AS_OF - timedelta(7), AS_OF
    assert written(week, False, weekly=True) == [
        ("a", week.date(), True, 0),
        ("never", week.date(), True, None),
    ]
    assert written(later, True) == [
        ("a", week.date(), True, 0),
        ("a", later.date(), False, 1),
        ("never", week.date(), True, None),
        ("never", later.date(), False, None),
    ]
    assert written(week, True)[0] == ("a", week.date(), True, 1)

"""The generated company: the same seed gives the same company, it has every kind of record, and its numbers differ."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from zoho_pipeline.simulator import Simulator
from zoho_pipeline.simulator.demo.company import Company, build_company, next_morning
from zoho_pipeline.simulator.demo.content import CATALOGUE_COLUMNS
from zoho_pipeline.simulator.demo.sales import business_after

NOW = datetime(2026, 6, 17, 9, 30, tzinfo=UTC)
MODULES = ("Leads", "Contacts", "Accounts", "Deals", "Calls", "Events", "Tasks", "Notes", "Campaigns", "DealHistory")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def built(seed: int = 7, now: datetime = NOW, leads: int = 600) -> Company:
    with Simulator.start() as sim:
        return build_company(sim, seed=seed, now=now, leads=leads)


@pytest.fixture(scope="module")
def company() -> Company:
    return built()


@pytest.fixture(scope="module")
def leads(company: Company) -> list[dict[str, Any]]:
    return company.org.rows("Leads")


@pytest.mark.long
def test_the_same_seed_makes_the_same_company() -> None:
    first, second, other = built(leads=120), built(leads=120), built(seed=8, leads=120)
    assert [first.org.rows(m) for m in MODULES] == [second.org.rows(m) for m in MODULES]
    assert first.content == second.content
    assert first.org.rows("Leads") != other.org.rows("Leads")


def test_nothing_happens_after_now_but_what_is_planned(company: Company) -> None:
    for module in MODULES:
        for row in company.org.rows(module):
            assert at(row["Created_Time"]) <= at(row["Modified_Time"]) <= NOW, (module, row)
    assert any(at(call["Call_Start_Time"]) > NOW for call in company.org.rows("Calls"))
    assert all(datetime.fromisoformat(item["published_at"] or "") <= NOW for item in company.content)


def test_the_clock_is_left_at_now_and_running() -> None:
    with Simulator.start() as sim:
        build_company(sim, now=NOW, leads=60)
        assert timedelta(0) <= sim.clock.now() - NOW < timedelta(minutes=5)
        assert sim.clock.frozen is None
        sim.clock.freeze()
        build_company(sim, now=NOW, leads=60)
        assert sim.clock.now() == NOW


@pytest.mark.parametrize("seed", [1, 7, 23])
def test_conversions_are_one_in_eight_or_so(seed: int) -> None:
    rows = built(seed).org.rows("Leads")
    assert 520 <= len(rows) <= 660
    assert 0.08 <= sum(row["Converted__s"] for row in rows) / len(rows) <= 0.19


def test_leads_rise_in_the_last_weeks(leads: list[dict[str, Any]]) -> None:
    zone = ZoneInfo("Asia/Kolkata")
    monday = NOW.astimezone(zone).date() - timedelta(days=NOW.astimezone(zone).weekday())
    weeks = Counter((monday - at(row["Created_Time"]).date() - timedelta(days=1)).days // 7 for row in leads)
    last, before = sum(weeks[n] for n in range(4)), sum(weeks[n] for n in range(4, 8))
    # the weeks of a half may scatter twice as much as by chance, and the insight still shows a trend
    assert (last - before) / (2 * (last + before)) ** 0.5 >= 1.943


def test_topics_differ_in_what_their_readers_do(company: Company) -> None:
    seen, bought = Counter[str](), Counter[str]()
    for story in company.stories:
        for topic in story.plan.item.topics if story.plan.item else ():
            seen[topic] += 1
            bought[topic] += story.converts_at is not None
    rate = {topic: bought[topic] / seen[topic] for topic in seen}
    assert max(rate, key=lambda topic: rate[topic]) == "Export documentation"
    assert rate["AI forecasting"] < 0.1 < rate["Export documentation"]


def test_leads_come_with_and_without_a_trace(leads: list[dict[str, Any]]) -> None:
    tagged = sum(1 for row in leads if row["UTM_Source1"])
    assert 0.25 < tagged / len(leads) < 0.6
    assert any(row["First_Visited_URL"] for row in leads)
    assert {row["Lead_Source"] for row in leads} >= {None, "-None-", "Google Ads", "linkedin ", "External Referral"}
    assert max(Counter(row["Email"] for row in leads).values()) > 1


def test_deals_are_won_lost_open_again_and_in_dollars(company: Company) -> None:
    deals, moves = company.org.rows("Deals"), company.org.rows("DealHistory")
    assert {"Closed Won", "Closed Lost", "Negotiation/Review"} <= {deal["Stage"] for deal in deals}
    assert any(move["Stage"] == "Closed Lost" and move["Moved_To__s"] == "Negotiation/Review" for move in moves)
    dollars = [deal for deal in deals if deal["Currency"] == "USD"]
    assert dollars
    assert all(deal["Exchange_Rate"] == 0.0119 for deal in dollars)
    converted = {lead["Converted_Deal"]["id"] for lead in company.org.rows("Leads") if lead["Converted_Deal"]}
    assert len(converted) < len(deals), "some deals are made by a person, later"


def test_activities_are_of_every_kind(company: Company) -> None:
    calls = company.org.rows("Calls")
    assert {call["Call_Type"] for call in calls} == {"Outbound", "Missed"}
    assert {call["Outgoing_Call_Status"] for call in calls} == {"Completed", "Scheduled", None}
    assert any(call["Call_Duration_in_seconds"] == 0 for call in calls)
    assert any(event["$event_cancelled"] for event in company.org.rows("Events"))
    assert {task["Status"] for task in company.org.rows("Tasks")} == {"Completed", "Not Started"}
    assert {note["Parent_Id"]["module"]["api_name"] for note in company.org.rows("Notes")} == {"Leads", "Contacts"}


def test_rows_were_deleted_restored_and_a_colleague_left(company: Company) -> None:
    kinds = Counter(deletion.type for deletion in company.org.module("Leads").deletions)
    assert kinds == {"recycle": 7, "permanent": 3}
    gone = [user for user in company.org.users.values() if user.deleted]
    assert len(gone) == 1
    assert any(row["Owner"]["id"] == gone[0].id for row in company.org.rows("Leads"))


def test_the_catalogue_has_its_columns_and_keys(company: Company, tmp_path: Any) -> None:
    rows = company.content
    assert {row["content_type"] for row in rows} == {"blog_post", "landing_page", "newsletter", "social_post", "video"}
    assert len({row["content_id"] for row in rows}) == len({row["source_activity_id"] for row in rows}) == len(rows)
    assert any("|" in (row["topics"] or "") for row in rows)
    lines = company.write_content(tmp_path / "content.csv").read_text().splitlines()
    assert lines[0] == ",".join(CATALOGUE_COLUMNS)
    assert len(lines) == len(rows) + 1


def test_a_morning_changes_three_things() -> None:
    with Simulator.start() as sim:
        company = build_company(sim, now=NOW, leads=200)
        before = {row["id"]: row for row in company.org.rows("Leads")}
        assert next_morning(sim, company) == {"created": 9, "converted": 1, "deleted": 1}
        after = {row["id"]: row for row in company.org.rows("Leads")}
    assert len(after.keys() - before.keys()) == 9
    assert len(before.keys() - after.keys()) == 1
    changed = [row for row_id, row in after.items() if row_id in before and row != before[row_id]]
    assert [row["Converted__s"] for row in changed] == [True]


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-06-17T10:00:00+05:30", 2.0, "2026-06-17T12:00:00+05:30"),
        ("2026-06-17T17:30:00+05:30", 2.0, "2026-06-18T10:30:00+05:30"),
        ("2026-06-19T18:00:00+05:30", 1.0, "2026-06-22T10:00:00+05:30"),  # across a weekend
        ("2026-06-20T12:00:00+05:30", 0.0, "2026-06-22T09:30:00+05:30"),
        ("2026-06-17T06:00:00+05:30", 9.5, "2026-06-18T10:00:00+05:30"),
    ],
)
def test_business_time(start: str, hours: float, end: str) -> None:
    assert business_after(at(start), hours, ZoneInfo("Asia/Kolkata")) == at(end)


@pytest.mark.parametrize("now", ["2026-01-05T00:10:00+05:30", "2026-03-01T23:59:00+05:30", "2026-02-28T12:00:00+00:00"])
def test_any_moment_will_do(now: str) -> None:
    rows = built(now=at(now), leads=100).org.rows("Leads")
    assert 70 < len(rows) < 130

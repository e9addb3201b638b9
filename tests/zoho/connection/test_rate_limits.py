"""Simultaneous calls, credits, the budget, and the two meanings of 429."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection import credits
from zoho_pipeline.zoho.connection.rate_limits import LimitsPerOrg, OrgLimits

LIST = "/crm/v7/Leads"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def spend(limits: OrgLimits, cost: int, remaining: str | None = None) -> None:
    with limits.slot(LIST, None, cost):
        limits.answered(cost, remaining)


@pytest.mark.parametrize(
    ("method", "path", "params", "body", "cost"),
    [
        ("GET", LIST, {"fields": "id"}, None, 1),
        ("GET", LIST, {"sort_by": "Modified_Time"}, None, 3),
        ("GET", LIST, {"cvid": "1"}, None, 3),
        ("GET", LIST + "/1", None, None, 1),
        ("GET", LIST + "/1/Notes", {"sort_by": "id"}, None, 3),
        ("GET", LIST + "/deleted", {}, None, 2),
        ("GET", LIST + "/search", {"email": "a"}, None, 3),
        ("GET", LIST + "/actions/count", {}, None, 50),
        ("GET", "/crm/v7/users", {"type": "AllUsers"}, None, 1),
        ("GET", "/crm/v7/org", None, None, 1),
        ("GET", "/crm/v7/settings/fields", {"module": "Leads"}, None, 1),
        ("POST", "/crm/bulk/v7/read", None, {"query": {}}, 50),
        ("GET", "/crm/bulk/v7/read/1", None, None, 1),
        ("GET", "/crm/bulk/v7/read/1/result", None, None, 1),
        ("POST", "/crm/v7/coql", None, {"select_query": "select id from Leads where id > 0"}, 1),
        ("POST", "/crm/v7/coql", None, {"select_query": "select id from Leads where id > 0 limit 200"}, 1),
        ("POST", "/crm/v7/coql", None, {"select_query": "select id from Leads where id > 0 LIMIT 1000"}, 2),
        ("POST", "/crm/v7/coql", None, {"select_query": "select id from Leads where id > 0 limit 0, 2000"}, 3),
    ],
)
def test_the_table_of_costs(
    method: str, path: str, params: dict[str, str] | None, body: dict[str, object] | None, cost: int
) -> None:
    assert credits.cost_of(method, path, params, body) == cost


@pytest.mark.parametrize(
    ("word", "concurrency", "total"),
    [
        ("free", 5, 5_000),
        ("starter", 10, 52_500),
        ("Standard", 10, 52_500),
        ("professional", 15, 55_000),
        ("enterprise", 20, 60_000),
        ("Zoho One", 20, 60_000),
        ("ultimate", 25, 70_000),
        ("CRM Plus", 25, 70_000),
    ],
)
def test_editions(word: str, concurrency: int, total: int) -> None:
    edition = credits.known_edition(word)
    assert edition is not None
    assert (edition.concurrency, edition.credits(10)) == (concurrency, total)


@pytest.mark.parametrize("word", [None, "", "something new"])
def test_an_unknown_edition_is_not_guessed(word: str | None) -> None:
    assert credits.known_edition(word) is None


def test_caps_of_editions() -> None:
    assert credits.STANDARD.credits(1_000) == 100_000
    assert credits.ULTIMATE.credits(10_000_000) == 20_000_050_000


@pytest.mark.parametrize(("params", "most"), [(None, 12), ({"sort_by": "Modified_Time"}, 10)])
def test_never_more_at_once_than_the_edition_and_the_sub_limit_allow(params: dict[str, str] | None, most: int) -> None:
    limits = OrgLimits(concurrency=12)
    inside, peak, lock = 0, 0, threading.Lock()
    full, go_on = threading.Semaphore(0), threading.Event()

    def call() -> None:
        nonlocal inside, peak
        with limits.slot(LIST, params, 1):
            with lock:
                inside += 1
                peak = max(peak, inside)
            full.release()
            go_on.wait(10)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=call) for _ in range(30)]
    for thread in threads:
        thread.start()
    for _ in range(most):
        assert full.acquire(timeout=10)
    assert not full.acquire(timeout=0.05), "one more call was let in"
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert peak == most


def test_waiting_for_the_sub_limit_leaves_room_for_light_calls() -> None:
    limits = OrgLimits(concurrency=2, sub_concurrency=1)
    entered = threading.Event()
    waiter = threading.Thread(target=lambda: limits.slot(LIST, {"sort_by": "id"}, 1).__enter__())
    with limits.slot(LIST, {"sort_by": "id"}, 1):
        waiter.start()
        with limits.slot(LIST, None, 1):
            entered.set()
    waiter.join(10)
    assert entered.is_set()


def test_the_budget_stops_before_the_call() -> None:
    limits = OrgLimits(daily_credits=100, budget=0.8, used=70)
    spend(limits, 10)
    with pytest.raises(errors.BudgetStop, match=r"80% of the org's 100 API credits.*80 used"):
        spend(limits, 1)
    assert limits.own_credits == 80


def test_other_tools_count_through_the_header() -> None:
    limits = OrgLimits(daily_credits=100, budget=0.8)
    spend(limits, 1, remaining="25")
    spend(limits, 5, remaining="20")
    with pytest.raises(errors.BudgetStop):
        spend(limits, 1)


def test_calls_under_way_count_too() -> None:
    limits = OrgLimits(daily_credits=100, budget=0.8)
    with limits.slot(LIST, None, 50), pytest.raises(errors.BudgetStop):
        spend(limits, 31)
    spend(limits, 31)


def test_credits_come_back_after_a_day_and_a_stale_header_is_forgotten() -> None:
    clock = Clock()
    limits = OrgLimits(daily_credits=100, budget=0.8, monotonic=clock)
    spend(limits, 60)
    clock.now += 80_000
    spend(limits, 20)
    with pytest.raises(errors.BudgetStop):
        spend(limits, 1)
    clock.now += 7_000
    spend(limits, 1)
    assert limits.own_credits == 21

    spend(limits, 1, remaining="3")
    with pytest.raises(errors.BudgetStop):
        spend(limits, 1)
    clock.now += 901
    spend(limits, 1)
    assert limits.remaining is None


def test_an_unknown_total_is_learnt_from_the_first_header() -> None:
    limits = OrgLimits(daily_credits=None, budget=0.8)
    spend(limits, 1_000_000)
    assert limits.daily_credits is None
    limits = OrgLimits(daily_credits=None, budget=0.8)
    spend(limits, 10, remaining="500")
    assert limits.daily_credits == 1000
    spend(limits, 10, remaining="201")
    spend(limits, 1, remaining="200")
    with pytest.raises(errors.BudgetStop):
        spend(limits, 1)


def test_bought_credits_raise_a_total_that_is_too_small() -> None:
    limits = OrgLimits(daily_credits=100, budget=0.8)
    spend(limits, 1, remaining="5000")
    assert limits.daily_credits == 10_000


def test_what_a_429_means() -> None:
    short, day = errors.ConcurrencyLimit, errors.CreditsExhausted
    assert type(OrgLimits().refusal("0", last_try=False)) is day
    assert type(OrgLimits().refusal("12", last_try=True)) is short
    assert type(OrgLimits().refusal(None, last_try=False)) is short
    assert type(OrgLimits().refusal(None, last_try=True)) is day
    assert type(OrgLimits().refusal(None, last_try=True, metered=False)) is short
    relaxed = OrgLimits()
    spend(relaxed, 1)
    assert type(relaxed.refusal(None, last_try=True)) is short, "a moment ago, less than half of the credits were used"
    spent = OrgLimits(daily_credits=10, budget=1.0)
    spend(spent, 10)
    assert type(spent.refusal(None, last_try=False)) is day


def test_an_org_has_one_object_of_limits() -> None:
    limits_per_org = LimitsPerOrg()
    first = limits_per_org.of("in/1", lambda: OrgLimits(concurrency=3))
    assert limits_per_org.of("in/1", OrgLimits) is first
    assert limits_per_org.of("in/2", OrgLimits) is not first


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60), st.integers(1, 500))
def test_own_use_never_passes_the_budget(calls: list[tuple[int, bool]], daily: int) -> None:
    limits = OrgLimits(daily_credits=daily, budget=0.5)
    for cost, answered in calls:
        try:
            with limits.slot(LIST, None, cost):
                if answered:
                    limits.answered(cost, None)
        except errors.BudgetStop:
            pass
        assert limits.own_credits <= daily * 0.5

"""The budget of token requests: at most ten in any ten minutes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import delete

from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.token_budget import LIMIT, WINDOW, TokenBudget
from zoho_pipeline.settings import Settings
from zoho_pipeline.zoho.errors import TokenThrottled

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_eleventh_waits_until_the_first_is_ten_minutes_old(registry: Registry) -> None:
    for number in range(LIMIT):
        registry.token_budget.spend("f", NOON + number * SECOND)
    with pytest.raises(TokenThrottled, match=r"10 were requested in ten minutes.*at 12:10:05 UTC") as caught:
        registry.token_budget.spend("f", NOON + 60 * SECOND)
    assert caught.value.retry_after == (WINDOW - 60 * SECOND).total_seconds()
    assert registry.token_budget.requests("f", NOON) == LIMIT
    registry.token_budget.spend("f", NOON + WINDOW)
    with pytest.raises(TokenThrottled):
        registry.token_budget.spend("f", NOON + WINDOW)  # the second request still counts


def test_another_process_sees_the_same_count_and_another_token_has_its_own(
    registry: Registry, settings: Settings
) -> None:
    for _ in range(LIMIT):
        registry.token_budget.spend("f", NOON)
    with pytest.raises(TokenThrottled):
        Registry(settings).token_budget.spend("f", NOON)
    Registry(settings).token_budget.spend("other", NOON)


def test_access_denied_stops_requests_for_ten_minutes(registry: Registry) -> None:
    registry.token_budget.spend("f", NOON)
    registry.token_budget.block("f", NOON, 60)
    with pytest.raises(TokenThrottled, match="it refused the last request"):
        registry.token_budget.spend("f", NOON + timedelta(minutes=10) - SECOND)
    registry.token_budget.spend("f", NOON + timedelta(minutes=10))
    registry.token_budget.block("f", NOON, 1200)
    with pytest.raises(TokenThrottled, match="in 5 min"):
        registry.token_budget.spend("f", NOON + timedelta(minutes=15))


def test_ten_minutes_by_zohos_own_clock_are_enough(registry: Registry) -> None:
    """A laptop may have slept, or the clock of a simulator was moved. Zoho counts by its own time."""
    later = NOON + timedelta(days=30)
    for number in range(LIMIT):
        registry.token_budget.spend("f", NOON, later + number * SECOND)
    with pytest.raises(TokenThrottled):
        registry.token_budget.spend("f", NOON, later + WINDOW - SECOND)
    with pytest.raises(TokenThrottled):
        registry.token_budget.spend("f", NOON)  # Zoho's time is not known here, so our time counts
    registry.token_budget.spend("f", NOON, later + WINDOW)
    registry.token_budget.block("f", NOON, 0, later)
    with pytest.raises(TokenThrottled):
        registry.token_budget.spend("f", NOON, later + timedelta(minutes=9))
    registry.token_budget.spend("f", NOON, later + timedelta(minutes=20, seconds=10))


def test_a_request_that_never_left_does_not_count(registry: Registry) -> None:
    for _ in range(3 * LIMIT):
        registry.token_budget.refund(registry.token_budget.spend("f", NOON))
    assert registry.token_budget.requests("f", NOON) == 0


@pytest.fixture
def budget(sqlite_settings: Settings) -> TokenBudget:
    return Registry(sqlite_settings).token_budget


@profile(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(st.integers(0, 200), min_size=12, max_size=30))
def test_no_ten_minutes_ever_hold_eleven_requests(budget: TokenBudget, steps: list[int]) -> None:
    with budget._database.write() as connection:
        connection.execute(delete(tables.token_requests))
    now = NOON
    sent: list[datetime] = []
    for step in steps:
        now += timedelta(seconds=step)
        try:
            budget.spend("f", now)
        except TokenThrottled:
            assert len([at for at in sent if at > now - WINDOW]) == LIMIT
        else:
            sent.append(now)
    for start in sent:
        assert len([at for at in sent if start <= at < start + timedelta(minutes=10)]) <= LIMIT

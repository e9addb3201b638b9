"""Limits in memory: exact, apart for each caller, and of bounded size."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from zoho_pipeline.web.http.problems import Problem
from zoho_pipeline.web.http.rate_limits import PER_MINUTE, RateLimits


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_limit_is_exact_and_the_wait_is_true() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    for _ in range(3):
        limits.take("a", 3, 60)
        clock.now += 10
    with pytest.raises(Problem) as caught:
        limits.take("a", 3, 60)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "30")
    limits.take("b", 3, 60)
    clock.now += 29
    with pytest.raises(Problem):
        limits.take("a", 3, 60)
    clock.now += 1
    limits.take("a", 3, 60)
    with pytest.raises(Problem):
        limits.take("a", 3, 60)


def test_the_memory_is_bounded() -> None:
    limits = RateLimits(most_callers=10)
    for number in range(1_000):
        limits.take(number, 1, 60)
    assert len(limits._windows._times) == 10
    limits.take(0, 1, 60)  # forgotten, so served: forgetting never refuses anybody


def test_a_caller_uses_up_nothing_of_another_one_or_of_another_tenant(
    client: TestClient, key: Callable[..., dict[str, str]]
) -> None:
    busy, other = key(tenants=("a", "b")), key(tenants=("a",))
    for_a, for_b = busy | {"Zoho-Pipeline-Tenant": "a"}, busy | {"Zoho-Pipeline-Tenant": "b"}
    path = "/v1/sessions"
    answers = [client.post(path, headers=for_a).status_code for _ in range(PER_MINUTE + 1)]
    assert answers == [422] * PER_MINUTE + [429]
    refused = client.post(path, headers=for_a)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["code"] == "rate_limited"
    assert client.post(path, headers=for_b).status_code == 422
    assert client.post(path, headers=other).status_code == 422

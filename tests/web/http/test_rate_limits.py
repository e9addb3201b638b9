"""Limits in memory: exact, apart for each caller, and of bounded size."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from zoho_pipeline.push.hooks import WEBHOOK
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.hooks.gate import REFUSED
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
    assert limits.remembered() == 10
    limits.take(0, 1, 60)  # forgotten, so served: forgetting never refuses anybody


def test_a_caller_is_forgotten_when_its_window_is_over_and_not_before() -> None:
    clock = Clock()
    limits = RateLimits(clock)
    limits.take("slow", 1, 600)
    for number in range(20_000):
        limits.take(number, 1, 60)
    with pytest.raises(Problem):
        limits.take(0, 1, 60)
    clock.now += 61
    for number in range(15_000):
        limits.take(-1 - number, 1, 60)
    assert limits.remembered() == 15_001
    with pytest.raises(Problem):
        limits.take("slow", 1, 600)


def stopped_time(app: Any) -> Any:
    """An app for which no minute passes: a busy machine may need more than one for all requests of a test."""
    app.state.rate_limits = RateLimits(Clock())
    return app


def client_from(app: object, address: str) -> TestClient:
    return TestClient(app, base_url="http://localhost:8480", client=(address, 4000))  # type: ignore[arg-type]


@pytest.mark.long
def test_an_ipv6_address_counts_as_its_64(settings: Settings) -> None:
    app = stopped_time(create_app(settings, ServiceSettings()))
    path = "/zohoCrm/start?session=x"
    answers = [client_from(app, f"2001:db8::{n:x}").get(path).status_code for n in range(PER_MINUTE + 1)]
    assert answers == [410] * PER_MINUTE + [429]
    statuses = {}
    for address in ("2001:db8::ffff:1", "2001:db8:0:1::1", "::ffff:192.0.2.1", "192.0.2.2", "fe80::1%eth0"):
        statuses[address] = client_from(app, address).get(path).status_code
    assert list(statuses.values()) == [429, 410, 410, 410, 410]


def test_refused_deliveries_are_counted_by_64_too(settings: Settings) -> None:
    app = stopped_time(create_app(settings, ServiceSettings()))
    path = f"{WEBHOOK}/{'x' * 43}"
    answers = [client_from(app, f"2001:db8::{number:x}").post(path).status_code for number in range(REFUSED + 1)]
    assert answers == [401] * REFUSED + [429]


def test_a_caller_uses_up_nothing_of_another_one_or_of_another_tenant(
    client: TestClient, key: Callable[..., dict[str, str]]
) -> None:
    busy, other = key(tenants=("a", "b")), key(tenants=("a",))
    for_a, for_b = busy | {"Zoho-Pipeline-Tenant": "a"}, busy | {"Zoho-Pipeline-Tenant": "b"}
    path = "/v1/sessions"
    stopped_time(client.app)
    answers = [client.post(path, headers=for_a).status_code for _ in range(PER_MINUTE + 1)]
    assert answers == [422] * PER_MINUTE + [429]
    refused = client.post(path, headers=for_a)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.json()["code"] == "rate_limited"
    assert client.post(path, headers=for_b).status_code == 422
    assert client.post(path, headers=other).status_code == 422

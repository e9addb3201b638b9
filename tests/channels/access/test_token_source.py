"""The token source requests one token from the simulator, and all callers share it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from time import sleep

import pytest

from tests.channels.wire import DC, refresh_token, token_requests
from tests.postgres import end_lock_sessions, skew_clock
from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.access.token_request import LEEWAY, request_access_token
from zoho_pipeline.channels.access.token_source import StoredTokenSource
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.errors import (
    ConnectionFailed,
    ReconnectNeeded,
    RefreshTokenRevoked,
    ServerFault,
    TokenRefused,
    TokenThrottled,
)
from zoho_pipeline.zoho.read import users

HOUR = timedelta(hours=1)
Env = Callable[..., dict[str, str]]


class Time:
    """A local clock that a test moves."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift


def test_the_token_of_the_registration_lasts_its_hour(registry: Registry, simulator: Simulator) -> None:
    time = Time()
    source = StoredTokenSource(registry, "acme", clock=time)
    first = source.current()
    time.shift = HOUR - 2 * LEEWAY
    assert source.current() == first
    assert StoredTokenSource(registry, "acme", clock=time).current() == first
    assert token_requests(simulator) == []
    time.shift = HOUR
    second = source.current()
    assert second.value != first.value
    assert len(token_requests(simulator)) == 1
    assert StoredTokenSource(registry, "acme", clock=time).current() == second


def test_a_day_of_use_takes_one_token_per_hour(registry: Registry, simulator: Simulator) -> None:
    time = Time()
    sources = [StoredTokenSource(registry, "acme", clock=time) for _ in range(2)]
    for minutes in range(0, 24 * 60, 5):
        time.shift = timedelta(minutes=minutes)
        sources[minutes % 2].current()
        simulator.clock.advance(5 * 60)
    assert len(token_requests(simulator)) == 23  # the first hour's token came from the registration


def test_many_threads_share_one_request(registry: Registry, simulator: Simulator) -> None:
    time = Time()
    time.shift = 2 * HOUR
    sources = [StoredTokenSource(registry, "acme", clock=time) for _ in range(4)]
    barrier = Barrier(16)

    def request(number: int) -> Secret:
        barrier.wait()
        return sources[number % 4].current().value

    with ThreadPoolExecutor(16) as pool:
        tokens = set(pool.map(request, range(16)))
    assert len(tokens) == 1
    assert len(token_requests(simulator)) == 1


def test_a_refused_token_is_replaced_once_for_all_who_hold_it(registry: Registry, simulator: Simulator) -> None:
    sources = [StoredTokenSource(registry, "acme") for _ in range(3)]
    held = sources[0].current()
    barrier = Barrier(12)

    def complain(number: int) -> Secret:
        barrier.wait()
        return sources[number % 3].refused(held).value

    with ThreadPoolExecutor(12) as pool:
        replacements = set(pool.map(complain, range(12)))
    assert len(replacements) == 1
    assert held.value not in replacements
    assert len(token_requests(simulator)) == 1


@pytest.mark.parametrize("registry", ["postgres"], indirect=True)
def test_a_request_whose_lock_was_lost_is_waited_for(
    registry: Registry, simulator: Simulator, postgres_registry_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its request is in flight when the session of its lock ends. The next process uses that token."""
    caplog.set_level("INFO")
    sources = [StoredTokenSource(registry, "acme") for _ in range(2)]
    held = sources[0].current()
    simulator.faults.next(1, "slow", "/oauth/v2/token", seconds=3)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(sources[0].refused, held)
        while not simulator.faults.fired:
            sleep(0.02)
        assert end_lock_sessions(postgres_registry_url) == 1
        second = pool.submit(sources[1].refused, held)
        assert first.result().value == second.result().value != held.value
    assert len(token_requests(simulator)) == 1
    assert "waiting for the answer" in caplog.text


def test_a_token_stored_since_the_last_read_spends_no_request(registry: Registry, simulator: Simulator) -> None:
    """A process that lost its lock stores its token after the other one read the registry and before it counts."""
    store, center = registry.token_store, DataCenters.with_added(registry.settings.data_centers).get(DC)
    stored = store.access_token("acme")
    assert stored is not None
    found = request_access_token(registry, center, store.refresh_token("acme"), stored=lambda: stored)
    assert found == stored
    assert token_requests(simulator) == []
    assert registry.token_budget.requests(store.fingerprint("acme"), datetime.now(UTC) - HOUR) == 1


@pytest.mark.parametrize("hours", [-5, 5])
@pytest.mark.parametrize("registry", ["postgres"], indirect=True)
def test_hosts_whose_clocks_are_off_share_a_token(
    registry: Registry, simulator: Simulator, postgres_registry_url: str, hours: int
) -> None:
    """The database's clock differs from ours by hours, as it does for a host whose own clock is wrong."""
    skew_clock(postgres_registry_url, hours)
    there = registry.database.now()
    assert abs(there - datetime.now(UTC) - timedelta(hours=hours)) < timedelta(minutes=1)
    simulator.expire_access_tokens()
    wrong, right = (Registry(registry.settings) for _ in range(2))
    with open_client(wrong.settings, wrong, "acme") as client:
        users.current(client)
    stored = right.token_store.access_token("acme")
    assert stored is not None
    assert timedelta(0) <= stored.expires_at - there - HOUR <= timedelta(minutes=1)  # an hour by the database's clock
    assert StoredTokenSource(right, "acme").current() == stored
    before = len(token_requests(simulator))
    skew_clock(postgres_registry_url, hours + 1)  # an hour passes at the database, and no time passes here
    assert StoredTokenSource(right, "acme").current() != stored
    assert len(token_requests(simulator)) == before + 1
    right.add_credits("acme", 5)
    assert right.credits_used("acme") >= 5
    skew_clock(postgres_registry_url, hours + 30)
    assert right.credits_used("acme") == 0


def test_never_an_eleventh_request_in_ten_minutes(registry: Registry, simulator: Simulator) -> None:
    source = StoredTokenSource(registry, "acme")
    for _ in range(9):  # the registration sent the first request
        source.refused(source.current())
    for anybody in (source, StoredTokenSource(registry, "acme")):
        with pytest.raises(TokenThrottled, match="10 were requested in ten minutes") as caught:
            anybody.refused(source.current())
        assert 0 < caught.value.retry_after <= 605
    assert len(token_requests(simulator)) == 9
    assert source.current()  # the stored token is still handed out


def test_a_zoho_whose_clock_is_moved_gets_the_requests_it_allows(registry: Registry, simulator: Simulator) -> None:
    """Fifteen nights follow each other within a few of our seconds. Each requests one token."""
    for _ in range(15):
        simulator.clock.advance(86_400)
        with open_client(registry.settings, registry, "acme") as client:
            users.current(client)
    assert len(token_requests(simulator)) == 15
    assert {call.status for call in token_requests(simulator)} == {200}


def test_after_access_denied_no_request_is_sent(registry: Registry, simulator: Simulator) -> None:
    time = Time()
    source = StoredTokenSource(registry, "acme", clock=time)
    held = source.current()
    simulator.faults.next(1, "throttle", "/oauth/v2/token")
    with pytest.raises(TokenThrottled):
        source.refused(held)
    time.shift = timedelta(minutes=9)
    for anybody in (source, StoredTokenSource(registry, "acme", clock=time)):
        with pytest.raises(TokenThrottled, match="it refused the last request"):
            anybody.refused(held)
    assert len(token_requests(simulator)) == 1
    time.shift = timedelta(minutes=11)
    assert source.refused(held).value != held.value
    assert registry.get("acme").status == "active"


def test_a_revoked_refresh_token_asks_for_a_person_and_a_new_one_ends_it(
    registry: Registry, simulator: Simulator, org: Org
) -> None:
    simulator.hub.tokens.drop_user(org.id, org.admin.id)
    with pytest.raises(ReconnectNeeded), open_client(registry.settings, registry, "acme") as client:
        users.current(client)
    channel = registry.get("acme")
    assert channel.status == "reconnect_needed"
    assert "revoked" in str(channel.status_detail)
    with pytest.raises(RefreshTokenRevoked):
        register_from_refresh_token(registry, "acme", registry.token_store.refresh_token("acme"), data_center=DC)
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    assert registry.get("acme").status == "active"


def test_a_wrong_secret_that_is_corrected_needs_no_new_connection(registry: Registry, org: Org) -> None:
    wrong = Registry(replace(registry.settings, client_secret=Secret("wrong")))
    source = StoredTokenSource(wrong, "acme")
    with pytest.raises(ReconnectNeeded, match="ZOHO_CLIENT_SECRET"):
        source.refused(source.current())
    assert registry.get("acme").status == "reconnect_needed"
    right = StoredTokenSource(registry, "acme")
    right.refused(right.current())
    assert registry.get("acme").status == "active"


def test_threads_behind_a_failed_request_share_its_failure(registry: Registry, simulator: Simulator) -> None:
    source = StoredTokenSource(registry, "acme")
    held = source.current()
    barrier = Barrier(9)

    def think() -> None:
        barrier.wait()
        sleep(0.5)  # time for the eight threads to queue behind the first one

    simulator.on_call(1, think, "/oauth/v2/token")
    simulator.faults.next(99, "server_error", "/oauth/v2/token")

    def complain(waits: bool) -> None:
        if waits:
            barrier.wait()
        with pytest.raises(ServerFault):
            source.refused(held)

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(complain, [False] + [True] * 8))
    # a thread that came too late may have sent its own request, and the rest shared that one
    assert len(token_requests(simulator)) <= 2


def test_an_unreachable_accounts_server_costs_no_request_of_the_budget(
    registry: Registry, simulator: Simulator
) -> None:
    source = StoredTokenSource(registry, "acme")
    held = source.current()
    simulator.stop()
    for _ in range(12):
        with pytest.raises(ConnectionFailed, match="cannot be reached"):
            source.refused(held)
    assert registry.token_budget.requests(registry.token_store.fingerprint("acme"), datetime.now(UTC) - HOUR) == 1


def test_a_token_that_is_refused_at_once_ends_in_a_reconnect(registry: Registry, simulator: Simulator) -> None:
    simulator.faults.next(99, "expired_token", "/crm/")
    with pytest.raises(TokenRefused), open_client(registry.settings, registry, "acme") as client:
        users.current(client)
    assert len(token_requests(simulator)) == 2


def test_a_data_centre_that_moved_is_followed(registry: Registry, simulator: Simulator, org: Org) -> None:
    """A data center is added on another port. The old address of the stored token then receives no request."""
    with Simulator.start() as other:
        moved = Registry(replace(registry.settings, data_centers={DC: other.url}))
        other.add_client("1000.TESTCLIENT", "test-client-secret-0123456789")
        with pytest.raises(RefreshTokenRevoked):  # requested there, and only there
            StoredTokenSource(moved, "acme").current()
        with pytest.raises(RefreshTokenRevoked), open_client(moved.settings, moved, "acme"):
            pytest.fail("there is no token for it")
        assert len(token_requests(other)) == 2
    assert simulator.requests == []


def test_a_hiccup_of_the_accounts_server_does_not_cost_the_call(registry: Registry, simulator: Simulator) -> None:
    simulator.expire_access_tokens()
    simulator.faults.next(1, "bad_gateway", "/oauth/v2/token")
    with open_client(registry.settings, registry, "acme") as client:
        assert users.current(client)["full_name"] == "Asha Admin"
    assert [call.status for call in token_requests(simulator)] == [502, 200]

"""Sessions of consents, on both engines: their number is bounded, they begin once, and their end stays."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from zoho_pipeline.channels.errors import TooManyConsents
from zoho_pipeline.channels.platform.connect_sessions import CONNECTED, FAILED, MOST, ConnectSession, ConnectSessions
from zoho_pipeline.channels.registry.registry import Registry


def begin(registry: Registry, tenant: str | None = "t", channel_id: str = "acme") -> ConnectSession:
    sessions = ConnectSessions(registry.database)
    values: dict[str, Any] = {"tenant": tenant, "channel_id": channel_id, "principal": "key:1", "origin": None}
    wanted = {"data_center": "in", "scopes": ["a"], "timezone": None}
    return sessions.begin(sessions.new_id(), **values, request=wanted, life_seconds=600)


def test_callers_at_the_same_time_do_not_pass_the_limit(registry: Registry) -> None:
    waits: list[float] = []

    def one(_: int) -> bool:
        try:
            begin(registry)
        except TooManyConsents as error:
            waits.append(error.retry_after)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(MOST * 2))) == MOST
    assert len(waits) == MOST
    assert all(540 < wait <= 600 for wait in waits)
    begin(registry, tenant="other")
    begin(registry, tenant=None)
    begin(registry, channel_id="two")


def test_one_of_many_browsers_begins(registry: Registry) -> None:
    session = begin(registry)
    sessions = ConnectSessions(registry.database)

    def one(number: int) -> bool:
        begun = sessions.start(session.id, new_binding=f"b{number}", own_binding=None, life_seconds=600)
        return begun is not None

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 1


def test_only_the_same_browser_begins_again_and_only_after_a_failure(registry: Registry) -> None:
    sessions, session = ConnectSessions(registry.database), begin(registry)

    def start(new: str, own: str | None) -> ConnectSession | None:
        return sessions.start(session.id, new_binding=new, own_binding=own, life_seconds=600)

    assert start("one", None) is not None
    assert start("two", "one") is None  # it is still under way
    sessions.settle(session.id, FAILED, "consent_denied")
    assert start("two", None) is None
    assert start("two", "wrong") is None
    again = start("two", "one")
    assert again is not None
    assert (again.status, again.code, again.binding_hash) == ("pending", None, "two")
    sessions.settle(session.id, CONNECTED, None)
    sessions.settle(session.id, FAILED, "state_used")
    assert start("three", "two") is None
    found = sessions.get(session.id)
    assert found is not None
    assert (found.status, found.code) == ("connected", None)
    assert sessions.ended({session.id, "unknown", begin(registry).id}) == {session.id, "unknown"}

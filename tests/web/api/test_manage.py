"""Pause, resume, verify and remove over HTTP, against a simulated Zoho."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.channels.wire import DC, refresh_token, settings_for
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import RowsRemain
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.purges import Purges
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Settings
from zoho_pipeline.simulator import Org, Simulator

Key = Callable[..., dict[str, str]]


@pytest.fixture
def settings(simulator: Simulator, settings_env: Callable[..., dict[str, str]]) -> Settings:
    return settings_for(simulator, settings_env)


@pytest.fixture
def org(simulator: Simulator) -> Org:
    return simulator.add_org("Acme")


@pytest.fixture
def channel(registry: Registry, org: Org) -> Channel:
    return register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC, tenant="acme-inc")


@pytest.fixture
def call(client: TestClient, key: Key, channel: Channel) -> Callable[..., Any]:
    headers = key("admin")

    def send(action: str, channel_id: str = "acme", **more: str) -> Any:
        return client.post(f"/v1/channels/{channel_id}/{action}", headers=headers | more)

    return send


def actions(registry: Registry) -> list[object]:
    return [row["action"] for row in Audit(registry.database).rows("acme")]


def test_pause_and_resume(call: Callable[..., Any], registry: Registry) -> None:
    assert call("pause").json() == {"id": "acme", "tenant": "acme-inc", "status": "paused"}
    assert registry.get("acme").status == "paused"
    assert call("resume").json()["status"] == "connected"
    assert actions(registry) == ["channel.paused", "channel.resumed"]


def test_a_broken_connection_is_not_resumed(call: Callable[..., Any], registry: Registry) -> None:
    registry.set_reconnect_needed("acme", "Zoho refuses its token.")
    answer = call("resume")
    assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_needed")
    assert "zoho-pipeline" not in answer.text


def test_verify(call: Callable[..., Any], registry: Registry, simulator: Simulator) -> None:
    assert call("verify").json()["status"] == "connected"
    simulator.hub.tokens.grants.clear()
    simulator.expire_access_tokens()
    answer = call("verify")
    assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_needed")
    assert registry.get("acme").status == "reconnect_needed"
    assert actions(registry) == ["channel.verified", "channel.not_verified"]


def test_verify_when_zoho_does_not_answer(call: Callable[..., Any], simulator: Simulator) -> None:
    simulator.faults.next(20, "server_error", "/users")
    answer = call("verify")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_verify_has_a_limit(call: Callable[..., Any], client: TestClient, key: Key) -> None:
    assert [call("verify").status_code for _ in range(6)] == [200] * 6
    assert call("verify").status_code == 429
    assert client.post("/v1/channels/acme/verify", headers=key("admin")).status_code == 429


@pytest.mark.parametrize("action", ["pause", "resume", "verify"])
def test_scope_tenant_and_method(
    client: TestClient, key: Key, call: Callable[..., Any], registry: Registry, action: str
) -> None:
    path = f"/v1/channels/acme/{action}"
    assert client.post(path, headers=key("read", "sync", "connect")).status_code == 403
    assert client.post(path, headers=key(tenants=("other",))).status_code == 404
    assert client.post(path).status_code == 401
    assert client.get(path, headers=key()).status_code == 405
    assert call(action, "nobody").status_code == 404
    assert call(action, "acme%27--").status_code == 404
    assert actions(registry) == []


def test_a_repeated_pause_is_done_once(call: Callable[..., Any], registry: Registry) -> None:
    name = {"Idempotency-Key": "k1"}
    assert call("pause", **name).status_code == 200
    registry.resume("acme")
    again = call("pause", **name)
    assert (again.json()["status"], again.headers["Idempotency-Replayed"]) == ("paused", "true")
    assert registry.get("acme").status == "active"
    assert call("resume", **name).json()["code"] == "idempotency_mismatch"


def test_remove_revokes_the_token(
    client: TestClient, key: Key, channel: Channel, registry: Registry, simulator: Simulator
) -> None:
    answer = client.delete("/v1/channels/acme", headers=key("admin"))
    assert answer.json() == {"revoked": True, "detail": "its token was revoked", "purge": None}
    assert registry.list() == ()
    assert simulator.hub.tokens.grants == {}
    assert client.delete("/v1/channels/acme", headers=key("admin")).status_code == 404
    assert Purges(registry.database).waiting() == []
    assert actions(registry) == ["channel.removed"]


def test_remove_with_its_rows_leaves_them_to_a_worker(
    client: TestClient, key: Key, channel: Channel, registry: Registry, org: Org
) -> None:
    answer = client.delete("/v1/channels/acme?purge=true", headers=key("admin"))
    assert answer.json()["purge"] == "queued"
    assert Purges(registry.database).waiting() == ["acme"]
    with pytest.raises(RowsRemain, match="--purge"):
        register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)
    Purges(registry.database).done("acme")
    register_from_refresh_token(registry, "acme", refresh_token(org), data_center=DC)


def test_a_token_that_another_channel_uses_stays_and_the_channel_is_not_named(
    client: TestClient, key: Key, registry: Registry, org: Org, simulator: Simulator
) -> None:
    token = refresh_token(org)
    for name, tenant in (("acme", "acme-inc"), ("secret-name", "other")):
        register_from_refresh_token(registry, name, token, data_center=DC, tenant=tenant, again=True)
    answer = client.delete("/v1/channels/acme", headers=key("admin"))
    assert answer.json()["revoked"] is False
    assert "secret-name" not in answer.text
    assert len(simulator.hub.tokens.grants) == 1


def test_nothing_is_removed_while_zoho_does_not_answer(
    client: TestClient, key: Key, channel: Channel, registry: Registry, simulator: Simulator
) -> None:
    simulator.faults.next(5, "server_error", "/oauth/v2/token/revoke")
    assert client.delete("/v1/channels/acme?purge=true", headers=key("admin")).status_code == 503
    assert [c.id for c in registry.list()] == ["acme"]
    assert Purges(registry.database).waiting() == []


def test_only_the_tenant_may_remove(client: TestClient, key: Key, channel: Channel, registry: Registry) -> None:
    assert client.delete("/v1/channels/acme", headers=key(tenants=("other",))).status_code == 404
    assert client.delete("/v1/channels/acme", headers=key("write", "sync")).status_code == 403
    assert client.delete("/v1/channels/acme?purge=perhaps", headers=key()).status_code == 422
    assert [c.id for c in registry.list()] == ["acme"]


@contextmanager
def a_busy_channel(registry: Registry) -> Iterator[None]:
    """Another thread holds the channel, as a sync does."""
    held, done = Event(), Event()

    def hold() -> None:
        with channel_lock(registry.settings, "acme"):
            held.set()
            done.wait(60)

    thread = Thread(target=hold)
    thread.start()
    assert held.wait(30)
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_channel_that_a_sync_holds_is_not_removed(
    client: TestClient, key: Key, channel: Channel, registry: Registry, simulator: Simulator
) -> None:
    calls = len(simulator.requests)
    with a_busy_channel(registry):
        answer = client.delete("/v1/channels/acme?purge=true", headers=key("admin"))
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert answer.headers["content-type"] == "application/problem+json"
    assert registry.get("acme").tenant == "acme-inc"
    assert len(simulator.hub.tokens.grants) == 1, "the token was not revoked"
    assert len(simulator.requests) == calls, "Zoho heard nothing, so a subscription would stay too"
    assert Purges(registry.database).waiting() == []
    assert actions(registry) == []
    assert client.delete("/v1/channels/acme", headers=key("admin")).status_code == 200

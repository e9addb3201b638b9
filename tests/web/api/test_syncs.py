"""Syncs over HTTP: asked for, joined, refused with a code, counted, listed, and never another tenant's."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.channels.conftest import CONNECTION, REFRESH
from zoho_pipeline.channels.registry.model import ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import claims
from zoho_pipeline.channels.sync_requests.claims import SignOfLife

Key = Callable[..., dict[str, str]]
SYNCS = "/v1/channels/acme/syncs"


@pytest.fixture(autouse=True)
def _channels(registry: Registry) -> None:
    registry.add("acme", REFRESH, CONNECTION, tenant="acme-inc")
    registry.add("other", REFRESH, CONNECTION, tenant="other-inc", again=True)


def finish(registry: Registry, error: str | None = None) -> None:
    claimed = claims.claim(registry, "w")
    assert claimed is not None
    assert claims.finish(registry, "w", claimed.id, error)


def test_a_sync_is_accepted_and_joined(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("sync", "read")
    first = client.post(SYNCS, headers=headers)
    assert first.status_code == 202
    body = first.json()
    assert body == {"id": body["id"], "state": "queued", "joined": False, "full": False}
    again = client.post(SYNCS, headers=headers, json={"full": True})
    assert (again.status_code, again.json()) == (202, {**body, "joined": True, "full": True})
    claims.claim(registry, "w")
    assert client.post(SYNCS, headers=headers, json={}).json()["state"] == "running"


def test_the_progress_and_the_results_of_a_sync(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("sync", "read")
    sync_id = client.post(SYNCS, headers=headers).json()["id"]

    def shown() -> dict[str, Any]:
        answer = client.get(f"/v1/syncs/{sync_id}", headers=headers)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    waiting = shown()
    assert (waiting["state"], waiting["progress"], waiting["modules"]) == ("queued", {}, [])
    assert (waiting["reason"], waiting["credits"], waiting["error"]) == ("user", None, None)
    claims.claim(registry, "w")
    claims.signs_of_life(registry, "w", [SignOfLife(sync_id, {"Leads": 120})])
    assert (shown()["state"], shown()["progress"]) == ("running", {"Leads": 120})
    parts = [ModuleSync("Leads", None, "complete", 121, 3.0, None, "coql"), ModuleSync("Notes", None, "failed")]
    registry.record_syncs("acme", parts, run_id="r", whole=True)
    claims.finish(registry, "w", sync_id, "Notes: failed", progress={"Leads": 121})
    ended = shown()
    assert (ended["state"], ended["error"], ended["credits"]) == ("failed", "Notes: failed", 3.0)
    assert ended["modules"][0] == {
        "module": "Leads", "outcome": "complete", "rows": 121, "credits": 3.0, "route": "coql", "detail": None,
    }  # fmt: skip
    assert ended["progress"] == {"Leads": 121}
    assert ended["finished_at"].endswith("Z")


def test_channels_that_cannot_be_synced(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("sync")
    registry.pause("acme")
    refused = client.post(SYNCS, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "paused")
    registry.resume("acme")
    registry.set_reconnect_needed("acme", "revoked")
    refused = client.post(SYNCS, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "reconnect_needed")
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_six_new_syncs_an_hour(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("sync")
    for _ in range(6):
        assert client.post(SYNCS, headers=headers).json()["joined"] is False
        assert client.post(SYNCS, headers=headers).json()["joined"] is True
        finish(registry)
    refused = client.post(SYNCS, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 3_000 < int(refused.headers["Retry-After"]) <= 3_600
    registry.pause("acme")
    assert client.post(SYNCS, headers=headers).status_code == 409
    elsewhere = client.post("/v1/channels/other/syncs", headers=key("sync", tenants=("other-inc",)))
    assert elsewhere.status_code == 202, "another tenant's count is its own"


def test_the_history_page_by_page(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("sync", "read")
    assert client.get(SYNCS, headers=headers).json() == {"data": [], "next_cursor": None}
    for number in range(5):
        registry.record_syncs("acme", [ModuleSync("Leads", None, "complete")], run_id=f"r{number}", whole=True)
    asked = client.post(SYNCS, headers=headers).json()["id"]
    seen: list[dict[str, Any]] = []
    cursor = None
    for _ in range(3):
        page = client.get(SYNCS, headers=headers, params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += page["data"]
        cursor = page["next_cursor"]
    assert cursor is None
    assert len({sync["id"] for sync in seen}) == 6
    assert (seen[0]["id"], seen[0]["reason"]) == (asked, "user")
    assert {sync["reason"] for sync in seen[1:]} == {"run"}
    assert [sync["asked_at"] for sync in seen] == sorted((sync["asked_at"] for sync in seen), reverse=True)
    first = client.get(SYNCS, headers=headers, params={"limit": 2}).json()["next_cursor"]
    for wrong in ("x", first[:-1], first + "a"):
        assert client.get(SYNCS, headers=headers, params={"cursor": wrong}).status_code == 422
    foreign = key("read", tenants=("other-inc",))
    other = client.get("/v1/channels/other/syncs", headers=foreign, params={"cursor": first})
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "cursor")
    for limit in (0, 101):
        assert client.get(SYNCS, headers=headers, params={"limit": limit}).status_code == 422


def test_another_tenant_sees_nothing(client: TestClient, key: Key) -> None:
    sync_id = client.post(SYNCS, headers=key("sync")).json()["id"]
    foreign = key("sync", "read", tenants=("other-inc",))
    answers = [
        client.post(SYNCS, headers=foreign),
        client.get(SYNCS, headers=foreign),
        client.get(f"/v1/syncs/{sync_id}", headers=foreign),
        client.get("/v1/syncs/sr_unknown", headers=foreign),
        client.post("/v1/channels/unknown/syncs", headers=foreign),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.json()["detail"] for answer in answers}) == 1


def test_each_call_needs_its_scope(client: TestClient, key: Key) -> None:
    read, sync = key("read"), key("sync")
    assert client.post(SYNCS, headers=read).json()["code"] == "forbidden"
    assert client.get(SYNCS, headers=sync).status_code == 403
    assert client.get("/v1/syncs/sr_unknown", headers=sync).status_code == 403
    assert client.post(SYNCS).status_code == 401


@pytest.mark.parametrize(
    "body", [{"full": "perhaps"}, {"full": "no"}, {"full": 1}, {"full": None}, {"fully": True}, []]
)
def test_a_wrong_body(client: TestClient, key: Key, body: Any) -> None:
    refused = client.post(SYNCS, headers=key("sync"), json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")

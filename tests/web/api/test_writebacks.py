"""Write-back over HTTP: wishes, dry runs, refusals with a code, lists, decisions, and never another tenant's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, update

from tests.channels.conftest import CONNECTION
from tests.params import combined
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.platform_tables import writeback_settings, writebacks
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.web.api.writebacks.routes import READ_BEFORE

pytestmark = pytest.mark.usefixtures("channels")
Key = Callable[..., dict[str, str]]
LEAD, CONVERTED, NEWER = "5000000003", "5000000024", "5000000901"
WISH = f"/v1/channels/acme/leads/{LEAD}"
LIST = "/v1/channels/acme/writebacks"
PICKLIST = ["Not Contacted", "Contacted", "Lost Lead"]


def switch(registry: Registry, channel_id: str = "acme", **values: Any) -> None:
    """Switch write-back on without a call to Zoho."""
    now = registry.database.now()
    row = {"channel_id": channel_id, "state": "on", "detail": None, "policy": "zoho_wins", "trigger": "none"}
    row |= {"to_zoho": {"contacted": "Contacted", "gone": "Left The List"}, "from_zoho": {"Contacted": "contacted"}}
    row |= {"picklist": PICKLIST, "checked_at": now, "changed_at": now}
    with registry.database.write() as transaction:
        transaction.execute(writeback_settings.delete().where(writeback_settings.c.channel_id == channel_id))
        transaction.execute(insert(writeback_settings).values({**row, **values}))


def consent(registry: Registry, *scopes: str) -> None:
    """Give the channel a consent with these scopes."""
    channel = registry.get("acme")
    known = replace(CONNECTION, org_id=channel.org_id, user_id=channel.user_id, scopes=scopes)
    registry.refresh_connection("acme", known)


@pytest.fixture(autouse=True)
def _on(registry: Registry, channels: None) -> None:
    assert CONNECTION.scopes is not None
    consent(registry, *CONNECTION.scopes, "ZohoCRM.modules.leads.UPDATE")
    switch(registry)
    switch(registry, "foreign")


def conflict(registry: Registry, writeback_id: str) -> None:
    """Let a wish wait for a decision."""
    with registry.database.write() as transaction:
        held = {"state": "conflict", "code": "changed_in_zoho", "zoho_status": "Lost Lead"}
        transaction.execute(update(writebacks).where(writebacks.c.id == writeback_id).values(**held))


def test_a_wish_is_accepted_and_shown_with_its_steps(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("write", "read")
    body = {"status": "contacted", "expected_status": "Not Contacted", "actor": "asha", "reason": "called"}
    answer = client.patch(WISH, json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert made == {"id": made["id"], "state": "queued", "zoho_status": "Contacted"}
    assert answer.headers["Location"] == f"/v1/writebacks/{made['id']}"
    shown = client.get(answer.headers["Location"], headers=headers).json()
    assert shown["state"] == "queued"
    assert (shown["lead_id"], shown["status"], shown["zoho_status"]) == (LEAD, "contacted", "Contacted")
    assert (shown["actor"], shown["reason"], shown["expected_status"]) == ("asha", "called", "Not Contacted")
    assert [(step["from"], step["to"]) for step in shown["events"]] == [(None, "queued")]
    assert shown["events"][0]["who"].startswith("key:")
    reader = client.get(answer.headers["Location"], headers=key("read")).json()
    assert (reader["actor"], reader["reason"]) == (None, None)
    channel = client.get("/v1/channels/acme", headers=headers).json()["write_back"]
    assert channel == {"state": "on", "detail": None, "open": 1, "conflicts": 0}
    assert [row["action"] for row in Audit(registry.database).rows("acme")] == ["writeback.asked"]


def test_a_newer_wish_takes_the_place_of_one_that_is_not_sent(client: TestClient, key: Key) -> None:
    headers = key("write", "read")
    first = client.patch(WISH, json={"status": "contacted"}, headers=headers).json()["id"]
    client.patch(WISH, json={"status": "Lost Lead"}, headers=headers)
    shown = client.get(f"/v1/writebacks/{first}", headers=headers).json()
    assert (shown["state"], shown["code"]) == ("superseded", "superseded")
    assert shown["finished_at"] is not None


def test_an_idempotency_key_makes_one_wish(client: TestClient, key: Key) -> None:
    headers = {**key("write", "read"), "Idempotency-Key": "k1"}
    first = client.patch(WISH, json={"status": "contacted"}, headers=headers)
    again = client.patch(WISH, json={"status": "contacted"}, headers=headers)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert client.patch(WISH, json={"status": "Lost Lead"}, headers=headers).json()["code"] == "idempotency_mismatch"
    assert len(client.get(LIST, headers=headers).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "would", "has_request"),
    [
        ({"status": "contacted"}, "write", True),
        ({"status": "contacted", "expected_status": "Lost Lead"}, "conflict", False),
    ],
)
def test_a_dry_run_stores_nothing(
    client: TestClient, key: Key, body: dict[str, str], would: str, has_request: bool
) -> None:
    headers = key("write", "read")
    answer = client.patch(WISH, params={"dry_run": "true"}, json=body, headers=headers)
    assert answer.status_code == 200
    found = answer.json()
    assert set(found) == {"would", "request", "why"}
    assert found["would"] == would
    assert found["request"] == (
        {
            "method": "PUT",
            "path": f"/crm/v7/Leads/{LEAD}",
            "headers": {"If-Unmodified-Since": READ_BEFORE},
            "body": {"data": [{"id": LEAD, "Lead_Status": "Contacted"}], "trigger": []},
        }
        if has_request
        else None
    )
    assert client.get(LIST, headers=headers).json()["data"] == []


def test_a_dry_run_of_a_converted_lead_is_refused_in_words(client: TestClient, key: Key) -> None:
    path = f"/v1/channels/acme/leads/{CONVERTED}"
    answer = client.patch(path, params={"dry_run": "1"}, json={"status": "contacted"}, headers=key("write"))
    assert (answer.status_code, answer.json()["would"]) == (200, "refuse")
    refused = client.patch(path, json={"status": "contacted"}, headers=key("write"))
    assert (refused.status_code, refused.json()["code"]) == (409, "converted")


@pytest.mark.parametrize(
    ("field", "word"),
    combined(
        ["status", "expected_status"],
        ["gone", "Left The List", "CONTACTED", "nonsense"],
        quick=[("status", "gone"), ("status", "CONTACTED"), ("expected_status", "Left The List")],
    ),
)
def test_a_word_without_a_status_is_422_and_lists_what_there_is(
    client: TestClient, key: Key, field: str, word: str
) -> None:
    if (field, word) == ("expected_status", "gone"):
        return  # the user may have seen it: it was in the list before
    answer = client.patch(WISH, json={"status": "contacted", field: word}, headers=key("write"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert "contacted" in error["message"]
    assert "Lost Lead" in error["message"]
    assert "Left The List" not in error["message"]


def test_unknown_and_new_leads(client: TestClient, key: Key) -> None:
    headers = key("write")
    for lead in ("999", "5000000900x"):
        answer = client.patch(f"/v1/channels/acme/leads/{lead}", json={"status": "contacted"}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert client.patch("/v1/channels/acme/leads/a%20b", json={"status": "x"}, headers=headers).status_code == 422
    newer = client.patch(f"/v1/channels/acme/leads/{NEWER}", json={"status": "contacted"}, headers=headers)
    assert newer.status_code == 202, "a lead that is newer than as_of is known from the newest leads"


def test_channels_that_take_no_wish(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("write")

    def code() -> str:
        for params in ({}, {"dry_run": "true"}):
            answer = client.patch(WISH, params=params, json={"status": "contacted"}, headers=headers)
            assert answer.status_code == 409
            found: str = answer.json()["code"]
        return found

    for state in ("off", "broken"):
        switch(registry, state=state)
        assert code() == "writeback_off"
    switch(registry, state="degraded")
    assert client.patch(WISH, json={"status": "contacted"}, headers=headers).status_code == 202
    registry.add_missing_scopes("acme", ("ZohoCRM.modules.leads.UPDATE",))
    assert code() == "scope_missing"
    registry.clear_missing_scopes("acme")
    registry.pause("acme")
    assert code() == "paused"
    registry.resume("acme")
    registry.set_reconnect_needed("acme", "revoked")
    assert code() == "reconnect_needed"


def test_a_consent_without_the_scope(client: TestClient, key: Key, registry: Registry) -> None:
    assert CONNECTION.scopes is not None
    consent(registry, *CONNECTION.scopes)
    answer = client.patch(WISH, json={"status": "contacted"}, headers=key("write"))
    assert (answer.status_code, answer.json()["code"]) == (409, "scope_missing")


@pytest.mark.parametrize(
    "body",
    [{}, {"status": ""}, {"status": 5}, {"status": "x" * 201}, {"status": "contacted", "Email": "x"}, [], "contacted"],
)
def test_bad_bodies(client: TestClient, key: Key, body: Any) -> None:
    answer = client.patch(WISH, json=body, headers=key("write"))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_lists_page_by_page(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("write", "read")
    ids = []
    for number in range(5):
        path = f"/v1/channels/acme/leads/50000000{number:02}"
        answer = client.patch(path, json={"status": "contacted"}, headers=headers)
        ids.append(answer.json()["id"])
    conflict(registry, ids[2])
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = client.get(LIST, params=params, headers=headers).json()
        seen += [row["id"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert (seen, cursor) == (ids[::-1], None)
    held = client.get(LIST, params={"state": "conflict"}, headers=headers).json()["data"]
    assert [row["id"] for row in held] == [ids[2]]
    assert client.get(LIST, params={"state": "odd"}, headers=headers).status_code == 422
    first = client.get(LIST, params={"limit": 2}, headers=headers).json()["next_cursor"]
    crossed = client.get(LIST, params={"cursor": first, "state": "queued"}, headers=headers)
    assert (crossed.status_code, crossed.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize(("choice", "state", "resolution"), [("keep", "kept", "kept"), ("force", "queued", "forced")])
def test_a_conflict_is_decided_once(
    client: TestClient, key: Key, registry: Registry, choice: str, state: str, resolution: str
) -> None:
    headers = key("write", "read")
    made = client.patch(WISH, json={"status": "contacted"}, headers=headers).json()["id"]
    path = f"/v1/writebacks/{made}/resolve"
    early = client.post(path, json={"choice": choice}, headers=headers)
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    conflict(registry, made)
    assert client.get("/v1/channels/acme", headers=headers).json()["write_back"]["conflicts"] == 1
    assert client.post(path, json={"choice": choice}, headers=key("read")).status_code == 403
    assert client.post(path, json={"choice": "perhaps"}, headers=headers).status_code == 422
    for seen in ("Contacted", "", None):
        other = client.post(path, json={"choice": choice, "found_status": seen}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "conflict")
    decided = client.post(path, json={"choice": choice, "found_status": "Lost Lead"}, headers=headers)
    assert decided.status_code == 200
    assert (decided.json()["state"], decided.json()["resolution"]) == (state, resolution)
    assert decided.json()["found_status"] == "Lost Lead"
    assert client.post(path, json={"choice": choice}, headers=headers).status_code == 409
    assert client.get("/v1/channels/acme", headers=headers).json()["write_back"]["conflicts"] == 0


def test_another_tenant_sees_and_does_nothing(client: TestClient, key: Key, registry: Registry) -> None:
    mine, theirs = key("write", "read"), key("write", "read", tenants=("foreign-inc",))
    made = client.patch(WISH, json={"status": "contacted"}, headers=mine).json()["id"]
    conflict(registry, made)
    calls = [
        client.patch(WISH, json={"status": "contacted"}, headers=theirs),
        client.get(f"/v1/writebacks/{made}", headers=theirs),
        client.get(LIST, headers=theirs),
        client.post(f"/v1/writebacks/{made}/resolve", json={"choice": "force"}, headers=theirs),
        client.get("/v1/writebacks/wb_none", headers=mine),
    ]
    assert [(call.status_code, call.json()["code"]) for call in calls] == [(404, "not_found")] * 5
    foreign = client.patch("/v1/channels/foreign/leads/5000000001", json={"status": "contacted"}, headers=mine)
    assert foreign.status_code == 404
    assert client.get(f"/v1/writebacks/{made}", headers=mine).json()["state"] == "conflict"


@pytest.mark.parametrize("scope", ["read", "sync", "admin"])
def test_only_the_scope_write_wishes(client: TestClient, key: Key, scope: str) -> None:
    answer = client.patch(WISH, json={"status": "contacted"}, headers=key(scope))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "`write`" in answer.json()["detail"]
    assert client.patch(WISH, json={"status": "contacted"}).status_code == 401

"""Channels that no sync can read, although Zoho refuses nothing: the numbers stay, and the page names the cure."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from tests.channels.conftest import CONNECTION
from tests.params import choice
from tests.web.pages.conftest import HTML
from tests.web.pages.test_channel_page import Page
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import claims
from zoho_pipeline.channels.sync_requests.queue import request_sync
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.auth.operator import login_link
from zoho_pipeline.web.auth.tokens import Tokens

pytestmark = pytest.mark.usefixtures("channels", "origins")
CLIENT = {"ZOHO_CLIENT_ID": "1000.C", "ZOHO_CLIENT_SECRET": "s"}
GONE = replace(
    CONNECTION,
    data_center="sim",
    accounts_server="http://127.0.0.1:9",
    api_domain="http://127.0.0.1:9",
    org_id="sim org",
    user_id="sim user",
)
READ = ("", "/leads", "/insight", "/syncs")
LEADS = "261"
Key = Callable[..., dict[str, str]]


def restarted(settings: Settings, **env: str) -> TestClient:
    """The server as the operator starts it again with other settings."""
    changed = load_settings({"ZOHO_PIPELINE_HOME": str(settings.home), **env}, dotenv=settings.home / "no.env")
    app = create_app(changed, ServiceSettings())
    return TestClient(app, base_url="http://localhost:8480", raise_server_exceptions=False)


def state_of(client: TestClient, headers: dict[str, str], channel_id: str = "acme") -> dict[str, object]:
    """The channel by the API, after each of its reading routes answered."""
    for path in READ:
        assert client.get(f"/v1/channels/{channel_id}{path}", headers=headers).status_code == 200, path
    assert client.get("/v1/channels", headers=headers).status_code == 200
    found: dict[str, object] = client.get(f"/v1/channels/{channel_id}", headers=headers).json()
    return found


def framed(client: TestClient, headers: dict[str, str], channel_id: str = "acme") -> Page:
    body = {"channel_ids": [channel_id], "scopes": ["read", "sync", "connect"], "end_user": "u"}
    made = client.post("/v1/sessions", json=body | {"origin": "https://app.example.com"}, headers=headers)
    parts = urlsplit(made.json()["embed_url"])
    answer = client.get(f"{parts.path}?{parts.query}", headers=HTML)
    assert answer.status_code == 200
    return Page(answer.text)


def operators(client: TestClient, channel_id: str = "acme") -> Page:
    services = client.app.state.services  # type: ignore[attr-defined]
    client.get(login_link(Tokens(services.settings.secret_keys, services.service.public_url, services.clock)))
    assert client.get("/ui", headers=HTML).status_code == 200
    return Page(client.get(f"/ui/channels/{channel_id}", headers=HTML).text)


def buttons(page: Page) -> list[str]:
    return [str(a.get("class")) for tag, a in page.tags if tag in ("a", "button") and a.get("class") == "button"]


def test_a_data_centre_that_left_the_settings(settings: Settings, registry: Registry, world: Path, key: Key) -> None:
    registry.remove("acme")
    registry.add("acme", Secret("1000.sim"), GONE, tenant="acme-inc")
    client, headers = restarted(settings, **CLIENT), key()
    state = state_of(client, headers)
    assert state["leads"]["total"] == int(LEADS)  # type: ignore[index]
    assert state["status"] == "never_synced"
    assert "does not know Zoho’s data centre sim" in str(state["status_detail"])
    assert state["status_detail"] in state["problems"]  # type: ignore[operator]
    for page in (framed(client, headers), operators(client)):
        assert "No sync possible" in page.headings
        assert "Old numbers. These are the numbers of" in page.text
        assert LEADS in page.text
        assert buttons(page) == []
    assert "ZOHO_" not in framed(client, headers).text
    assert 'Put "sim": "http://127.0.0.1:9" back into ZOHO_PIPELINE_DATA_CENTERS' in operators(client).text
    cured = restarted(settings, ZOHO_PIPELINE_DATA_CENTERS='{"sim": "http://127.0.0.1:9"}', **CLIENT)
    assert state_of(cured, headers)["status_detail"] is None


def test_what_needs_that_data_centre_says_what_is_missing(settings: Settings, registry: Registry, key: Key) -> None:
    registry.add("gone", Secret("1000.sim"), GONE, tenant="acme-inc")
    client, headers = restarted(settings, **CLIENT), key()
    for answer in (
        client.get("/zohoCrm/connect?channel_id=gone", headers=headers),
        client.post("/v1/channels/gone/verify", headers=headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "Its log says" in answer.json()["detail"]
    wrong = client.get("/zohoCrm/connect?channel_id=gone&region=sim", headers=headers)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "region")
    removed = client.delete("/v1/channels/gone", headers=headers)
    assert (removed.status_code, removed.json()["revoked"]) == (200, False)
    assert "left the settings" in removed.json()["detail"]


def test_a_region_without_its_client(settings: Settings, key: Key) -> None:
    client, headers = restarted(settings, ZOHO_CLIENT_ID="1000.C", ZOHO_CLIENT_SECRET_EU="s"), key()
    assert "has no client at Zoho for the data centre in" in str(state_of(client, headers)["status_detail"])
    page = operators(client)
    assert "No sync possible" in page.headings
    assert "Set ZOHO_CLIENT_SECRET_IN" in page.text
    assert "ZOHO_" not in framed(client, headers).text
    # a host that has no client at all only shows channels
    assert state_of(restarted(settings), headers)["status_detail"] is None


def test_a_token_that_no_key_decrypts(settings: Settings, registry: Registry, key: Key) -> None:
    headers = key()
    client = restarted(settings, ZOHO_PIPELINE_SECRET_KEY="another-key-" * 4, **CLIENT)
    state = state_of(client, headers)
    assert state["status"] == "reconnect_needed"
    page = framed(client, headers)
    assert "Reconnect needed" in page.headings
    assert "cannot be decrypted" in page.text
    assert LEADS in page.text
    assert buttons(page) == ["button"]
    assert "Put the key that encrypted it back" in operators(client).text
    refused = client.post("/v1/channels/acme/verify", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "reconnect_needed")


def change(registry: Registry, statement: str) -> None:
    with registry.database.write() as transaction:
        transaction.execute(text(statement))


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../../etc/passwd", "America"])
def test_a_time_zone_that_this_host_does_not_know(client: TestClient, registry: Registry, key: Key, zone: str) -> None:
    change(registry, f"update registry_channels set timezone = '{zone}' where channel_id = 'acme'")
    headers = key()
    state = state_of(client, headers)
    assert state["timezone"] == zone
    assert any("so times are shown in UTC" in problem for problem in state["problems"])  # type: ignore[attr-defined]
    for page in (framed(client, headers), operators(client)):
        assert "Connected" in page.headings
        assert "Times are local times of UTC." in page.text


DAMAGES = (
    "update registry_channels set scopes = '{' where channel_id = 'acme'",
    "update registry_channels set status = 'of a later version' where channel_id = 'acme'",
    "update registry_modules set outcome = 'of a later version' where channel_id = 'acme'",
    "update registry_channels set users_licensed = 'many' where channel_id = 'acme'",
    "update registry_channels set org_name = x'fffe', currency = x'ff' where channel_id = 'acme'",
    "update registry_modules set rows = 'many' where channel_id = 'acme'",
    "update registry_modules set detail = x'fffe' where channel_id = 'acme'",
    "update registry_channels set status = cast(x'ff' as text) where channel_id = 'acme'",
)


@pytest.mark.parametrize("damage", choice(DAMAGES, DAMAGES[::3]))
def test_a_damaged_row_hides_no_number(client: TestClient, registry: Registry, key: Key, damage: str) -> None:
    change(registry, damage)
    headers = key()
    assert state_of(client, headers)["leads"]["total"] == int(LEADS)  # type: ignore[index]
    page = operators(client)
    assert "No sync possible" in page.headings
    assert "zoho-pipeline channels remove acme" in page.text
    assert buttons(page) == []
    listed = client.get("/ui", headers=HTML).text
    assert "No sync possible" in listed
    assert "Reconnect needed" not in listed
    seen = framed(client, headers)
    assert "No sync possible" in seen.headings
    assert LEADS in seen.text
    assert "zoho-pipeline" not in seen.text
    refused = client.post("/v1/channels/acme/syncs", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert "damaged" in refused.json()["detail"]
    assert client.get("/v1/channels/acme/agent-context", headers=headers).json()["data_status"] == "ok"


def test_the_page_of_a_damaged_row_keeps_the_habits_that_somebody_set(
    client: TestClient, registry: Registry, key: Key
) -> None:
    change(registry, "update registry_channels set set_timezone = 'Europe/London', set_currency = 'GBP', scopes = '{'")
    state = state_of(client, key())
    assert (state["timezone"], state["currency"]) == ("Europe/London", "GBP")
    assert "Times are local times of Europe/London." in operators(client).text


SUBSCRIBED = (
    "insert into registry_push_subscriptions (channel_id, hook_hash, hook_seal, zoho_channel_id, token_hash,"
    " token_seal, workflow_hash, workflow_seal, secret_hash, secret_seal, events, skew_seconds, state, tries,"
    " deliveries, doubtful, missed, idle, missed_total, asked_expiry, expires_at, created_at, renewed_at) values"
    " ('acme', '', '', '1', '', '', '', '', '', '', '{}', 0, 'on', 0, 0, 0, 0, 0, 0, '2026-01-01 00:00:00',"
    " '2026-01-01 00:00:00', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
)
WRITES = (
    "insert into registry_writeback_settings (channel_id, state, policy, to_zoho, from_zoho, trigger, picklist,"
    " changed_at) values ('acme', 'on', 'hold', '{}', '{}', 'none', '[]', '2026-01-01 00:00:00')"
)
WISHED = (
    "insert into registry_writebacks (id, channel_id, lead_id, status, desired, expected_zoho, state, tries,"
    " created_at, queued_at) values ('{id}', 'acme', '{id}', 'new', 'New', '[]', 'conflict', 0, '2026-01-01 00:00:00',"
    " '2026-01-01 00:00:00')"
)
DAMAGED_BESIDE = (
    "update registry_sync_requests set state = 'later' where channel_id = 'acme'",
    "update registry_sync_requests set asked_at = 'no time' where channel_id = 'acme'",
    "update registry_sync_requests set progress = '{' where channel_id = 'acme'",
    "update registry_sync_requests set error = x'ff', state = 'failed' where channel_id = 'acme'",
    "update registry_sync_requests set requested_by = cast(x'ff' as text) where channel_id = 'acme'",
    "update registry_sync_requests set state = 'failed', modules = '[{\"outcome\" : \"complete\"}]'",
    "update registry_push_subscriptions set state = 'later'",
    "update registry_push_subscriptions set expires_at = 'no time'",
    "update registry_push_subscriptions set events = '{'",
    "update registry_push_subscriptions set missed = 'many', skew_seconds = 'much'",
    "update registry_push_subscriptions set detail = cast(x'ff' as text)",
    "update registry_writeback_settings set state = 'later'",
    "update registry_writeback_settings set to_zoho = '{'",
    "update registry_writeback_settings set picklist = '7'",
    "update registry_writebacks set expected_zoho = '{' where id = 'wb_1'",
    "update registry_writebacks set created_at = 'no time' where id = 'wb_1'",
    "update registry_writebacks set desired = x'ff' where id = 'wb_1'",
)


@pytest.mark.parametrize("damage", choice(DAMAGED_BESIDE, [DAMAGED_BESIDE[place] for place in (0, 3, 7, 12, 14)]))
def test_a_damaged_row_beside_a_channel_hides_no_list_and_no_page(
    client: TestClient, registry: Registry, key: Key, damage: str
) -> None:
    request, _ = request_sync(registry, "acme", reason="user", requested_by="test")
    for statement in (SUBSCRIBED, WRITES, WISHED.format(id="wb_1"), WISHED.format(id="wb_2")):
        change(registry, statement)
    headers = key()
    assert state_of(client, headers)["push"]["state"] == "on"  # type: ignore[index]
    change(registry, damage)
    assert state_of(client, headers)["leads"]["total"] == int(LEADS)  # type: ignore[index]
    assert len(client.get("/v1/channels", headers=headers).json()["data"]) > 1
    assert LEADS in framed(client, headers).text
    assert LEADS in operators(client).text
    assert client.get(f"/v1/syncs/{request.id}", headers=headers).json()["channel_id"] == "acme"
    wishes = client.get("/v1/channels/acme/writebacks", headers=headers).json()["data"]
    assert "wb_2" in [wish["id"] for wish in wishes]
    assert client.post("/v1/channels/acme/syncs", headers=headers).status_code == 202


def test_the_page_names_damaged_wishes_and_their_end(client: TestClient, registry: Registry, key: Key) -> None:
    for statement in (WRITES, WISHED.format(id="wb_1"), WISHED.format(id="wb_2")):
        change(registry, statement)
    change(registry, "update registry_writebacks set expected_zoho = '{' where id = 'wb_1'")
    page, seen = operators(client), framed(client, key())
    for shown in (page, seen):
        assert "What this service stored of 1 wish is damaged." in shown.text
        assert "wb_2" in shown.text
    assert "zoho-pipeline writeback resolve wb_1 keep" in page.text
    assert "zoho-pipeline" not in seen.text


def test_a_parameter_that_is_no_number_hides_no_list(client: TestClient, registry: Registry, key: Key) -> None:
    change(
        registry, """update registry_channels set parameters = '{"stale_after_hours": "x"}' where channel_id = 'acme'"""
    )
    assert state_of(client, key())["data_status"] == "ok"


def test_the_request_of_a_damaged_channel_stops_no_other(registry: Registry) -> None:
    first, _ = request_sync(registry, "acme", reason="user", requested_by="test")
    second, _ = request_sync(registry, "small", reason="user", requested_by="test")
    change(registry, DAMAGES[0])
    taken = [claims.claim(registry, "w") for _ in range(2)]
    assert [request.id for request in taken if request] == [first.id, second.id]
    assert claims.finish(registry, "w", first.id, "the registry's row is damaged")


def test_a_failed_sync_says_why(client: TestClient, registry: Registry, key: Key) -> None:
    request, _ = request_sync(registry, "acme", reason="user", requested_by="test")
    claims.claim(registry, "w")
    claims.finish(registry, "w", request.id, "Zoho did not answer. Run zoho-pipeline sync acme.")
    headers = key()
    assert state_of(client, headers)["sync"]["error"] == "Zoho did not answer."  # type: ignore[index]
    assert client.get(f"/v1/syncs/{request.id}", headers=headers).json()["error"] == "Zoho did not answer."
    page = framed(client, headers)
    assert "Last sync failed" in page.headings
    assert "The newest sync failed: Zoho did not answer." in page.text
    assert buttons(page) == ["button"]

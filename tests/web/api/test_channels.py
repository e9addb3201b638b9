"""A channel over HTTP: its fields, its lists, what each caller may see, and what is kept in memory."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.web.world import AS_OF, put
from zoho_pipeline.channels.registry.model import FLAT, SUBFORMS, ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests.queue import request_sync
from zoho_pipeline.reading.insight import read
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import open_warehouse
from zoho_pipeline.web.api.channel_state import for_browser
from zoho_pipeline.web.http.sized_cache import SizedCache

pytestmark = pytest.mark.usefixtures("channels")
Key = Callable[..., dict[str, str]]

FIELDS = {
    *("id", "tenant", "timezone", "currency", "status", "status_detail", "org", "connected_user", "data_center"),
    *("scopes", "missing_scopes", "hints", "problems", "connected_at", "last_sync", "sync", "as_of", "data_status"),
    *("leads", "credits", "modules", "chosen_modules", "push", "write_back"),
}


def get(client: TestClient, headers: dict[str, str], path: str) -> Any:
    answer = client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.long
def test_the_fields_of_a_channel(client: TestClient, key: Key) -> None:
    found = get(client, key("read"), "/v1/channels/acme")
    assert set(found) == FIELDS
    assert list(found)[:4] == ["id", "tenant", "timezone", "currency"]
    assert (found["id"], found["tenant"], found["timezone"], found["currency"]) == (
        *("acme", "acme-inc"),
        *("Asia/Kolkata", "INR"),
    )
    assert (found["status"], found["data_status"]) == ("connected", "ok")
    assert datetime.fromisoformat(found["as_of"]) == AS_OF
    assert found["org"] == {"name": "Acme", "edition": "enterprise"}
    assert found["leads"]["total"] == 261
    assert found["leads"]["newer_than_as_of"] == 30
    assert found["sync"] == {"state": "idle", "request_id": None, "progress": {}, "error": None}
    assert found["last_sync"]["outcome"] == "complete"
    assert found["credits"] == {"used_24h": 12.0, "limit": 53000, "budget": 42400}
    assert [module["module"] for module in found["modules"]] == ["Leads"]
    assert (found["push"]["state"], found["write_back"]["state"]) == ("off", "off")


def test_the_chosen_modules_of_a_channel(client: TestClient, key: Key, registry: Registry) -> None:
    assert get(client, key("read"), "/v1/channels/acme")["chosen_modules"] == []
    registry.store_settings("acme", chosen_modules={"Products": FLAT, "Webinars": SUBFORMS})
    assert get(client, key("read"), "/v1/channels/acme")["chosen_modules"] == ["Products", "Webinars:subforms"]


def test_the_counts_are_those_of_the_insight(client: TestClient, key: Key) -> None:
    headers = key("read")
    counts, insight = (get(client, headers, f"/v1/channels/acme{end}") for end in ("", "/insight"))
    pairs = {"this_month": "leads_this_month", "last_month_same_point": "leads_last_month_same_point"}
    for ours, theirs in (pairs | {"change_rate": "leads_change_rate"}).items():
        assert counts["leads"][ours] == insight[theirs]


def test_the_insight_is_that_of_the_command(client: TestClient, key: Key, settings: Settings) -> None:
    found = get(client, key("read"), "/v1/channels/acme/insight")
    assert found == json.loads(json.dumps(read(open_warehouse(settings), "acme")))


@pytest.mark.parametrize("name", ["never", "late"])
def test_without_numbers_they_are_null(client: TestClient, key: Key, name: str) -> None:
    headers = key("read")
    found = get(client, headers, f"/v1/channels/{name}")
    assert (found["status"], found["data_status"], found["as_of"]) == ("never_synced", "never_synced", None)
    assert set(found["leads"].values()) == {None}
    assert get(client, headers, f"/v1/channels/{name}/leads") == {"data": [], "next_cursor": None}
    answer = client.get(f"/v1/channels/{name}/insight", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_published")


def test_leads_that_cannot_be_read_are_no_zero(client: TestClient, key: Key) -> None:
    found = get(client, key("read"), "/v1/channels/hidden")
    assert (found["data_status"], found["leads"]["total"]) == ("module_missing", None)
    assert found["last_sync"]["outcome"] == "skipped"


def test_states_of_the_connection(client: TestClient, key: Key, registry: Registry) -> None:
    headers = key("read")
    registry.set_reconnect_needed("acme", "Zoho refuses its token. Run zoho-pipeline connect acme.")
    found = get(client, headers, "/v1/channels/acme")
    assert (found["status"], found["status_detail"]) == ("reconnect_needed", "Zoho refuses its token.")
    assert found["leads"]["total"] == 261
    registry.clear_reconnect_needed("acme")
    registry.pause("acme")
    assert get(client, headers, "/v1/channels/acme")["status"] == "paused"


def test_a_sync_that_waits_is_shown(client: TestClient, key: Key, registry: Registry) -> None:
    asked, _ = request_sync(registry, "acme", reason="user", requested_by="x")
    found = get(client, key("read"), "/v1/channels/acme")["sync"]
    assert (found["state"], found["request_id"]) == ("queued", asked.id)


def test_numbers_that_nobody_renews_become_stale(
    client: TestClient, key: Key, registry: Registry, settings: Settings, world: Path
) -> None:
    put(world, settings.home, "update marts.channel_insight set as_of_utc = as_of_utc - interval '40 hours'")
    headers = key("read")
    assert get(client, headers, "/v1/channels/acme")["data_status"] == "stale"
    registry.store_settings("acme", parameters={"stale_after_hours": "48"})
    assert get(client, headers, "/v1/channels/acme")["data_status"] == "ok"


def test_the_list_has_pages_of_the_tenant(client: TestClient, key: Key) -> None:
    headers = key("read")
    names, cursor = [], ""
    for _ in range(3):
        page = get(client, headers, f"/v1/channels?limit=2{cursor}")
        names += [channel["id"] for channel in page["data"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (names, page["next_cursor"]) == (["acme", "hidden", "late", "never", "small"], None)
    one = get(client, headers, "/v1/channels/acme")
    assert get(client, headers, "/v1/channels?limit=1")["data"] == [one]


def test_a_foreign_channel_is_not_there(client: TestClient, key: Key) -> None:
    headers = key("read")
    for end in ("", "/insight", "/leads"):
        answers = [client.get(f"/v1/channels/{name}{end}", headers=headers) for name in ("foreign", "nobody")]
        assert [answer.status_code for answer in answers] == [404, 404]
        bodies = [answer.json() | {"request_id": ""} for answer in answers]
        assert bodies[0] == bodies[1]


def test_each_call_needs_the_scope_read(client: TestClient, key: Key) -> None:
    headers = key("sync", "pii", "admin")
    for path in ("/v1/channels", "/v1/channels/acme", "/v1/channels/acme/insight", "/v1/channels/acme/leads"):
        assert client.get(path).status_code == 401
        answer = client.get(path, headers=headers)
        assert (answer.status_code, "`read`" in answer.json()["detail"]) == (403, True)


def test_a_kept_answer_reaches_nobody_with_other_rights(client: TestClient, key: Key) -> None:
    """Each caller asks twice, so that the second answer comes from memory, in any order of the callers."""
    path = "/v1/channels/acme/leads?limit=3"
    full, masked = key("read", "pii"), key("read")
    foreign = key("read", "pii", tenants=("foreign-inc",))
    for headers in (full, full, masked, masked, full, foreign, foreign, masked):
        answer = client.get(path, headers=headers)
        if headers is foreign:
            assert answer.status_code == 404
        else:
            sees = answer.json()["data"][0]["email"] == "asha929@example.com"
            assert sees is (headers is full)
    several = key("read", tenants=("acme-inc", "foreign-inc"))
    for tenant, seen in (("acme-inc", 5), ("foreign-inc", 1), ("acme-inc", 5)):
        answer = client.get("/v1/channels", headers=several | {"Zoho-Pipeline-Tenant": tenant})
        assert len(answer.json()["data"]) == seen


def test_a_kept_answer_ends_with_a_change(
    client: TestClient, key: Key, registry: Registry, settings: Settings, world: Path
) -> None:
    headers = key("read")
    first = get(client, headers, "/v1/channels/acme")
    assert get(client, headers, "/v1/channels/acme") == first
    registry.record_syncs("acme", [ModuleSync("Deals", AS_OF, "failed", detail="no answer")])
    assert "Deals: no answer" in get(client, headers, "/v1/channels/acme")["problems"]
    put(world, settings.home, "delete from marts.lead where zoho_lead_id = '5000000007'")
    assert get(client, headers, "/v1/channels/acme")["leads"]["total"] == 260


def test_marts_that_cannot_be_read_are_unavailable(client: TestClient, key: Key, settings: Settings) -> None:
    (settings.home / "warehouse.published.duckdb").write_text("no database")
    answer = client.get("/v1/channels/acme", headers=key("read"))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert str(settings.home) not in answer.text


def test_the_cache_forgets_the_oldest_and_what_is_too_old() -> None:
    cache = SizedCache[bytes](most_bytes=10, seconds=1000)
    cache.put("a", b"12345", len(b"12345"))
    cache.put("b", b"12345", len(b"12345"))
    assert cache.get("a") == b"12345"
    cache.put("c", b"1", len(b"1"))
    assert [cache.get(name) for name in "abc"] == [b"12345", None, b"1"]
    cache.put("large", b"x" * 11, len(b"x" * 11))
    assert cache.get("large") is None
    old = SizedCache[bytes](seconds=-1)
    old.put("a", b"1", len(b"1"))
    assert old.get("a") is None


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Zoho refuses its token. Run: zoho-pipeline connect acme", "Zoho refuses its token."),
        (
            "the currency is unknown; set it with: zoho-pipeline channels set a --currency INR",
            "the currency is unknown",
        ),
        ("Check ZOHO_PIPELINE_HOME.", None),
        ("", None),
        ("Leads: a scope is missing", "Leads: a scope is missing"),
    ],
)
def test_browsers_get_no_commands(text: str, left: str | None) -> None:
    assert for_browser(text) == left

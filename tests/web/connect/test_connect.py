"""A consent over HTTP, from the platform's call to the status that its page waits for."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from tests.channels.wire import DC, Person
from tests.params import each_nth
from tests.web.conftest import ORIGIN
from tests.web.connect.conftest import OWN, Browser, Platform, state_of
from zoho_pipeline.channels.platform.connect_sessions import MOST
from zoho_pipeline.channels.platform.purges import Purges
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.platform_tables import connect_sessions, sync_requests
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.web.app import create_app
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

Key = Callable[..., dict[str, str]]


def session_headers(client: TestClient, headers: dict[str, str], *scopes: str) -> dict[str, str]:
    body = {"channel_ids": ["acme"], "scopes": list(scopes), "end_user": "u1", "origin": ORIGIN}
    token = client.post("/v1/sessions", json=body, headers=headers).json()["token"]
    return {"Authorization": f"Bearer {token}"}


def test_the_whole_way_through_a_popup(
    platform: Platform, browser: Browser, person: Person, registry: Registry, audit: Callable[[], Any], origins: str
) -> None:
    begun = platform.connect(timezone="Asia/Kolkata").json()
    assert (begun["region"], begun["data_center"]) == (DC, DC)
    assert begun["redirect_uri"] == f"{OWN}/zohoCrm/callback"
    assert begun["scopes"] == list(DEFAULT_SCOPES)
    assert platform.status(begun["session_id"]).json() == {"status": "pending", "code": None, "channel_id": "acme"}

    opened = browser.client.get(begun["start_url"].removeprefix(OWN))
    cookie = opened.headers["set-cookie"].lower()
    assert f"zp_bind_{begun['session_id'].lower()}=" in cookie
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/zohocrm" in cookie
    assert "max-age=600" in cookie
    assert opened.headers["cross-origin-opener-policy"] == "unsafe-none"
    page = browser.back(person.callback(opened.headers["location"]))
    assert person.parameters["access_type"] == "offline"
    assert person.parameters["prompt"] == "consent"

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cross-origin-opener-policy"] == "unsafe-none"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert " style=" not in page.text
    assert "Acme is connected for acme-inc, as channel acme" in page.text
    assert f'data-origin="{ORIGIN}"' in page.text
    assert 'data-type="connect.done"' in page.text
    assert platform.status(begun["session_id"]).json()["status"] == "connected"
    channel = registry.get("acme")
    assert (channel.tenant, channel.org_name, channel.timezone) == ("acme-inc", "Acme", "Asia/Kolkata")
    with registry.database.read() as transaction:
        (row,) = transaction.execute(sync_requests.select()).mappings().all()
    assert (row["channel_id"], row["reason"], row["state"]) == ("acme", "connect", "queued")
    assert [action for action, _ in audit()] == ["consent.prepared", "consent.connected"]


def test_the_platform_may_open_zohos_page_itself(
    platform: Platform, browser: Browser, person: Person, registry: Registry
) -> None:
    begun = platform.connect().json()
    assert begun["url"].startswith(registry.settings.data_centers[DC])
    assert state_of(begun["url"]) == begun["state"]
    page = browser.back(person.callback(begun["url"]))
    assert page.status_code == 200
    assert 'data-origin=""' in page.text  # no origin is known, so no message is sent
    assert registry.get("acme").tenant == "acme-inc"
    assert browser.client.get(begun["start_url"].removeprefix(OWN)).status_code == 410


def test_a_program_gets_json(platform: Platform, browser: Browser, person: Person) -> None:
    begun = platform.connect().json()
    answer = browser.back(person.callback(begun["url"]), Accept="application/json")
    assert answer.json() == {"session_id": begun["session_id"], "channel_id": "acme"}
    again = browser.back({"state": begun["state"], "code": "x"}, Accept="application/json")
    assert (again.status_code, again.headers["content-type"]) == (400, "application/problem+json")
    assert again.json()["code"] == "state_used"


@pytest.mark.parametrize(
    ("region", "center", "host"),
    each_nth(
        3,
        [
            (None, "in", "accounts.zoho.in"),
            ("in", "in", "accounts.zoho.in"),
            ("co.in", "in", "accounts.zoho.in"),
            ("com", "us", "accounts.zoho.com"),
            ("us", "us", "accounts.zoho.com"),
            ("com.au", "au", "accounts.zoho.com.au"),
            ("EU", "eu", "accounts.zoho.eu"),
            ("jp", "jp", "accounts.zoho.jp"),
            ("ca", "ca", "accounts.zohocloud.ca"),
            ("sg", "sg", "accounts.zoho.sg"),
        ],
    ),
)
def test_regions(platform: Platform, region: str | None, center: str, host: str) -> None:
    query = f"&region={region}" if region else ""
    path = f"/zohoCrm/connect?channel_id=acme{query}"
    begun = platform.client.get(path, headers=platform.headers).json()
    assert (begun["region"], begun["data_center"]) == ((region or "in").lower(), center)
    assert urlsplit(begun["url"]).hostname == host


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"region": "mars"}, "region"),
        ({"region": "https://evil.example.com"}, "region"),
        ({"region": "accounts.zoho.in"}, "region"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"channel_id": "a/b"}, "channel_id"),
        ({"channel_id": "<script>alert(1)</script>"}, "channel_id"),
        ({"channel_id": "' or '1'='1"}, "channel_id"),
        ({"channel_id": "x" * 65}, "channel_id"),
        ({"channel_id": ""}, "channel_id"),
        ({"push": "perhaps"}, "push"),
    ],
)
def test_a_wrong_parameter_is_refused(platform: Platform, parameters: dict[str, str], field: str) -> None:
    answer = platform.connect(**{"channel_id": "acme", **parameters})  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
    assert answer.json()["errors"][0]["field"] == field


def test_extra_scopes_are_asked_for_and_kept_by_the_next_consent(
    platform: Platform, browser: Browser, person: Person
) -> None:
    begun = platform.connect(push="1", write_back="1").json()
    extra = [scope for scope in begun["scopes"] if scope not in DEFAULT_SCOPES]
    assert "ZohoCRM.modules.leads.UPDATE" in extra
    assert {"ZohoCRM.notifications.CREATE", "ZohoCRM.notifications.READ"} <= set(extra)
    assert parse_qs(urlsplit(begun["url"]).query)["scope"][0].split(",") == begun["scopes"]
    assert browser.back(person.callback(begun["url"])).status_code == 200
    assert platform.connect().json()["scopes"] == begun["scopes"]


def test_a_session_token_gets_no_url_and_reaches_its_channels_alone(
    client: TestClient, key: Key, add: Callable[..., Channel], origins: str
) -> None:
    add("acme")
    add("acme.two")
    token = session_headers(client, key(), "connect")
    begun = client.get(f"/zohoCrm/connect?channel_id=acme&region={DC}", headers=token).json()
    assert (begun["url"], begun["state"]) == (None, None)
    for other in ("acme.two", "new", "ACME"):
        answer = client.get(f"/zohoCrm/connect?channel_id={other}&region={DC}", headers=token)
        assert answer.status_code == 404
    assert client.get(f"/v1/connect/{begun['session_id']}", headers=token).json()["status"] == "pending"
    without = session_headers(client, key(), "read")
    assert client.get(f"/zohoCrm/connect?channel_id=acme&region={DC}", headers=without).status_code == 403


def test_the_tenant_may_be_a_parameter(client: TestClient, key: Key) -> None:
    path = f"/zohoCrm/connect?channel_id=acme&region={DC}"
    several = key(tenants=("a", "b"))
    assert client.get(path, headers=several).json()["code"] == "tenant_required"
    assert client.get(f"{path}&tenant=a", headers=several).status_code == 200
    assert client.get(f"{path}&tenant=c", headers=several).status_code == 403
    assert client.get(f"{path}&tenant=a", headers=several | {"Zoho-Pipeline-Tenant": "b"}).status_code == 400
    assert client.get(f"{path}&tenant={'x' * 201}", headers=key(tenants=None)).status_code in (400, 422)
    assert client.get(f"{path}&tenant=%0a", headers=key(tenants=None)).status_code == 400


def test_a_channel_of_another_tenant_is_unknown(
    platform: Platform, client: TestClient, key: Key, add: Callable[..., Channel]
) -> None:
    add("foreign", "other")
    add("ownerless", None)
    refused = [platform.connect(name) for name in ("foreign", "ownerless")]
    assert [answer.status_code for answer in refused] == [404, 404]
    assert {**refused[0].json(), "request_id": ""} == {**refused[1].json(), "request_id": ""}
    assert platform.connect("FOREIGN").json()["code"] == "conflict"
    begun = platform.connect().json()
    stranger = key(tenants=("other",))
    assert client.get(f"/v1/connect/{begun['session_id']}", headers=stranger).status_code == 404
    assert client.get("/v1/connect/unknown", headers=stranger).status_code == 404
    assert client.get(f"/v1/connect/{begun['session_id']}", headers=key("read")).status_code == 404


def test_an_id_whose_old_rows_remain_cannot_be_used(
    platform: Platform, browser: Browser, person: Person, registry: Registry, add: Callable[..., Channel]
) -> None:
    begun = platform.connect().json()
    add("acme")
    registry.remove("acme", purge_for="key:x")
    assert platform.connect().json()["code"] == "conflict"
    page = browser.back(person.callback(begun["url"]))
    assert page.status_code == 409
    assert 'data-code="conflict"' in page.text
    Purges(registry.database).done("acme")
    assert platform.connect().status_code == 200


def test_eight_consents_in_ten_minutes_and_none_is_used_up_by_another_tenant(
    platform: Platform, client: TestClient, key: Key, registry: Registry
) -> None:
    assert [platform.connect().status_code for _ in range(MOST)] == [200] * MOST
    refused = platform.connect()
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 500 < int(refused.headers["Retry-After"]) <= 600
    assert platform.connect("acme.two").status_code == 200
    stranger = Platform(client, key(tenants=("other",)))
    assert stranger.connect().status_code == 200  # the id is still free, and their count is their own
    with registry.database.write() as transaction:
        past = registry.database.now_in(transaction) - timedelta(minutes=10, seconds=1)
        transaction.execute(update(connect_sessions).values(created_at=past))
    assert platform.connect().status_code == 200


def test_a_session_that_nobody_finishes_expires(platform: Platform, browser: Browser, registry: Registry) -> None:
    begun = platform.connect().json()
    with registry.database.write() as transaction:
        transaction.execute(update(connect_sessions).values(expires_at=datetime.now(UTC)))
    assert platform.status(begun["session_id"]).json()["status"] == "expired"
    assert platform.status(begun["session_id"], wait=25).json()["status"] == "expired"  # at once
    page = browser.client.get(begun["start_url"].removeprefix(OWN))
    assert (page.status_code, page.headers["content-type"]) == (410, "text/html; charset=utf-8")


def test_a_link_starts_once(platform: Platform, browser: Browser) -> None:
    begun = platform.connect().json()
    browser.start(begun["start_url"])
    path = begun["start_url"].removeprefix(OWN)
    for other in (browser, Browser(browser.app)):
        page = other.client.get(path)
        assert page.status_code == 410
        assert "set-cookie" not in page.headers
    as_json = browser.client.get(path, headers={"Accept": "application/json"})
    assert (as_json.status_code, as_json.json()["code"]) == (410, "gone")
    for wrong in ("/zohoCrm/start", "/zohoCrm/start?session=", "/zohoCrm/start?session=unknown"):
        assert browser.client.get(wrong).status_code == 410


def test_the_routes_of_a_consent_take_no_head(client: TestClient, platform: Platform) -> None:
    begun = platform.connect().json()
    paths = ("/zohoCrm/connect?channel_id=a", begun["start_url"].removeprefix(OWN), "/zohoCrm/callback")
    assert [client.head(path, headers=platform.headers).status_code for path in paths] == [405] * 3
    assert client.head("/openapi.json").status_code == 200
    assert client.head("/zohoCrm/static/callback.js").status_code == 200
    assert client.get(begun["start_url"].removeprefix(OWN)).status_code == 302


def test_two_consents_in_one_browser_do_not_meet(
    platform: Platform, browser: Browser, person: Person, simulator: Simulator, registry: Registry
) -> None:
    other = simulator.add_org("Other")
    first, second = platform.connect("one").json(), platform.connect("two").json()
    pages = [browser.start(begun["start_url"]) for begun in (first, second)]
    assert browser.back(Person(other, other.admin).callback(pages[1])).status_code == 200
    assert browser.back(person.callback(pages[0])).status_code == 200
    assert [(c.id, c.org_name) for c in registry.list()] == [("one", "Acme"), ("two", "Other")]


def test_without_a_client_at_zoho_nothing_begins(
    key: Key, settings: Settings, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(replace(settings, client_id=None), ServiceSettings())
    answer = Platform(TestClient(app, base_url=OWN), key()).connect()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "ZOHO_CLIENT_ID" not in answer.text
    assert "ZOHO_CLIENT_ID" in caplog.text
    with registry.database.read() as transaction:
        assert transaction.execute(connect_sessions.select()).all() == []


def test_the_state_names_no_secret(platform: Platform, browser: Browser) -> None:
    begun = platform.connect().json()
    query = dict(parse_qsl(urlsplit(browser.start(begun["start_url"])).query))
    assert sorted(query) == ["access_type", "client_id", "prompt", "redirect_uri", "response_type", "scope", "state"]
    assert query["state"] != begun["state"]  # each way has its own, and each works once

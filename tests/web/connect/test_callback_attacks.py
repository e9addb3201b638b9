"""Hostile callbacks, at the wire: nothing is exchanged, moved, or told that should not be."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from tests.channels.wire import DC, Person, token_requests
from tests.params import each_nth
from tests.web.connect.conftest import OWN, Browser, Platform, grants
from zoho_pipeline.channels.consent.connect import authorize
from zoho_pipeline.channels.consent.signed_state import ConsentRequest, write_state
from zoho_pipeline.channels.registry.encryption import Encryptor
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.platform_tables import connect_sessions
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret
from zoho_pipeline.simulator import Org, Simulator

Key = Callable[..., dict[str, str]]


@contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """A server that is not Zoho: its address, and every byte that it received."""
    server = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                heard.append(b"")
                with suppress(OSError):
                    heard.append(connection.recv(65536))

    thread = Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", heard
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def code_of(page: Any) -> str:
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'data-close="no"' in page.text
    return str(page.text.partition('data-code="')[2].partition('"')[0])


@pytest.fixture
def params(platform: Platform, browser: Browser, person: Person) -> dict[str, str]:
    """What Zoho sends back to a browser that began at /start."""
    return person.callback(browser.start(platform.connect().json()["start_url"]))


# The state


def test_a_state_works_once(browser: Browser, params: dict[str, str], simulator: Simulator, registry: Registry) -> None:
    assert browser.back(params).status_code == 200
    for again in (browser, Browser(browser.app)):
        page = again.back(params)
        assert (page.status_code, code_of(page)) == (400, "state_used")
        assert "Retry" not in page.text
    assert len(token_requests(simulator)) == 1
    assert registry.get("acme").tenant == "acme-inc"


def test_two_callbacks_at_the_same_time_connect_once(
    browser: Browser, params: dict[str, str], simulator: Simulator
) -> None:
    pages: list[Any] = []
    threads = [Thread(target=lambda: pages.append(browser.back(params))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(page.status_code for page in pages) == [200, 400, 400, 400]
    assert len(token_requests(simulator)) == 1


def test_a_state_that_is_not_ours(
    platform: Platform, browser: Browser, params: dict[str, str], simulator: Simulator, registry: Registry
) -> None:
    stranger = Encryptor([Secret("s" * 40)])
    request = ConsentRequest("acme", DC, f"{OWN}/zohoCrm/callback", (), 2**33, "acme-inc", session="x")
    good = params["state"]
    forged = [write_state(stranger, request), "", "x", ".", good[:-4] + "AAAA", good.split(".")[0], good * 5, "\xff"]
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    forged += [good[:-1] + digit for digit in digits if digit != good[-1]]  # base64 ignores the last bits
    forged += [good + "=", good + "!", f"{good[:-5]}~{good[-5:]}"]
    forged.append(write_state(registry.encryptor, request))  # signed by us, for a session that does not exist
    for state in forged:
        page = browser.back(params | {"state": state})
        assert (page.status_code, code_of(page)) == (400, "state_invalid")
        assert "acme" not in page.text
    assert token_requests(simulator) == []
    assert browser.back(params).status_code == 200  # none of these used up the state


def test_a_state_of_the_command_line_is_not_for_the_web(
    browser: Browser, person: Person, registry: Registry, simulator: Simulator
) -> None:
    begun = authorize(registry, "acme", redirect_uri=f"{OWN}/zohoCrm/callback", data_center=DC)
    page = browser.back(person.callback(begun.url))
    assert (page.status_code, code_of(page)) == (400, "state_invalid")
    assert token_requests(simulator) == []


def test_a_state_that_took_too_long(browser: Browser, person: Person, registry: Registry, simulator: Simulator) -> None:
    begun = authorize(
        registry, "acme", redirect_uri=f"{OWN}/zohoCrm/callback", data_center=DC, life_seconds=-1, session="x"
    )
    page = browser.back(person.callback(begun.url))
    assert (page.status_code, code_of(page)) == (400, "state_expired")
    assert "acme" not in page.text
    assert token_requests(simulator) == []


# The browser


def test_another_browser_is_refused_and_the_right_one_may_go_on(
    platform: Platform, browser: Browser, person: Person, simulator: Simulator, audit: Callable[[], Any]
) -> None:
    begun = platform.connect().json()
    params = person.callback(browser.start(begun["start_url"]))
    other = Browser(browser.app)
    other.start(platform.connect("two").json()["start_url"])  # it has a cookie, of another consent
    thief = Browser(browser.app)
    thief.client.cookies.set(f"zp_bind_{begun['session_id']}", "x" * 43)
    for wrong in (Browser(browser.app), other, thief):
        page = wrong.back(params)
        assert (page.status_code, code_of(page)) == (403, "browser_mismatch")
        assert "Retry" not in page.text
        assert 'data-origin=""' in page.text
    assert token_requests(simulator) == []
    pending = {"status": "pending", "code": None, "channel_id": "acme"}
    assert platform.status(begun["session_id"]).json() == pending, "nobody else ends the consent of its owner"
    refusal = {"error": "access_denied", "state": params["state"]}
    assert code_of(Browser(browser.app).back(refusal)) == "browser_mismatch"
    assert platform.status(begun["session_id"]).json()["status"] == "pending"
    assert ("consent.refused", "browser_mismatch (BrowserMismatch)") in audit()
    assert browser.back(params).status_code == 200
    assert platform.status(begun["session_id"]).json()["status"] == "connected"


def test_the_bare_url_is_bound_too_once_the_session_began_in_a_browser(
    platform: Platform, browser: Browser, person: Person, simulator: Simulator
) -> None:
    begun = platform.connect().json()
    browser.start(begun["start_url"])
    page = Browser(browser.app).back(person.callback(begun["url"]))
    assert (page.status_code, code_of(page)) == (403, "browser_mismatch")
    assert token_requests(simulator) == []


# The accounts server


@pytest.mark.parametrize(
    "form", each_nth(2, ["{url}", "{url}/", "{url}/oauth", "{url}?x=https://accounts.zoho.in", "javascript:0"])
)
def test_a_forged_accounts_server_hears_nothing(
    platform: Platform, browser: Browser, params: dict[str, str], simulator: Simulator, form: str
) -> None:
    with listening() as (url, heard):
        page = browser.back(params | {"accounts-server": form.format(url=url)})
    assert (page.status_code, code_of(page)) == (400, "accounts_server_refused")
    assert heard == []
    assert token_requests(simulator) == []
    assert url not in page.text


def test_a_foreign_api_domain_hears_nothing_and_its_token_is_revoked(
    browser: Browser, params: dict[str, str], simulator: Simulator, registry: Registry
) -> None:
    with listening() as (url, heard):
        simulator.switches.api_domain = url
        page = browser.back(params)
    assert (page.status_code, code_of(page)) == (400, "accounts_server_refused")
    assert heard == []
    assert registry.list() == ()


# Refusals by Zoho


def test_a_person_who_refuses_may_retry_in_the_same_browser(
    platform: Platform, browser: Browser, person: Person, registry: Registry, origins: str
) -> None:
    begun = platform.connect().json()
    person.decision = "reject"
    page = browser.back(person.callback(browser.start(begun["start_url"])))
    assert (page.status_code, code_of(page)) == (400, "consent_denied")
    assert f'data-origin="{origins}"' in page.text
    assert platform.status(begun["session_id"]).json()["code"] == "consent_denied"
    link = page.text.partition('<a href="')[2].partition('"')[0]
    assert link == f"/zohoCrm/start?session={begun['session_id']}"
    assert Browser(browser.app).client.get(link).status_code == 410
    person.decision = "accept"
    again = browser.start(link)
    assert platform.status(begun["session_id"]).json()["status"] == "pending"
    assert browser.back(person.callback(again)).status_code == 200
    assert registry.get("acme").org_name == "Acme"
    assert browser.client.get(link).status_code == 410


def test_retries_have_a_limit(platform: Platform, browser: Browser, person: Person) -> None:
    link = platform.connect().json()["start_url"]
    person.decision = "reject"
    for _ in range(5):
        browser.back(person.callback(browser.start(link)))
    page = browser.client.get(link.removeprefix(OWN))
    assert page.status_code == 429
    assert int(page.headers["Retry-After"]) > 500


def test_a_code_that_does_not_work(browser: Browser, params: dict[str, str], registry: Registry) -> None:
    page = browser.back(params | {"code": "1000.0123456789abcdef.0123456789abcdef"})
    assert (page.status_code, code_of(page)) == (400, "code_rejected")
    assert "1000." not in page.text
    assert registry.list() == ()


@pytest.mark.parametrize("change", [{"code": ""}, {"code": None}])
def test_no_code(platform: Platform, browser: Browser, person: Person, change: dict[str, str | None]) -> None:
    person.change = change
    page = browser.back(person.callback(browser.start(platform.connect().json()["start_url"])))
    assert (page.status_code, code_of(page)) == (400, "code_rejected")


def test_no_refresh_token(browser: Browser, params: dict[str, str], simulator: Simulator) -> None:
    simulator.switches.drop_refresh_token = True
    assert code_of(browser.back(params)) == "code_rejected"


def test_too_many_tokens_at_zoho(browser: Browser, params: dict[str, str], simulator: Simulator) -> None:
    simulator.faults.next(1, "throttle", "/oauth/v2/token")
    page = browser.back(params)
    assert (page.status_code, code_of(page)) == (503, "throttled")
    assert page.headers["Retry-After"] == "600"


def test_zoho_does_not_answer(browser: Browser, params: dict[str, str], simulator: Simulator) -> None:
    simulator.faults.next(1, "reset", "/oauth/v2/token")
    page = browser.back(params)
    assert (page.status_code, code_of(page)) == (503, "unavailable")


def test_a_token_that_cannot_be_used_is_revoked(
    browser: Browser, params: dict[str, str], simulator: Simulator, registry: Registry
) -> None:
    """The exchange worked, and what came after it did not: nobody will ever use this token."""
    simulator.faults.next(20, "server_error", "/users")
    page = browser.back(params)
    assert (page.status_code, code_of(page)) == (503, "unavailable")
    assert grants(simulator) == []
    assert registry.list() == ()


# Other orgs and other tenants


def refusal_of(page: Any) -> tuple[int, str, str]:
    """What the outside can see of a refusal, without what belongs to the session itself."""
    text = page.text
    for name in ("session-id", "channel-id"):
        value = text.partition(f'data-{name}="')[2].partition('"')[0]
        text = text.replace(value, "…")
    return page.status_code, code_of(page), text


def test_another_org_and_another_tenant_look_the_same(
    platform: Platform,
    client: TestClient,
    key: Key,
    browser: Browser,
    person: Person,
    simulator: Simulator,
    registry: Registry,
    audit: Callable[[], Any],
) -> None:
    stranger = Platform(client, key(tenants=("other",)))
    early = stranger.connect().json()  # while the id was still free
    browser.back(person.callback(browser.start(platform.connect().json()["start_url"])))
    before = registry.get("acme")
    elsewhere = simulator.add_org("Elsewhere")
    them = Person(elsewhere, elsewhere.admin)

    theirs = browser.back(them.callback(browser.start(early["start_url"])))
    again = platform.connect().json()
    other_org = browser.back(them.callback(browser.start(again["start_url"])))
    assert refusal_of(theirs) == refusal_of(other_org)
    assert refusal_of(theirs)[:2] == (409, "not_yours")
    for page in (theirs, other_org):
        for word in ("Acme", "Elsewhere", "acme-inc", "other", person.org.id, elsewhere.id):
            assert word not in page.text.replace("data-", "")
    assert stranger.status(early["session_id"]).json()["code"] == "not_yours"
    assert platform.status(again["session_id"]).json()["code"] == "not_yours"
    assert registry.get("acme") == before
    assert grants(simulator) == [person.org.id]
    details = [detail for action, detail in audit() if action == "consent.refused"]
    assert details == ["not_yours (OtherTenant)", "not_yours (OtherOrg)"]


def test_an_org_that_another_tenant_connected_is_refused_without_a_name(
    platform: Platform, client: TestClient, key: Key, browser: Browser, person: Person, simulator: Simulator
) -> None:
    browser.back(person.callback(browser.start(platform.connect().json()["start_url"])))
    stranger = Platform(client, key(tenants=("other",)))
    page = browser.back(person.callback(browser.start(stranger.connect("mine").json()["start_url"])))
    assert (page.status_code, code_of(page)) == (409, "not_yours")
    assert "acme" not in page.text.lower()
    assert len(grants(simulator)) == 1


def test_a_channel_that_changed_hands_in_the_meantime_is_not_moved(
    platform: Platform, browser: Browser, person: Person, registry: Registry, add: Callable[..., Channel]
) -> None:
    params = person.callback(browser.start(platform.connect().json()["start_url"]))
    add("acme", None)  # somebody registers the id at the command line, without a tenant
    page = browser.back(params)
    assert (page.status_code, code_of(page)) == (409, "not_yours")
    assert registry.get("acme").tenant is None


def test_a_revocation_that_fails_is_audited(
    platform: Platform, browser: Browser, person: Person, simulator: Simulator, audit: Callable[[], Any]
) -> None:
    browser.back(person.callback(browser.start(platform.connect().json()["start_url"])))
    other = simulator.add_org("Other")
    params = Person(other, other.admin).callback(browser.start(platform.connect().json()["start_url"]))
    simulator.faults.next(5, "server_error", "/oauth/v2/token/revoke")
    assert code_of(browser.back(params)) == "not_yours"
    failed = [detail for action, detail in audit() if action == "consent.revocation_failed"]
    assert len(failed) == 1
    assert failed[0].startswith("ServerFault at http://127.0.0.1:")


# What leaks


def test_nothing_leaks_into_pages_logs_or_the_registry(
    platform: Platform,
    browser: Browser,
    person: Person,
    simulator: Simulator,
    registry: Registry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name in ("httpx", "httpx2"):
        caplog.set_level("WARNING", name)
    caplog.set_level("WARNING", "httpcore")
    caplog.set_level("DEBUG")
    begun = platform.connect().json()
    params = person.callback(browser.start(begun["start_url"]))
    binding = browser.client.cookies[f"zp_bind_{begun['session_id']}"]
    pages = [browser.back(params), browser.back(params), Browser(browser.app).back(params)]
    pages.append(browser.back(params | {"state": "x"}))
    (grant,) = simulator.hub.tokens.grants.values()
    secrets = [params["code"], params["state"], grant.refresh_token, *grant.live, binding, "test-client-secret"]
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("zoho_pipeline"))
    assert "/zohoCrm/callback" in ours
    assert registry.database.path is not None
    stored = registry.database.path.read_bytes()
    for secret in secrets:
        assert all(secret not in page.text and secret not in str(page.headers) for page in pages)
        assert secret not in ours
        assert secret.encode() not in stored
    assert begun["session_id"] not in ours


@pytest.mark.parametrize(
    "name", each_nth(3, ['<script>alert("x")</script>', "Rao & Söhne' or 1=1 --", '"><img src=x onerror=alert(1)>'])
)
def test_names_are_text(platform: Platform, browser: Browser, simulator: Simulator, name: str) -> None:
    org: Org = simulator.add_org(name)
    page = browser.back(Person(org, org.admin).callback(browser.start(platform.connect().json()["start_url"])))
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert page.text.count("<script") == 1


@pytest.mark.parametrize("name", ["error", "code", "location", "accounts-server", "state"])
def test_a_parameter_is_never_repeated_on_the_page(browser: Browser, params: dict[str, str], name: str) -> None:
    page = browser.back(params | {name: '"><script>alert(1)</script>'})
    assert page.status_code >= 400 or name == "location"
    assert "alert(1)" not in page.text


def test_a_session_that_ended_while_the_person_was_at_zoho(
    platform: Platform, browser: Browser, params: dict[str, str], registry: Registry
) -> None:
    """The state has its own end, and what the registry says about the session is not older."""
    with registry.database.write() as transaction:
        transaction.execute(update(connect_sessions).values(expires_at=datetime.now(UTC)))
    assert browser.back(params).status_code == 200

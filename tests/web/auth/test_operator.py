"""The operator's cookie: one link, one browser, and no request that another site makes."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient

from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.auth.browser_tokens import tokens_of
from zoho_pipeline.web.auth.operator import COOKIE, form_token, login_link
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import authenticate, require_operator

OWN = "http://localhost:8480"


def with_probes(app: FastAPI) -> FastAPI:
    @app.get("/ui/probe")
    def shown(request: Request, principal: Principal = Depends(require_operator)) -> dict[str, Any]:  # noqa: B008
        return {"kind": principal.kind, "form_token": form_token(request.app.state.services, principal)}

    @app.post("/ui/probe")
    def changed(principal: Principal = Depends(require_operator)) -> dict[str, Any]:  # noqa: B008
        return {"kind": principal.kind}

    @app.post("/v1/probe")
    def api(request: Request) -> dict[str, Any]:
        return {"kind": authenticate(request).kind}

    return app


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return with_probes(create_app(settings, ServiceSettings()))


@pytest.fixture
def browser(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=OWN, follow_redirects=False)


@pytest.fixture
def link(app: FastAPI) -> Callable[[], str]:
    return lambda: login_link(tokens_of(app.state.services)).removeprefix(OWN)


def test_a_link_lets_one_browser_in_once(app: FastAPI, browser: TestClient, link: Callable[[], str]) -> None:
    assert browser.get("/ui/probe").status_code == 401
    url = link()
    answer = browser.get(url)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ui")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "max-age=43200" in cookie
    assert "secure" not in cookie  # the public URL is http on loopback
    assert browser.get("/ui/probe").json()["kind"] == "operator"
    assert TestClient(app, base_url=OWN).get(url).status_code == 410


def test_head_does_not_use_up_the_link(browser: TestClient, link: Callable[[], str]) -> None:
    url = link()
    assert browser.head(url).status_code == 405
    assert browser.get(url).status_code == 303


def test_on_https_the_cookie_is_secure(settings: Settings) -> None:
    app = create_app(settings, ServiceSettings(public_url="https://zoho.example.com"))
    browser = TestClient(app, base_url="https://zoho.example.com", follow_redirects=False)
    link = login_link(tokens_of(app.state.services))
    assert link.startswith("https://zoho.example.com/ui/login?t=")
    answer = browser.get(link)
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"]


def test_a_request_that_changes_something_comes_from_our_own_page(browser: TestClient, link: Callable[[], str]) -> None:
    browser.get(link())
    token = browser.get("/ui/probe").json()["form_token"]
    own = {"Origin": OWN}
    assert browser.post("/ui/probe", data={"form_token": token}, headers=own).status_code == 200
    assert browser.post("/v1/probe", headers=own | {"X-Form-Token": token}).status_code == 200
    for headers, data in (
        ({}, {"form_token": token}),
        ({"Origin": "https://evil.example.com"}, {"form_token": token}),
        ({"Origin": "null"}, {"form_token": token}),
        ({"Origin": OWN + ".evil.example.com"}, {"form_token": token}),
        (own, {}),
        (own, {"form_token": token[:-1] + "x"}),
        (own, {"form_token": "\xe9"}),
    ):
        assert browser.post("/ui/probe", data=data, headers=headers).status_code == 403
    assert browser.post("/v1/probe", headers=own).status_code == 403


def test_a_public_url_may_name_the_usual_port(settings: Settings) -> None:
    """Browsers leave it out of the origin that they send."""
    app = with_probes(create_app(settings, ServiceSettings(public_url="https://zoho.example.com:443")))
    browser = TestClient(app, base_url="https://zoho.example.com", follow_redirects=False)
    browser.get(login_link(tokens_of(app.state.services)))
    token = browser.get("/ui/probe").json()["form_token"]
    for origin, status in (("https://zoho.example.com", 200), ("https://zoho.example.com:8443", 403)):
        assert browser.post("/ui/probe", data={"form_token": token}, headers={"Origin": origin}).status_code == status


def test_the_form_token_of_another_login_is_refused(app: FastAPI, browser: TestClient, link: Callable[[], str]) -> None:
    other = TestClient(app, base_url=OWN, follow_redirects=False)
    browser.get(link())
    other.get(link())
    token = other.get("/ui/probe").json()["form_token"]
    assert browser.post("/ui/probe", data={"form_token": token}, headers={"Origin": OWN}).status_code == 403


def test_a_wrong_cookie_and_an_api_key_are_no_operator(
    browser: TestClient, key: Callable[..., dict[str, str]], link: Callable[[], str]
) -> None:
    assert browser.get("/ui/probe", headers=key()).status_code == 401
    login = link().rpartition("=")[2]
    for value in ("", "x", login):
        browser.cookies.set(COOKIE, value)
        assert browser.get("/ui/probe").status_code == 401


def test_logging_out_ends_the_login_also_for_a_copy_of_its_cookie(
    app: FastAPI, browser: TestClient, link: Callable[[], str], registry: Registry
) -> None:
    other = TestClient(app, base_url=OWN, follow_redirects=False)
    copy = TestClient(app, base_url=OWN, follow_redirects=False)
    browser.get(link())
    other.get(link())
    copy.cookies.set(COOKIE, browser.cookies[COOKIE])
    assert copy.get("/ui/probe").status_code == 200
    token = browser.get("/ui/probe").json()["form_token"]
    assert browser.post("/ui/logout", data={"form_token": token}, headers={"Origin": OWN}).status_code == 303
    assert [who.get("/ui/probe").status_code for who in (browser, copy, other)] == [401, 401, 200]
    assert copy.get("/v1/channels").status_code == 401
    assert copy.post("/ui/probe", data={"form_token": token}, headers={"Origin": OWN}).status_code == 401
    assert [row["action"] for row in Audit(registry.database).rows()][-1] == "operator.logout"

"""The consent page: accept, reject, grant codes, and refresh tokens in the cases in which Zoho gives one."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.simulator.client import CLIENT
from zoho_pipeline.simulator import Org, Simulator

HTTP = httpx.Client(verify=False)
REDIRECT = "http://127.0.0.1:8765/callback"
ASKED = {
    "client_id": CLIENT["client_id"], "response_type": "code", "redirect_uri": REDIRECT, "access_type": "offline",
    "scope": "ZohoCRM.modules.READ,ZohoCRM.users.READ", "state": "a state", "prompt": "consent",
}  # fmt: skip


@pytest.fixture
def registered(simulator: Simulator, org: Org) -> Simulator:
    simulator.add_client(CLIENT["client_id"], CLIENT["client_secret"], [REDIRECT])
    assert org.admin
    return simulator


def consent(sim: Simulator, decision: str = "accept", org: Org | None = None, **changes: str) -> dict[str, str]:
    """Press a button of the page and return the parameters of the callback."""
    chosen = org or sim.orgs[0]
    form = ASKED | changes | {"choice": f"{chosen.id}:{chosen.admin.id}", "decision": decision}
    form = {k: v for k, v in form.items() if v}
    answer = HTTP.post(f"{sim.url}/oauth/v2/auth", data=form)
    assert answer.status_code == 302
    location = answer.headers["location"]
    assert location.startswith(REDIRECT)
    return {k: v[0] for k, v in parse_qs(urlsplit(location).query).items()}


def exchange(sim: Simulator, code: str, **changes: str) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | CLIENT | changes
    return dict(HTTP.post(f"{sim.url}/oauth/v2/token", data=form).json())


def test_the_page_lists_orgs_scopes_and_both_buttons(registered: Simulator) -> None:
    registered.add_org(name="Sandbox & Sons", environment="sandbox")
    page = HTTP.get(f"{registered.url}/oauth/v2/auth", params=ASKED)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for text in ("Acme", "Sandbox &amp; Sons (sandbox)", "ZohoCRM.users.READ", "Accept", "Reject", 'value="a state"'):
        assert text in page.text


def test_accept_brings_a_code_that_becomes_tokens_once(registered: Simulator) -> None:
    callback = consent(registered)
    assert callback["state"] == "a state"
    assert callback["location"] == "us"
    assert callback["accounts-server"] == registered.url
    body = exchange(registered, callback["code"])
    assert {"access_token", "refresh_token", "api_domain", "expires_in"} <= body.keys()
    headers = {"Authorization": f"Zoho-oauthtoken {body['access_token']}"}
    assert HTTP.get(f"{registered.url}/crm/v7/users", headers=headers).status_code == 200
    assert exchange(registered, callback["code"]) == {"error": "invalid_code"}


def test_reject_says_access_denied_and_echoes_the_state(registered: Simulator) -> None:
    assert consent(registered, "reject") == {"error": "access_denied", "state": "a state"}


def test_a_code_lives_two_minutes(registered: Simulator) -> None:
    registered.clock.freeze()
    in_time, late = consent(registered)["code"], consent(registered)["code"]
    registered.clock.advance(119)
    assert "access_token" in exchange(registered, in_time)
    registered.clock.advance(1)
    assert exchange(registered, late) == {"error": "invalid_code"}


def test_the_redirect_uri_of_the_exchange_must_be_the_same(registered: Simulator) -> None:
    code = consent(registered)["code"]
    assert exchange(registered, code, redirect_uri="http://127.0.0.1:1/x") == {"error": "invalid_redirect_uri"}
    assert "access_token" in exchange(registered, code)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"client_id": "nobody"}, "Invalid Client Id"),
        ({"redirect_uri": "https://evil.example/cb"}, "Invalid Redirect Uri"),
        ({"scope": ""}, "Invalid OAuth Scope"),
        ({"response_type": "token"}, "Invalid response type"),
    ],
)
def test_a_wrong_request_shows_an_error_and_redirects_nowhere(
    registered: Simulator, change: dict[str, str], words: str
) -> None:
    for answer in (
        HTTP.get(f"{registered.url}/oauth/v2/auth", params=ASKED | change),
        HTTP.post(f"{registered.url}/oauth/v2/auth", data=ASKED | change | {"decision": "accept"}),
    ):
        assert answer.status_code == 400
        assert words in answer.text


def test_what_the_browser_sends_is_escaped_on_the_page(registered: Simulator) -> None:
    page = HTTP.get(f"{registered.url}/oauth/v2/auth", params=ASKED | {"state": '"><script>x</script>'})
    assert "<script>" not in page.text


def test_a_refresh_token_needs_offline_and_the_first_consent_or_a_prompt(registered: Simulator) -> None:
    def refreshed(**changes: str) -> bool:
        return "refresh_token" in exchange(registered, consent(registered, **changes)["code"])

    assert not refreshed(access_type="", prompt="")
    assert not refreshed(prompt="")  # the user consented before, so this is not the first consent
    assert refreshed(prompt="consent")
    registered.switches.drop_refresh_token = True
    assert not refreshed(prompt="consent")


def test_the_first_offline_consent_needs_no_prompt(registered: Simulator) -> None:
    assert "refresh_token" in exchange(registered, consent(registered, prompt="")["code"])


def test_the_choice_binds_the_org(registered: Simulator) -> None:
    second = registered.add_org(name="Second", location="in")
    callback = consent(registered, org=second)
    assert callback["location"] == "in"
    token = exchange(registered, callback["code"], scope="")["access_token"]
    users = HTTP.get(
        f"{registered.url}/crm/v7/users?type=CurrentUser", headers={"Authorization": f"Zoho-oauthtoken {token}"}
    ).json()["users"]
    assert users[0]["id"] == second.admin.id


def test_more_than_ten_codes_in_ten_minutes_are_denied(registered: Simulator) -> None:
    registered.clock.freeze()
    for _ in range(10):
        assert "code" in consent(registered)
    assert consent(registered)["error"] == "access_denied"
    registered.clock.advance(600)
    assert "code" in consent(registered)


def test_a_callback_can_be_given_wrong_parameters(registered: Simulator) -> None:
    registered.switches.update(callback_location="eu", callback_accounts_server="https://accounts.evil.example")
    callback = consent(registered)
    assert (callback["location"], callback["accounts-server"]) == ("eu", "https://accounts.evil.example")


def test_the_home_centre_takes_over_the_consent(registered: Simulator) -> None:
    registered.switches.consent_redirect = "http://127.0.0.1:9"
    answer = HTTP.get(f"{registered.url}/oauth/v2/auth", params=ASKED)
    assert answer.status_code == 302
    target = urlsplit(answer.headers["location"])
    assert (target.netloc, target.path) == ("127.0.0.1:9", "/oauth/v2/auth")
    assert parse_qs(target.query)["state"] == ["a state"]


def test_without_registered_uris_any_loopback_one_is_good(registered: Simulator) -> None:
    registered.add_client("plain", "x")
    good = ASKED | {"client_id": "plain", "redirect_uri": "http://localhost:4/cb"}
    assert HTTP.get(f"{registered.url}/oauth/v2/auth", params=good).status_code == 200
    bad = good | {"redirect_uri": "http://example.com/cb"}
    assert HTTP.get(f"{registered.url}/oauth/v2/auth", params=bad).status_code == 400


def test_a_browser_ends_at_its_home_centre(registered: Simulator) -> None:
    with Simulator.start() as home:
        org = home.add_org(name="Home", location="in")
        home.add_client(CLIENT["client_id"], CLIENT["client_secret"], [REDIRECT])
        registered.switches.consent_redirect = home.url
        page = HTTP.get(f"{registered.url}/oauth/v2/auth", params=ASKED, follow_redirects=True)
        assert "Home (production)" in page.text
        callback = consent(home, org=org)
        assert (callback["location"], callback["accounts-server"]) == ("in", home.url)
        assert exchange(registered, callback["code"]) == {"error": "invalid_code"}
        assert exchange(home, callback["code"])["api_domain"] == home.url

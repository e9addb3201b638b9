"""The token endpoint: what it grants, how it refuses a request, and its limits."""

from collections.abc import Callable

import httpx
import pytest

from tests.simulator.client import CLIENT, Api, code_of
from zoho_pipeline.simulator import Org, Simulator


def test_a_refresh_answers_a_token_and_never_a_new_refresh_token(api: Api, simulator: Simulator) -> None:
    body = api.mint()
    assert body["access_token"].startswith("1000.")
    assert body["api_domain"] == simulator.url
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert "ZohoCRM.coql.READ" in body["scope"].split(" ")
    assert "refresh_token" not in body


def test_parameters_may_be_in_the_query_string(api: Api) -> None:
    params = {"grant_type": "refresh_token", "refresh_token": api.refresh_token} | CLIENT
    assert "access_token" in api.http.post("/oauth/v2/token", params=params).json()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"client_id": "other"}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client_secret"),
        ({"refresh_token": "1000.never.issued"}, "invalid_code"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_failures_are_bodies_with_an_error(
    api: Api, simulator: Simulator, change: dict[str, str], error: str, status: int
) -> None:
    simulator.switches.token_error_status = status
    form = {"grant_type": "refresh_token", "refresh_token": api.refresh_token} | CLIENT | change
    answer = api.http.post("/oauth/v2/token", data=form)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


def test_the_eleventh_mint_in_ten_minutes_is_refused_and_asking_prolongs(api: Api, simulator: Simulator) -> None:
    simulator.clock.freeze()
    for _ in range(9):  # the fixture requested one
        assert "access_token" in api.mint()
    assert api.mint()["error"] == "Access Denied"
    simulator.clock.advance(599)
    assert api.mint()["error"] == "Access Denied"
    simulator.clock.advance(599)
    assert api.mint()["error"] == "Access Denied"
    simulator.clock.advance(601)
    assert "access_token" in api.mint()


def test_a_throttled_answer_is_a_400_unless_switched(api: Api, simulator: Simulator) -> None:
    simulator.clock.freeze()
    for _ in range(9):
        api.mint()
    form = {"grant_type": "refresh_token", "refresh_token": api.refresh_token} | CLIENT
    assert api.http.post("/oauth/v2/token", data=form).status_code == 400
    simulator.switches.throttle_status = 200
    assert api.http.post("/oauth/v2/token", data=form).status_code == 200


def test_the_sixteenth_live_token_ends_the_oldest(api: Api, simulator: Simulator) -> None:
    simulator.clock.freeze()
    first, simulator.switches.token_seconds = api.token, 7200
    for _ in range(7):
        api.mint()
    simulator.clock.advance(600)
    for _ in range(7):
        api.mint()
    assert api.get("/users").status_code == 200
    second = api.mint()["access_token"]
    assert code_of(api.get("/users")) == (401, "INVALID_TOKEN")
    assert first == api.token != second


def test_a_token_ends_after_its_hour(api: Api, simulator: Simulator) -> None:
    simulator.clock.freeze()
    api.token = api.mint()["access_token"]
    simulator.clock.advance(3599)
    assert api.get("/users").status_code == 200
    simulator.clock.advance(1)
    assert code_of(api.get("/users")) == (401, "INVALID_TOKEN")


def test_the_twenty_first_refresh_token_ends_the_oldest_and_its_access_tokens(
    api: Api, org: Org, connect: Callable[..., Api]
) -> None:
    for _ in range(19):
        org.grant(CLIENT["client_id"], CLIENT["client_secret"], "ZohoCRM.modules.ALL")
    assert api.get("/users").status_code == 200
    connect()
    assert code_of(api.get("/users")) == (401, "INVALID_TOKEN")
    assert api.mint() == {"error": "invalid_code"}


def test_revoking_a_refresh_token_ends_all_it_minted(api: Api) -> None:
    answer = api.http.post("/oauth/v2/token/revoke", data={"token": api.refresh_token})
    assert answer.json() == {"status": "success"}
    assert code_of(api.get("/users")) == (401, "INVALID_TOKEN")
    assert api.mint() == {"error": "invalid_code"}
    assert api.http.post("/oauth/v2/token/revoke", data={"token": "x"}).json() == {"error": "invalid_token"}


def test_revoking_an_access_token_leaves_the_refresh_token(api: Api) -> None:
    api.http.post("/oauth/v2/token/revoke", data={"token": api.token})
    assert code_of(api.get("/users")) == (401, "INVALID_TOKEN")
    assert "access_token" in api.mint()


@pytest.mark.parametrize("header", [None, "Bearer {}", "Zoho-oauthtoken", "{}"])
def test_only_zohos_own_scheme_authenticates(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.format(api.token)}
    answer = api.http.get("/crm/v7/users", headers=headers)
    assert code_of(answer) == (401, "AUTHENTICATION_FAILURE")


def test_a_deactivated_users_tokens_die(org: Org, connect: Callable[..., Api]) -> None:
    user = org.add_user(first_name="Left")
    api = connect(user)
    org.deactivate_user(user)
    assert code_of(api.get("/users")) == (401, "INVALID_TOKEN")
    assert api.mint() == {"error": "invalid_code"}


def test_legacy_answers_count_in_milliseconds_beside_seconds(api: Api, simulator: Simulator) -> None:
    simulator.switches.update(legacy_expires_in=True, token_scope=False, api_domain="https://www.zohoapis.in")
    body = api.mint()
    assert (body["expires_in"], body["expires_in_sec"]) == (3_600_000, 3600)
    assert body["api_domain"] == "https://www.zohoapis.in"
    assert "scope" not in body


def test_client_credentials_bind_an_org_and_bring_no_refresh_token(api: Api, org: Org) -> None:
    form = {"grant_type": "client_credentials", "scope": "ZohoCRM.org.READ", "soid": f"ZohoCRM.{org.zgid}"} | CLIENT
    body = api.http.post("/oauth/v2/token", data=form).json()
    api.token = body["access_token"]
    assert "refresh_token" not in body
    assert api.get("/org").json()["org"][0]["id"] == org.id
    assert api.http.post("/oauth/v2/token", data=form | {"soid": "ZohoCRM.1"}).json() == {"error": "invalid_soid"}


def test_server_info_names_the_accounts_servers(simulator: Simulator) -> None:
    simulator.add_org(name="Indian", location="in")
    body = httpx.get(f"{simulator.url}/oauth/serverinfo").json()
    assert body == {"result": "success", "locations": {"in": simulator.url}}


def test_tokens_of_another_simulator_are_unknown_here(api: Api) -> None:
    with Simulator.start() as other:
        answer = httpx.get(f"{other.url}/crm/v7/users", headers=api.headers)
        assert code_of(answer) == (401, "INVALID_TOKEN")

"""Credits, simultaneous calls, ordered faults, hooks, and the log of calls."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.simulator.client import Api, code_of, leads
from zoho_pipeline.simulator import Org, Simulator, SimulatorError
from zoho_pipeline.simulator.faults import KINDS


def test_credits_are_counted_over_a_rolling_day(api: Api, org: Org, simulator: Simulator) -> None:
    simulator.clock.freeze()
    api.get("/Leads", fields="id")
    assert org.credits_used == 1
    simulator.clock.advance(43_200)
    api.token = api.mint()["access_token"]
    api.get("/Leads", fields="id")
    assert org.credits_used == 2
    simulator.clock.advance(43_200)
    assert org.credits_used == 1
    simulator.clock.advance(43_200)
    assert org.credits_used == 0


@pytest.mark.parametrize(
    ("params", "price"), [({}, 1), ({"sort_by": "id"}, 3), ({"cvid": "1"}, 3), ({"converted": "both"}, 1)]
)
def test_prices_of_lists(api: Api, org: Org, simulator: Simulator, params: dict[str, str], price: int) -> None:
    simulator.switches.sorted_read_credits = 3
    api.get("/Leads", fields="id", **params)
    assert org.credits_used == price


@pytest.mark.parametrize(
    ("edition", "users", "limit"),
    [("Free", 1, 5_000), ("Standard", 3, 50_750), ("Professional", 1, 50_500), ("Enterprise", 5, 55_000),
     ("Ultimate", 2, 54_000), ("Standard", 300, 100_000)],
)  # fmt: skip
def test_the_days_credits_follow_edition_and_users(simulator: Simulator, edition: str, users: int, limit: int) -> None:
    org = simulator.add_org(edition=edition)
    for _ in range(users - 1):
        org.add_user()
    assert org.credit_limit == limit


def test_used_up_credits_refuse_and_the_header_comes_at_half(api: Api, org: Org) -> None:
    org.credit_limit_override = 4
    assert "x-api-credits-remaining" not in api.get("/Leads", fields="id").headers
    assert api.get("/Leads", fields="id").headers["x-api-credits-remaining"] == "2"
    for _ in range(2):
        assert api.get("/Leads", fields="id").status_code == 204
    refused = api.get("/Leads", fields="id")
    assert code_of(refused) == (429, "TOO_MANY_REQUESTS")
    assert refused.headers["x-api-credits-remaining"] == "0"
    assert "retry-after" not in refused.headers
    assert org.credits_used == 4


def test_both_429_codes_exist(api: Api, org: Org, simulator: Simulator) -> None:
    org.credit_limit_override = 0
    simulator.switches.rate_limit_code = "RATE_LIMIT_EXCEEDED"
    assert code_of(api.get("/org")) == (429, "RATE_LIMIT_EXCEEDED")
    simulator.switches.enforce_credits = False
    assert api.get("/org").status_code == 200


@pytest.mark.parametrize(("params", "allowed"), [({}, 20), ({"sort_by": "id"}, 10)])
def test_simultaneous_calls_beyond_the_limit_are_refused(
    api: Api, org: Org, simulator: Simulator, params: dict[str, str], allowed: int
) -> None:
    simulator.switches.latency = 0.5
    gate = threading.Barrier(25)

    def call(_: int) -> int:
        gate.wait()
        return api.get("/Leads", fields="id", **params).status_code

    with ThreadPoolExecutor(25) as pool:
        seen = Counter(pool.map(call, range(25)))
    assert seen == {204: allowed, 429: 25 - allowed}
    assert org.peak["1000.CLIENT"] == [allowed, allowed if params else 0]
    assert org.in_flight["1000.CLIENT"] == [0, 0]
    assert org.credits_used == allowed


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("concurrency", 429, "TOO_MANY_REQUESTS"), ("credits", 429, "TOO_MANY_REQUESTS"),
     ("server_error", 500, "INTERNAL_ERROR"), ("scope", 401, "OAUTH_SCOPE_MISMATCH"),
     ("no_permission", 403, "NO_PERMISSION"), ("expired_token", 401, "INVALID_TOKEN")],
)  # fmt: skip
def test_ordered_refusals(api: Api, simulator: Simulator, kind: str, status: int, code: str) -> None:
    simulator.faults.next(1, kind)
    answer = api.get("/org")
    assert code_of(answer) == (status, code)
    assert (answer.headers.get("x-api-credits-remaining") == "0") is (kind == "credits")
    if kind == "expired_token":
        assert code_of(api.get("/org")) == (401, "INVALID_TOKEN")
        api.token = api.mint()["access_token"]
    assert api.get("/org").status_code == 200


def test_ordered_broken_answers(api: Api, org: Org, simulator: Simulator) -> None:
    org.insert_many("Leads", leads(50))
    simulator.faults.next(1, "bad_json")
    with pytest.raises(ValueError):
        api.get("/Leads", fields="id").json()
    for kind, status in (("wrong_content_type", 200), ("bad_gateway", 502)):
        simulator.faults.next(1, kind)
        answer = api.get("/Leads", fields="id")
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")
    simulator.faults.next(1, "empty_body")
    assert api.get("/Leads", fields="id").content == b""
    simulator.faults.next(1, "truncated")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        api.get("/Leads", fields="id")
    for kind in ("reset", "reset_after"):
        simulator.faults.next(1, kind)
        with pytest.raises(httpx.TransportError):
            api.get("/Leads", fields="id")
    simulator.faults.next(1, "slow", seconds=0.6)
    with pytest.raises(httpx.ReadTimeout):
        api.http.get("/crm/v7/org", headers=api.headers, timeout=0.2)
    assert len(api.get("/Leads", fields="id").json()["data"]) == 50
    assert simulator.faults.pending == 0


def test_faults_fit_a_path_wait_and_count(api: Api, simulator: Simulator) -> None:
    simulator.faults.next(2, "server_error", "/org", after=1)
    seen = [api.get(path).status_code for path in ("/org", "/users", "/org", "/org", "/org")]
    assert seen == [200, 200, 500, 500, 200]
    assert simulator.faults.fired == [("server_error", "/crm/v7/org")] * 2
    simulator.faults.next(5, "server_error")
    simulator.faults.clear()
    assert api.get("/org").status_code == 200
    with pytest.raises(SimulatorError, match="unknown fault thunder"):
        simulator.faults.next(1, "thunder")


def test_faults_of_the_token_endpoint(api: Api, simulator: Simulator) -> None:
    simulator.faults.next(1, "server_error", "/oauth/")
    form = {"grant_type": "refresh_token"}
    assert api.get("/org").status_code == 200
    assert api.http.post("/oauth/v2/token", data=form).status_code == 500
    simulator.faults.next(1, "throttle", "/oauth/")
    assert api.mint()["error"] == "Access Denied"
    assert "access_token" in api.mint()


def test_every_fault_is_explained() -> None:
    assert all(len(words) > 10 for words in KINDS.values())


def test_hooks_run_at_their_call_before_or_after(api: Api, org: Org, simulator: Simulator) -> None:
    def count() -> int:
        answer = api.get("/Leads", fields="id")
        return len(answer.json()["data"]) if answer.status_code == 200 else 0

    simulator.on_call(2, lambda: org.insert("Leads", {"Last_Name": "before"}), "/Leads")
    simulator.on_call(3, lambda: org.insert("Leads", {"Last_Name": "after"}), "/Leads", after=True)
    api.get("/org")
    assert [count() for _ in range(4)] == [0, 1, 1, 2]


def test_the_log_has_each_request_and_no_secret(api: Api, org: Org, simulator: Simulator) -> None:
    api.get("/Leads", since="2026-01-01T00:00:00Z", fields="id")
    api.coql("select id from Leads where id != '1' limit 300")
    minted, listed, queried = simulator.requests
    assert (minted.path, minted.params, minted.credits, minted.org_id) == ("/oauth/v2/token", {}, 0, None)
    assert (listed.status, listed.params, listed.credits) == (304, {"fields": "id"}, 1)
    assert (listed.modified_since, listed.org_id) == ("2026-01-01T00:00:00Z", org.id)
    assert (queried.credits, "limit 300" in str(queried.query)) == (2, True)
    everything = repr(simulator.requests)
    for secret in (api.token, api.refresh_token, "s3cret"):
        assert secret not in everything
    simulator.requests.clear()
    assert simulator.requests == []


def test_the_date_header_is_the_simulators_clock(api: Api, simulator: Simulator) -> None:
    simulator.clock.freeze("2026-03-01T00:00:00Z")
    assert api.http.post("/oauth/v2/token").headers["date"] == "Sun, 01 Mar 2026 00:00:00 GMT"


def test_two_clients_have_their_own_simultaneous_calls(
    org: Org, simulator: Simulator, connect: Callable[..., Api]
) -> None:
    connect().get("/org")
    refresh = org.grant("another", "x", "ZohoCRM.org.READ")
    token = simulator.hub.tokens.mint(simulator.hub.tokens.grants[refresh]).value
    assert httpx.get(f"{simulator.url}/crm/v7/org", headers={"Authorization": f"Zoho-oauthtoken {token}"}).is_success
    assert set(org.peak) == {"1000.CLIENT", "another"}

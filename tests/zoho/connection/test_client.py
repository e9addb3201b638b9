"""The client at the wire: sign-in, the meaning of each answer, retries, and what is never logged."""

import logging
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.zoho.wire import DATE, JSON, NOW, Broken, Reply, Tokens, Wire, answer, client_on, error
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.connection.rate_limits import OrgLimits

LEADS = "/crm/v7/Leads"
OK = answer({"data": []})


def test_a_request_is_signed_in_zohos_own_way() -> None:
    wire = Wire(OK)
    client_on(wire).get(LEADS, {"fields": "Last_Name,$converted"}, {"If-Modified-Since": "2026-05-01T10:00:00+05:30"})
    (request,) = wire.seen
    assert str(request.url) == "https://www.zohoapis.com/crm/v7/Leads?fields=Last_Name%2C%24converted"
    assert request.headers["Authorization"] == f"Zoho-oauthtoken 1000.{1:032x}.{1:032x}"
    assert request.headers["If-Modified-Since"] == "2026-05-01T10:00:00+05:30"


def test_cookies_are_not_kept() -> None:
    wire = Wire(answer({}, Set_Cookie="_zcsr_tmp=1; path=/"))
    client = client_on(wire)
    client.get(LEADS)
    client.get(LEADS)
    assert "Cookie" not in wire.seen[1].headers


@pytest.mark.parametrize("status", [204, 304])
def test_no_content_and_not_modified_are_answers(status: int) -> None:
    got = client_on(Wire(answer(status=status))).get(LEADS)
    assert (got.status, got.data, got.server_time) == (status, None, NOW)


def test_zohos_clock_runs_on_from_the_newest_date() -> None:
    client = client_on(Wire(OK, answer({}, Date="Mon, 23 Nov 2026 14:40:45 GMT")))
    with pytest.raises(errors.BadAnswer, match="Date"):
        _ = client.server_time
    assert client.get(LEADS).server_time == NOW
    assert timedelta(0) <= client.server_time - NOW < timedelta(seconds=10)
    client.get(LEADS)
    assert timedelta(0) <= client.server_time - NOW - timedelta(seconds=8) < timedelta(seconds=10)


def test_a_date_that_jumped_is_asked_for_again_and_then_refused() -> None:
    odd = answer({}, Date="Tue, 24 Nov 2026 14:40:37 GMT")
    client = client_on(Wire(OK, odd, OK, *[odd] * 3))
    client.get(LEADS)
    assert client.get(LEADS).server_time == NOW
    with pytest.raises(errors.ClockJumped, match="2026-11-24 14:40:37 UTC while 0 s passed"):
        client.get(LEADS)
    assert client.server_time - NOW < timedelta(seconds=10)


def test_a_gateways_clock_is_not_zohos() -> None:
    client = client_on(Wire(OK, answer(b"", 502, Date="Mon, 01 Jan 2001 00:00:00 GMT"), OK))
    client.get(LEADS)
    with pytest.raises(errors.ServerFault):
        ZohoClient.get(copy_with_one_try(client), LEADS)
    assert client.server_time >= NOW


def copy_with_one_try(client: ZohoClient) -> ZohoClient:
    view = client.metered()
    view.pacing = Pacing(attempts=1)
    return view


def test_an_answer_without_a_clock_fails_loudly() -> None:
    silent = httpx.Response(200, content=b"{}", headers={"Content-Type": JSON})
    with pytest.raises(errors.BadAnswer, match="Date"):
        client_on(Wire(silent)).get(LEADS)


# The meaning of answers

MEANINGS: list[tuple[httpx.Response, type[errors.ZohoError]]] = [
    (error("NO_PERMISSION", 403, details={"permissions": ["Crm_Implied_View_Leads"]}), errors.NoPermission),
    (error("NOT_SUPPORTED", 403), errors.NotSupported),
    (error("INVALID_MODULE", 400, details={"resource_path_index": 0}), errors.ModuleMissing),
    (error("REQUIRED_PARAM_MISSING", 400, details={"param_name": "fields"}), errors.InvalidRequest),
    (error("LIMIT_EXCEEDED", 400, details={"param_name": "fields", "limit": 50}), errors.InvalidRequest),
    (error("DISCRETE_PAGINATION_LIMIT_EXCEEDED", 400, details={"limit": 2000}), errors.InvalidRequest),
    (error("PAGINATION_LIMIT_EXCEEDED", 400, details={"param_name": "page_token"}), errors.InvalidRequest),
    (
        error("EXPIRED_VALUE", 400, details={"api_name": "page_token", "json_path": "$.query.page_token"}),
        errors.PageTokenExpired,
    ),
    (error("TOKEN_BOUND_DATA_MISMATCH", 400, details={"param_name": "page_token"}), errors.PageTokenExpired),
    (error("INVALID_URL_PATTERN", 404), errors.InvalidRequest),
    (answer(b'{"code": "NO_PERMISSION"}', 403, Content_Type="text/plain"), errors.NoPermission),
    (error("RESOURCE_NOT_FOUND", 404), errors.NotFound),
    (error("INVALID_HOST", 400), errors.WrongDataCenter),
    (error("AUTHENTICATION_FAILURE", 401), errors.TokenRefused),
    (error("MEDIA_TYPE_NOT_SUPPORTED", 415), errors.InvalidRequest),
    (error("INVALID_DATA", 200), errors.InvalidRequest),
]


@pytest.mark.parametrize(("reply", "expected"), MEANINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_permanent_answers_are_raised_at_once(reply: httpx.Response, expected: type[errors.ZohoError]) -> None:
    wire = Wire(reply)
    client = client_on(wire)
    with pytest.raises(expected) as caught:
        client.get(LEADS)
    assert type(caught.value) is expected
    assert not isinstance(caught.value, errors.Retryable)
    assert (len(wire.seen), client.naps) == (1, [])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "path", ["/crm/v7/settings/holidays", "/crm/v7/coql", "/crm/bulk/v7/read", "/crm/v7/Leads/deleted"]
)
@pytest.mark.parametrize("reply", [error("INVALID_URL_PATTERN", 404), answer(b"<html>", 404, Content_Type="text/html")])
def test_a_family_of_calls_that_is_lacking_is_not_supported(path: str, reply: httpx.Response) -> None:
    with pytest.raises(errors.NotSupported):
        client_on(Wire(reply)).get(path)


def test_details_are_kept_and_shown() -> None:
    with pytest.raises(errors.InvalidRequest, match=r"LIMIT_EXCEEDED.*50") as caught:
        client_on(Wire(MEANINGS[4][0])).get(LEADS)
    assert (caught.value.code, caught.value.details["limit"]) == ("LIMIT_EXCEEDED", 50)
    with pytest.raises(errors.NoPermission, match="Crm_Implied_View_Leads"):
        client_on(Wire(MEANINGS[0][0])).get(LEADS)
    with pytest.raises(errors.ModuleMissing, match="module Leads"):
        client_on(Wire(MEANINGS[2][0])).get(LEADS)


PASSING: dict[str, tuple[Reply, type[errors.ZohoError]]] = {
    "500": (error("INTERNAL_ERROR", 500), errors.ServerFault),
    "500 as 400": (error("INTERNAL_SERVER_ERROR", 400), errors.ServerFault),
    "502 html": (answer(b"<html>", 502, Content_Type="text/html"), errors.ServerFault),
    "refused": (httpx.ConnectError("x"), errors.ConnectionFailed),
    "connect time-out": (httpx.ConnectTimeout("x"), errors.ConnectionFailed),
    "read time-out": (httpx.ReadTimeout("x"), errors.ConnectionFailed),
    "reset": (httpx.ReadError("x"), errors.ConnectionFailed),
    "cut off": (httpx.RemoteProtocolError("x"), errors.BadAnswer),
    "cut off in the body": (
        lambda _: httpx.Response(
            200, headers={"Date": DATE, "Content-Type": JSON}, stream=Broken(b'{"da', httpx.RemoteProtocolError("x"))
        ),
        errors.BadAnswer,
    ),
    "half": (answer(b'{"data": [{"id": "1"'), errors.BadAnswer),
    "list": (answer([]), errors.BadAnswer),
    "empty": (answer(b""), errors.BadAnswer),
    "html": (answer(b"<html>", Content_Type="text/html"), errors.BadAnswer),
    "json as html": (answer({"data": []}, Content_Type="text/html"), errors.BadAnswer),
    "no type": (httpx.Response(200, content=b"{}", headers={"Date": DATE}), errors.BadAnswer),
    "redirect": (answer(b"", 302, Location="https://evil.example/"), errors.BadAnswer),
    "concurrency": (error("TOO_MANY_REQUESTS", 429), errors.ConcurrencyLimit),
    "concurrency in v8": (error("RATE_LIMIT_EXCEEDED", 429), errors.ConcurrencyLimit),
}


@pytest.mark.parametrize("name", PASSING)
def test_reads_are_retried_until_a_short_fault_ends(name: str) -> None:
    fault, _ = PASSING[name]
    wire = Wire(fault, fault, answer({"data": [{"id": "1"}]}))
    client = client_on(wire)
    assert client.get(LEADS).data == {"data": [{"id": "1"}]}
    assert len(wire.seen) == 3
    assert client.naps == [1.0, 2.0]  # type: ignore[attr-defined]
    assert {r.url.host for r in wire.seen} == {"www.zohoapis.com"}


@pytest.mark.parametrize("name", PASSING)
def test_faults_that_stay_are_raised_after_a_minute(name: str) -> None:
    fault, expected = PASSING[name]
    wire = Wire(answer({}), fault)
    client = client_on(wire)
    client.get(LEADS)
    with pytest.raises(expected):
        client.get(LEADS)
    assert len(wire.seen) - 1 == Pacing().attempts
    assert client.naps == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]  # type: ignore[attr-defined]


def test_jitter_halves_a_wait_at_most() -> None:
    naps: list[float] = []
    wire = Wire(error("INTERNAL_ERROR", 500), error("INTERNAL_ERROR", 500), OK)
    draws = iter((0.0, 0.5))
    ZohoClient("https://www.zohoapis.com", Tokens(), transport=wire, sleep=naps.append, rng=lambda: next(draws)).get(
        LEADS
    )
    assert naps == [0.5, 1.5]


@pytest.mark.parametrize("name", ["500", "502 html", "read time-out", "reset", "cut off", "half"])
def test_a_post_that_may_have_been_done_is_not_repeated(name: str) -> None:
    fault, expected = PASSING[name]
    wire = Wire(fault)
    with pytest.raises(expected):
        client_on(wire).post("/crm/bulk/v7/read", json={})
    assert len(wire.seen) == 1


@pytest.mark.parametrize("name", ["refused", "connect time-out", "concurrency"])
def test_a_post_that_cannot_have_been_done_is_repeated(name: str) -> None:
    wire = Wire(PASSING[name][0], answer({"data": []}, 201))
    assert client_on(wire).post("/crm/bulk/v7/read", json={}).status == 201


def test_a_query_by_post_is_repeated_like_a_read() -> None:
    wire = Wire(PASSING["cut off"][0], OK)
    client_on(wire).post("/crm/v7/coql", json={}, repeatable=True)
    assert len(wire.seen) == 2


def test_a_day_long_429_ends_it_at_once() -> None:
    wire = Wire(error("TOO_MANY_REQUESTS", 429, X_API_CREDITS_REMAINING="0"))
    with pytest.raises(errors.CreditsExhausted):
        client_on(wire).get(LEADS)
    assert len(wire.seen) == 1


def test_a_429_without_any_sign_of_credits_is_day_long_in_the_end() -> None:
    wire = Wire(error("TOO_MANY_REQUESTS", 429))
    with pytest.raises(errors.CreditsExhausted):
        client_on(wire).get(LEADS)
    assert len(wire.seen) == Pacing().attempts


def test_the_budget_sends_nothing() -> None:
    wire = Wire(OK)
    with pytest.raises(errors.BudgetStop):
        client_on(wire, limits=OrgLimits(daily_credits=10, budget=0.5, used=5)).get(LEADS)
    assert wire.seen == []


def test_an_answer_that_arrives_too_slowly_ends() -> None:
    class Drip(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            while True:
                yield b" "

    wire = Wire(lambda _: httpx.Response(200, headers={"Date": DATE, "Content-Type": JSON}, stream=Drip()))
    with pytest.raises(errors.ConnectionFailed, match="longer than"):
        client_on(wire, pacing=Pacing(attempts=1, answer_seconds=0.01)).get(LEADS)


# Meters


def test_meters_count_requests_and_credits() -> None:
    wire = Wire(error("INVALID_TOKEN", 401), OK, error("INTERNAL_ERROR", 500), httpx.ReadError("x"), OK)
    client = client_on(wire)
    client.get(LEADS, {"sort_by": "id"})
    assert (client.meter.requests, client.meter.credits) == (2, 3)
    view = client.metered()
    view.get(LEADS)
    assert (view.meter.requests, view.meter.credits) == (3, 2)
    assert (client.meter.requests, client.meter.credits) == (5, 5)
    assert client.limits.own_credits == 5


# Downloads


def test_a_download_appears_only_when_whole(tmp_path: Path) -> None:
    target = tmp_path / "result.zip"
    half = lambda _: httpx.Response(200, headers={"Date": DATE}, stream=Broken(b"half", httpx.ReadError("x")))  # noqa: E731
    wire = Wire(half, answer(b"whole", Content_Type="application/zip"))
    assert client_on(wire).download("/crm/bulk/v7/read/1/result", target) == 5
    assert target.read_bytes() == b"whole"
    with pytest.raises(errors.ConnectionFailed):
        client_on(Wire(half), pacing=Pacing(attempts=2)).download("/crm/bulk/v7/read/2/result", tmp_path / "other.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["result.zip"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error("RESOURCE_NOT_FOUND", 404), errors.NotFound),
        (answer(status=204), errors.BadAnswer),
        (answer({"state": "odd"}, 202), errors.BadAnswer),
        (error("TOO_MANY_REQUESTS", 429), errors.ConcurrencyLimit),
        (error("OAUTH_SCOPE_MISMATCH", 401), errors.ScopeMissing),
    ],
)
def test_what_is_no_download(tmp_path: Path, reply: httpx.Response, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        client_on(Wire(reply)).download("/crm/bulk/v7/read/1/result", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


# Secrets in messages and logs

TOKEN = f"1000.{1:032x}.{1:032x}"


@pytest.mark.parametrize(
    "reply",
    [
        *[reply for reply, _ in PASSING.values()],
        *[reply for reply, _ in MEANINGS],
        error(TOKEN, 400),
        error("ODD", 400, message=f"you sent {TOKEN}", details={"token": TOKEN}),
        httpx.LocalProtocolError(f"Illegal header value b'Zoho-oauthtoken {TOKEN}'"),
    ],
)
def test_no_token_in_messages_tracebacks_or_logs(reply: Reply, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(errors.ZohoError) as caught:
        client_on(Wire(reply), pacing=Pacing(attempts=2)).get(LEADS, {"page_token": "secret-page-token"})
    written = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caplog.text
    assert TOKEN not in written
    assert f"{1:032x}" not in written

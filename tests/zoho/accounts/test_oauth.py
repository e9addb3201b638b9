"""OAuth at the wire: what is sent to which server, and what each body means."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

from tests.zoho.wire import Broken, Wire, answer
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenters

IN = DataCenters().get("in")
CLIENT = "1000.CLIENT"
SECRET = Secret("the-client-secret")
REFRESH = Secret("1000.refresh0123456789.abcdef0123456789")
GOOD = {
    "access_token": "1000.access.token",
    "refresh_token": "1000.new.refresh",
    "api_domain": "https://www.zohoapis.in",
    "token_type": "Bearer",
    "expires_in": 3600,
    "scope": "ZohoCRM.modules.READ ZohoCRM.users.READ",
}


def on(wire: Wire) -> httpx.Client:
    return oauth.new_http(transport=wire)


def refresh(wire: Wire) -> oauth.AccessToken:
    return oauth.refresh(on(wire), IN, CLIENT, SECRET, REFRESH)


def exchange(wire: Wire, redirect_uri: str | None = "http://localhost:1/cb") -> oauth.Grant:
    return oauth.exchange_code(on(wire), IN, CLIENT, SECRET, "1000.the.code", redirect_uri)


def without(*keys: str) -> dict[str, Any]:
    return {k: v for k, v in GOOD.items() if k not in keys}


def test_the_authorisation_url() -> None:
    url = oauth.authorization_url(IN, CLIENT, "http://localhost:1/cb?x=1", ("a.READ", "b.READ"), "st&ate")
    assert url.startswith("https://accounts.zoho.in/oauth/v2/auth?")
    assert parse_qs(urlsplit(url).query) == {
        "client_id": [CLIENT],
        "response_type": ["code"],
        "redirect_uri": ["http://localhost:1/cb?x=1"],
        "scope": ["a.READ,b.READ"],
        "access_type": ["offline"],
        "prompt": ["consent"],
        "state": ["st&ate"],
    }


def test_an_exchange_goes_to_the_centre_named_and_keeps_secrets_out_of_the_url() -> None:
    wire = Wire(answer(GOOD))
    grant = exchange(wire)
    (request,) = wire.seen
    assert (request.method, str(request.url)) == ("POST", "https://accounts.zoho.in/oauth/v2/token")
    assert dict(parse_qsl(request.content.decode())) == {
        "grant_type": "authorization_code",
        "client_id": CLIENT,
        "client_secret": "the-client-secret",
        "code": "1000.the.code",
        "redirect_uri": "http://localhost:1/cb",
    }
    assert grant.refresh_token == Secret("1000.new.refresh")
    assert grant.access.scopes == ("ZohoCRM.modules.READ", "ZohoCRM.users.READ")


def test_a_self_client_sends_no_redirect_uri() -> None:
    wire = Wire(answer(GOOD))
    exchange(wire, None)
    assert "redirect_uri" not in wire.seen[0].content.decode()


def test_a_refresh() -> None:
    wire = Wire(answer(without("refresh_token", "scope")))
    before = datetime.now(UTC)
    token = refresh(wire)
    assert dict(parse_qsl(wire.seen[0].content.decode())) == {
        "grant_type": "refresh_token",
        "client_id": CLIENT,
        "client_secret": "the-client-secret",
        "refresh_token": REFRESH.reveal(),
    }
    assert token.value == Secret("1000.access.token")
    assert token.api_domain == "https://www.zohoapis.in"
    assert token.scopes is None
    assert timedelta(0) <= token.expires_at - before - timedelta(hours=1) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("life", "seconds"),
    [
        ({"expires_in": 3600}, 3600),
        ({"expires_in": 3600000, "expires_in_sec": 3600}, 3600),
        ({"expires_in": 3600000}, 3600),
        ({"expires_in": "1800"}, 1800),
        ({"expires_in": None}, 3600),
        ({"expires_in": -5}, 3600),
    ],
)
def test_seconds_milliseconds_or_nothing(life: dict[str, Any], seconds: int) -> None:
    token = refresh(Wire(answer({**GOOD, **life})))
    assert abs((token.expires_at - datetime.now(UTC)).total_seconds() - seconds) < 60


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(
    ("body", "refreshed", "exchanged"),
    [
        ({"error": "invalid_code"}, errors.RefreshTokenRevoked, errors.CodeRejected),
        ({"error": "invalid_client"}, errors.ClientRejected, errors.ClientRejected),
        ({"error": "invalid_client_secret"}, errors.ClientRejected, errors.ClientRejected),
        ({"error": "invalid_redirect_uri"}, errors.ClientRejected, errors.ClientRejected),
        ({"error": "redirect_uri_mismatch"}, errors.ClientRejected, errors.ClientRejected),
        ({"error": "general_error"}, errors.ServerFault, errors.ServerFault),
        ({"error": "unsupported_grant_type"}, errors.InvalidRequest, errors.InvalidRequest),
        (
            {"error": "Access Denied", "error_description": "You have made too many requests", "status": "failure"},
            errors.TokenThrottled,
            errors.TokenThrottled,
        ),
    ],
)
def test_error_bodies_whatever_the_status(
    status: int, body: dict[str, str], refreshed: type[Exception], exchanged: type[Exception]
) -> None:
    for call, expected in ((refresh, refreshed), (exchange, exchanged)):
        wire = Wire(answer(body, status))
        with pytest.raises(expected) as caught:
            call(wire)  # type: ignore[operator]
        assert type(caught.value) is expected
        assert len(wire.seen) == 1, "a refused token request is never retried here"


def test_the_throttle_says_how_long() -> None:
    with pytest.raises(errors.TokenThrottled, match="10 minutes") as caught:
        refresh(Wire(answer({"error": "Access Denied", "status": "failure"}, 400)))
    assert caught.value.retry_after == 600
    with pytest.raises(errors.TokenThrottled):
        refresh(Wire(answer(b"slow down", 429)))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer({}), errors.BadAnswer),
        (answer([]), errors.BadAnswer),
        (answer(b"<html>", Content_Type="text/html"), errors.BadAnswer),
        (answer(b'{"access_token": "1000.a'), errors.BadAnswer),
        (answer({"access_token": ""}), errors.BadAnswer),
        (answer({**GOOD, "access_token": "1000.a\r\nX-Evil: 1"}), errors.BadAnswer),
        (answer({**GOOD, "access_token": 7}), errors.BadAnswer),
        (answer(b"", 302, Location="https://evil.example/"), errors.BadAnswer),
        (answer(b"oops", 500), errors.ServerFault),
        (answer({"error": "oops"}, 503), errors.ServerFault),
        (answer({"error": "slow down"}, 429), errors.TokenThrottled),
        (httpx.ConnectError("no"), errors.ConnectionFailed),
        (httpx.ReadTimeout("no"), errors.ConnectionFailed),
        (httpx.RemoteProtocolError("cut"), errors.BadAnswer),
        (lambda _: httpx.Response(200, stream=Broken(b'{"acc', httpx.ReadError("reset"))), errors.ConnectionFailed),
    ],
)
def test_what_is_no_token_answer(reply: Any, expected: type[Exception]) -> None:
    wire = Wire(reply)
    with pytest.raises(expected):
        refresh(wire)
    assert len(wire.seen) == 1


def test_a_missing_refresh_token_is_an_error_of_its_own() -> None:
    with pytest.raises(errors.RefreshTokenMissing, match="prompt=consent"):
        exchange(Wire(answer(without("refresh_token"))))


def test_a_missing_api_domain_falls_back_to_the_centre() -> None:
    assert refresh(Wire(answer(without("api_domain")))).api_domain == "https://www.zohoapis.in"


@pytest.mark.parametrize(
    "domain", ["https://evil.example", "https://www.zohoapis.com", "https://www.zohoapis.in.evil.example"]
)
def test_a_foreign_api_domain_is_refused_before_a_token_leaves(domain: str) -> None:
    wire = Wire(answer({**GOOD, "api_domain": domain}))
    with pytest.raises(errors.ForeignApiDomain):
        refresh(wire)
    assert {request.url.host for request in wire.seen} == {"accounts.zoho.in"}


def test_a_forged_accounts_server_sees_no_request() -> None:
    """As `connect` does with a callback: it looks the server up first, and only then sends the secret."""
    wire = Wire(answer(GOOD))
    for forged in (
        "https://accounts.zoho.in.evil.example",
        "https://accounts.zoho.in@evil.example",
        "http://accounts.zoho.in",
    ):
        with pytest.raises(errors.UnknownDataCenter):
            oauth.exchange_code(on(wire), DataCenters().by_accounts_server(forged), CLIENT, SECRET, "c", None)
    assert wire.seen == []


@pytest.mark.parametrize(
    ("reply", "known"),
    [
        (answer({"status": "success"}), True),
        (answer({"error": "invalid_token"}), False),
        (answer({"error": "invalid_token"}, 400), False),
    ],
)
def test_revoke(reply: httpx.Response, known: bool) -> None:
    wire = Wire(reply)
    assert oauth.revoke(on(wire), IN, REFRESH) is known
    assert str(wire.seen[0].url) == "https://accounts.zoho.in/oauth/v2/token/revoke"
    assert dict(parse_qsl(wire.seen[0].content.decode())) == {"token": REFRESH.reveal()}


def test_a_revocation_that_fails_is_no_success() -> None:
    for reply in (answer({}), answer(b"x", 503), answer({"error": "general_error"})):
        with pytest.raises(errors.Retryable):
            oauth.revoke(on(Wire(reply)), IN, REFRESH)


ECHOES: list[Callable[[str], dict[str, str]]] = [
    lambda secret: {"error": secret},
    lambda secret: {"error": "odd", "error_description": f"you sent {secret} to us"},
]


@pytest.mark.parametrize("secret", [REFRESH.reveal(), SECRET.reveal()])
@pytest.mark.parametrize("echo", ECHOES)
def test_a_server_that_echoes_secrets_cannot_put_them_into_messages(
    secret: str, echo: Callable[[str], dict[str, str]]
) -> None:
    with pytest.raises(errors.ZohoError) as caught:
        refresh(Wire(answer(echo(secret))))
    assert secret not in str(caught.value)
    assert secret not in repr(caught.value)


def test_tokens_are_never_shown() -> None:
    grant = exchange(Wire(answer(GOOD)))
    assert "1000.access.token" not in repr(grant)
    assert "1000.new.refresh" not in repr(grant)

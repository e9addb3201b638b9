"""OAuth at Zoho's accounts servers: authorisation URL, exchange, refresh, revocation.

Each function takes a `DataCenter` of the table, so that a secret goes only to a server of the table. Zoho reports
failures with HTTP 200: only an `access_token` in the body means success. No function tries twice: each try counts
among the ten tokens of ten minutes, and the caller keeps that count.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx

from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho import errors
from zoho_pipeline.zoho.accounts.data_centers import DataCenter
from zoho_pipeline.zoho.accounts.scopes import parse as parse_scopes
from zoho_pipeline.zoho.parsing import parse_or_none, whole_number
from zoho_pipeline.zoho.transport import connection_failed, new_http

TOKEN_LIFE_SECONDS = 3600
LOCKOUT_SECONDS = 600.0
"""How long Zoho refuses tokens after more than ten in ten minutes. Calls during that time make it longer."""

_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
_CLIENT_ERRORS = ("invalid_client", "invalid_client_secret", "unauthorized_client")
_REDIRECT_ERRORS = ("invalid_redirect_uri", "redirect_uri_mismatch")

__all__ = ["AccessToken", "Grant", "authorization_url", "exchange_code", "new_http", "refresh", "revoke"]


@dataclass(frozen=True)
class AccessToken:
    """A token for the API. `expires_at` is an instant in UTC; `scopes` is None where Zoho did not name them."""

    value: Secret
    expires_at: datetime
    api_domain: str
    scopes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Grant:
    """The result of a consent: the refresh token, which must be stored encrypted, and a first access token."""

    refresh_token: Secret
    access: AccessToken


def authorization_url(dc: DataCenter, client_id: str, redirect_uri: str, scopes: Iterable[str], state: str) -> str:
    """The URL for the browser. With `prompt=consent`, Zoho gives a refresh token each time."""
    query = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "scope": ",".join(scopes),
        "access_type": "offline",
        "prompt": "consent",
        "state": state,
    }
    return f"{dc.accounts_server}/oauth/v2/auth?{urlencode(query)}"


def exchange_code(
    http: httpx.Client, dc: DataCenter, client_id: str, secret: Secret, code: Secret | str, redirect_uri: str | None
) -> Grant:
    """Exchange a grant code for a grant. A code works once, for about two minutes, at the server of the callback.

    Args:
        redirect_uri: the same as in the authorisation URL; None for a self client's code.

    Raises:
        CodeRejected, ClientRejected, RefreshTokenMissing, TokenThrottled, ForeignApiDomain, Retryable.
    """
    grant = code.reveal() if isinstance(code, Secret) else code
    form = {"grant_type": "authorization_code", "client_id": client_id, "client_secret": secret.reveal(), "code": grant}
    if redirect_uri is not None:
        form["redirect_uri"] = redirect_uri
    answer = _token_answer(http, dc, form)
    access = _access_token(answer, dc)
    refresh_token = answer.get("refresh_token")
    if not refresh_token or not isinstance(refresh_token, str):
        raise errors.RefreshTokenMissing(
            "Zoho gave no refresh token, because the account gave its consent to this app before. Connect with "
            "`zoho-pipeline connect`, which sends prompt=consent and access_type=offline, or remove the app from the "
            "connected apps of the Zoho account."
        )
    return Grant(Secret(refresh_token), access)


def refresh(http: httpx.Client, dc: DataCenter, client_id: str, secret: Secret, refresh_token: Secret) -> AccessToken:
    """Request an access token, which lives one hour. Zoho's refresh tokens never change.

    Raises:
        RefreshTokenRevoked, ClientRejected, TokenThrottled, ForeignApiDomain, Retryable.
    """
    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "client_secret": secret.reveal(),
        "refresh_token": refresh_token.reveal(),
    }
    return _access_token(_token_answer(http, dc, form), dc)


def revoke(http: httpx.Client, dc: DataCenter, token: Secret) -> bool:
    """Revoke a refresh token or an access token; False if Zoho did not know it."""
    answer = _post(http, dc, "/oauth/v2/token/revoke", {"token": token.reveal()})
    if answer.get("status") == "success":
        return True
    code = str(answer.get("error", ""))
    if code in ("invalid_token", "invalid_code"):
        return False
    if not code:
        raise errors.BadAnswer(f"{dc.accounts_server}: the answer to a revocation names neither success nor an error.")
    raise _failure(dc, answer, {"token": token.reveal()})


def _token_answer(http: httpx.Client, dc: DataCenter, form: Mapping[str, str]) -> dict[str, Any]:
    answer = _post(http, dc, "/oauth/v2/token", form)
    if not answer.get("access_token"):
        raise _failure(dc, answer, form)
    return answer


def _post(http: httpx.Client, dc: DataCenter, path: str, form: Mapping[str, str]) -> dict[str, Any]:
    server = dc.accounts_server
    try:
        response = http.post(server + path, data=dict(form), follow_redirects=False)
    except httpx.HTTPError as error:
        raise connection_failed(server, error) from None
    answer = parse_or_none(response.content)
    if response.status_code == 429:
        raise _throttled(dc)
    if response.status_code >= 500:
        raise errors.ServerFault(f"{server} answered {response.status_code}.")
    if isinstance(answer, dict) and ("error" in answer or response.status_code < 300):
        return answer
    raise errors.BadAnswer(f"{server} answered {response.status_code} with a body that is no token answer.")


def _access_token(answer: Mapping[str, Any], dc: DataCenter) -> AccessToken:
    value = answer["access_token"]
    # The HTTP library's error about a header would quote a token with a line break.
    if not isinstance(value, str) or not _HEADER_SAFE.fullmatch(value):
        raise errors.BadAnswer(f"{dc.accounts_server} gave an access token with characters that no token has.")
    api_domain = answer.get("api_domain")
    checked = dc.check_api_domain(str(api_domain)) if api_domain else dc.api_domain
    scope = answer.get("scope")
    scopes = parse_scopes(scope) if isinstance(scope, str) else None
    expires_at = datetime.now(UTC) + timedelta(seconds=_life(answer))
    return AccessToken(Secret(value), expires_at, checked, scopes)


def _life(answer: Mapping[str, Any]) -> float:
    """How many seconds a token lives. Older answers have `expires_in` in milliseconds, and `expires_in_sec`."""
    for key in ("expires_in_sec", "expires_in"):
        if value := whole_number(answer.get(key), most=86_400_000):
            return value if value <= 86_400 else value / 1000
    return TOKEN_LIFE_SECONDS


def _throttled(dc: DataCenter) -> errors.TokenThrottled:
    return errors.TokenThrottled(
        f"{dc.accounts_server} refuses tokens for now, because more than ten were requested in ten minutes. "
        f"Wait {LOCKOUT_SECONDS / 60:.0f} minutes. Each further try makes the wait longer.",
        LOCKOUT_SECONDS,
    )


def _failure(dc: DataCenter, answer: Mapping[str, Any], form: Mapping[str, str]) -> errors.ZohoError:
    """The error in a body without an access token, whatever the HTTP status is."""
    code = errors.scrub(str(answer.get("error", "")), *_secrets(form))
    server = dc.accounts_server
    if code.lower().replace("_", " ") == "access denied":
        return _throttled(dc)
    if code == "invalid_code" and form.get("grant_type") == "refresh_token":
        return errors.RefreshTokenRevoked(
            f"{server} does not accept the refresh token (invalid_code). It was revoked, replaced by newer ones, or "
            f"belongs to another data center than {dc.name}.",
            "Connect the channel again.",
        )
    if code == "invalid_code":
        return errors.CodeRejected(
            f"{server} does not accept the grant code (invalid_code). It was used before, is older than two minutes, "
            f"or belongs to another data center than {dc.name}. Get a new one and start again."
        )
    if code in _CLIENT_ERRORS:
        return errors.ClientRejected(
            f"{server} does not accept the client ({code}).",
            "Check ZOHO_CLIENT_ID and ZOHO_CLIENT_SECRET, and check that Zoho's API console enables the client for "
            f"data center {dc.name}.",
        )
    if code in _REDIRECT_ERRORS:
        return errors.ClientRejected(
            f"{server} does not accept the redirect URI ({code}). Register exactly this one in Zoho's API console: "
            f"{form.get('redirect_uri', '(none was sent)')}"
        )
    if code in ("general_error", "server_error"):
        return errors.ServerFault(f"{server} answered {code}.")
    if not code:
        return errors.BadAnswer(f"{server} answered with neither an access token nor an error.")
    detail = errors.scrub(str(answer.get("error_description", "")), *_secrets(form))
    return errors.InvalidRequest(f"{server} gives no token: {code}. {detail}".strip(), code)


def _secrets(form: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(form[key] for key in ("client_secret", "refresh_token", "code", "token") if form.get(key))

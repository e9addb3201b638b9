"""`Authorization: Zoho-oauthtoken …`, and the new looks when Zoho refuses a token before its time."""

from collections.abc import Generator
from typing import Any, Protocol

import httpx
import orjson

from zoho_pipeline.zoho.accounts.oauth import AccessToken

SCHEME = "Zoho-oauthtoken"  # the token answer says Bearer; the CRM does not take that
NEW_LOOKS = 2
"""Newer tokens tried for one request: the first may have died while another thread held it."""


class TokenSource(Protocol):
    """Where access tokens come from. Thread-safe; raises `ReconnectNeeded`, `TokenThrottled` or `Retryable`."""

    def current(self) -> AccessToken:
        """A token that should still be good; may mint one."""

    def refused(self, token: AccessToken) -> AccessToken:
        """Zoho refused `token`: one that is newer, minted only if nobody else has done so since."""


class ZohoAuth(httpx.Auth):
    """Signs each request; on 401 INVALID_TOKEN it asks the source for a newer token, twice at most.

    Not on OAUTH_SCOPE_MISMATCH, which is a 401 too: a fresh token has the same scopes, and ten of them use
    up the mints of ten minutes.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._tokens.current()
        for looks_left in reversed(range(NEW_LOOKS + 1)):
            request.headers["Authorization"] = f"{SCHEME} {token.value.reveal()}"
            response = yield request
            # The body of a 401 alone is read here: `requires_response_body` would load whole downloads.
            if response.status_code != 401 or not looks_left:
                return
            response.read()
            if error_code(response.content) != "INVALID_TOKEN":
                return
            token = self._tokens.refused(token)


def error_code(body: bytes) -> str:
    """`code` of an error body, '' where there is none."""
    try:
        answer: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    return str(answer.get("code", "")) if isinstance(answer, dict) else ""

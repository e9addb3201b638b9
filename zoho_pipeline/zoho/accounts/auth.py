"""`Authorization: Zoho-oauthtoken …`, and a newer token when Zoho refuses one before its end."""

from collections.abc import Generator
from typing import Any, Protocol

import httpx

from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.parsing import parse_or_none

SCHEME = "Zoho-oauthtoken"  # the token answer says Bearer, but the CRM refuses that
BAD_TOKEN_CODES = ("INVALID_TOKEN", "INVALID_OAUTHTOKEN")
"""The codes of a 401 for a bad access token. Zoho's pages name both (docs/zoho-facts.md, section 2.5)."""

NEWER_TOKENS = 2
"""How many newer tokens one request tries. The first may have ended while another thread held it."""


class TokenSource(Protocol):
    """Gives access tokens. Thread-safe. Its methods raise `ReconnectNeeded`, `TokenThrottled` or `Retryable`."""

    def current(self) -> AccessToken:
        """A token that should still be valid. It may request one from Zoho."""

    def refused(self, token: AccessToken) -> AccessToken:
        """A newer token than `token`, which Zoho refused. It requests one only if nobody else has done so since."""


class ZohoAuth(httpx.Auth):
    """Adds the token to each request. On a 401 for a bad token it takes a newer one from the source, at most twice.

    OAUTH_SCOPE_MISMATCH is a 401 too, but it takes no newer token: that one has the same scopes, and ten requests use
    up the tokens of ten minutes.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        token = self._tokens.current()
        for newer_left in reversed(range(NEWER_TOKENS + 1)):
            request.headers["Authorization"] = f"{SCHEME} {token.value.reveal()}"
            response = yield request
            # Only the body of a 401 is read here: `requires_response_body` would load whole downloads.
            if response.status_code != 401 or not newer_left:
                return
            response.read()
            if error_code(response.content) not in BAD_TOKEN_CODES:
                return
            token = self._tokens.refused(token)


def error_code(body: bytes) -> str:
    """The `code` of an error body; '' if there is none."""
    answer: Any = parse_or_none(body)
    return str(answer.get("code", "")) if isinstance(answer, dict) else ""

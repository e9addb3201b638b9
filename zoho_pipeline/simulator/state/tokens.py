"""Clients, refresh tokens, access tokens and grant codes, with Zoho's limits (docs/zoho-facts.md, section 2)."""

import secrets
from collections import deque
from dataclasses import dataclass, field

from zoho_pipeline.simulator.clock import Clock, forget_until
from zoho_pipeline.simulator.switches import Switches

MINTS, MINT_WINDOW = 10, 600
LIVE_TOKENS = 15
REFRESH_TOKENS = 20
GRANT_CODES = 10


@dataclass
class Client:
    """An OAuth app of the API console. Without redirect URIs it accepts every loopback address."""

    id: str
    secret: str
    redirect_uris: set[str] = field(default_factory=set)
    codes_issued: deque[float] = field(default_factory=deque)


@dataclass
class Grant:
    """A refresh token: the consent of one user of one org for a client. Its scopes never change."""

    refresh_token: str
    client_id: str
    org_id: str
    user_id: str
    scopes: list[str]
    offline: bool = True
    minted: deque[float] = field(default_factory=deque)
    live: deque[str] = field(default_factory=deque)
    locked_until: float = 0.0


@dataclass
class AccessToken:
    """An access token that a grant has minted; `expires` in seconds since 1970."""

    value: str
    grant: Grant
    expires: float


@dataclass
class Code:
    """A grant code. It works once, until `expires` (seconds since 1970)."""

    value: str
    client_id: str
    redirect_uri: str
    org_id: str
    user_id: str
    scopes: list[str]
    refresh: bool
    expires: float
    used: bool = False


class TokenError(Exception):
    """The token endpoint refuses; the text is the `error` of its answer."""


class TokenDesk:
    """Everything that the accounts server knows."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock, self._switches = clock, switches
        self.clients: dict[str, Client] = {}
        self.grants: dict[str, Grant] = {}
        self.live: dict[str, AccessToken] = {}
        self.codes: dict[str, Code] = {}
        self.consented: set[tuple[str, str]] = set()  # (client, user) pairs that accepted before
        self.minted = 0  # access tokens minted so far

    def add_client(self, client_id: str, client_secret: str, redirect_uris: set[str] | None = None) -> Client:
        """Register a client, or give a registered one a new secret and more redirect URIs."""
        client = self.clients.setdefault(client_id, Client(client_id, client_secret))
        client.secret = client_secret
        client.redirect_uris |= redirect_uris or set()
        return client

    def new_grant(self, client_id: str, org_id: str, user_id: str, scopes: list[str], *, offline: bool = True) -> Grant:
        """Make a refresh token. A user's 21st for one client revokes the oldest one and its access tokens."""
        grant = Grant(new_secret(), client_id, org_id, user_id, scopes, offline)
        if offline:
            mine = [g for g in self.grants.values() if (g.client_id, g.user_id) == (client_id, user_id)]
            if len(mine) >= REFRESH_TOKENS:
                self.drop(mine[0])
            self.grants[grant.refresh_token] = grant
        return grant

    def drop(self, grant: Grant) -> None:
        """Revoke a refresh token and every access token that it minted."""
        self.grants.pop(grant.refresh_token, None)
        for value in grant.live:
            self.live.pop(value, None)

    def drop_user(self, org_id: str, user_id: str) -> None:
        """Revoke every refresh token of a user and their access tokens."""
        for grant in [g for g in self.grants.values() if (g.org_id, g.user_id) == (org_id, user_id)]:
            self.drop(grant)

    def mint(self, grant: Grant) -> AccessToken:
        """Make an access token. The 16th live token of a grant revokes its oldest one."""
        now = self._clock.seconds()
        token = AccessToken(new_secret(), grant, now + self._switches.token_seconds)
        grant.live.append(token.value)
        if len(grant.live) > LIVE_TOKENS:
            self.live.pop(grant.live.popleft(), None)
        self.live[token.value] = token
        self.minted += 1
        return token

    def find(self, value: str) -> AccessToken | None:
        """Return the live token with this value; None when it is unknown or expired."""
        token = self.live.get(value)
        if token is not None and token.expires <= self._clock.seconds():
            self.expire(value)
            return None
        return token

    def expire(self, value: str) -> None:
        """Revoke an access token; its refresh token stays valid."""
        token = self.live.pop(value, None)
        if token is not None and value in token.grant.live:
            token.grant.live.remove(value)

    def check_client(self, form: dict[str, str]) -> Client:
        """Return the client that the form names; raises TokenError for an unknown client or a wrong secret."""
        client = self.clients.get(form.get("client_id", ""))
        if client is None:
            raise TokenError("invalid_client")
        if not secrets.compare_digest(client.secret.encode(), form.get("client_secret", "").encode()):
            raise TokenError("invalid_client_secret")
        return client

    def throttled(self, grant: Grant) -> bool:
        """Count a mint; True when the grant has used up its 10 mints in 10 minutes.

        A call during the lock-out prolongs it.
        """
        now = self._clock.seconds()
        forget_until(grant.minted, now - MINT_WINDOW)
        if now < grant.locked_until or len(grant.minted) >= MINTS:
            grant.locked_until = now + MINT_WINDOW
            return True
        grant.minted.append(now)
        return False


def new_secret() -> str:
    """Make a token or code in Zoho's form."""
    return f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"


def scope_words(text: str) -> list[str]:
    """Split a list of scopes; Zoho accepts commas and spaces."""
    return text.replace(",", " ").split()

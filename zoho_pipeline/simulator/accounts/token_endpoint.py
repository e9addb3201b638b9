"""Clients, consents, refresh and access tokens, and the token endpoint (docs/zoho-facts.md, section 2)."""

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoho_pipeline.simulator.wire import Answer, Request, as_json

if TYPE_CHECKING:
    from zoho_pipeline.simulator.hub import Hub

MINTS, MINT_WINDOW = 10, 600
LIVE_TOKENS = 15
REFRESH_TOKENS = 20
GRANT_CODES = 10


@dataclass
class Client:
    """An OAuth app of the API console; no redirect URIs: any loopback one will do."""

    id: str
    secret: str
    redirect_uris: set[str] = field(default_factory=set)
    codes_issued: deque[float] = field(default_factory=deque)


@dataclass
class Grant:
    """A refresh token: a user's consent for a client, in one org, with scopes that never change."""

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
    """A token a grant minted."""

    value: str
    grant: Grant
    expires: float


@dataclass
class Code:
    """A grant code: single use, for minutes."""

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
    """`{"error": …}` of the token endpoint."""


class TokenDesk:
    """Everything the accounts server knows."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self.clients: dict[str, Client] = {}
        self.grants: dict[str, Grant] = {}
        self.live: dict[str, AccessToken] = {}
        self.codes: dict[str, Code] = {}
        self.consented: set[tuple[str, str]] = set()  # (client, user) that said yes before
        self.minted = 0  # access tokens ever minted

    def add_client(self, client_id: str, client_secret: str, redirect_uris: set[str] | None = None) -> Client:
        client = self.clients.setdefault(client_id, Client(client_id, client_secret))
        client.secret = client_secret
        client.redirect_uris |= redirect_uris or set()
        return client

    def new_grant(self, client_id: str, org_id: str, user_id: str, scopes: list[str], *, offline: bool = True) -> Grant:
        """A refresh token; a user's 21st for a client ends the oldest and its access tokens."""
        grant = Grant(_token(), client_id, org_id, user_id, scopes, offline)
        if offline:
            mine = [g for g in self.grants.values() if (g.client_id, g.user_id) == (client_id, user_id)]
            if len(mine) >= REFRESH_TOKENS:
                self.drop(mine[0])
            self.grants[grant.refresh_token] = grant
        return grant

    def drop(self, grant: Grant) -> None:
        """Revoke a refresh token and all it minted."""
        self.grants.pop(grant.refresh_token, None)
        for value in grant.live:
            self.live.pop(value, None)

    def drop_user(self, org_id: str, user_id: str) -> None:
        for grant in [g for g in self.grants.values() if (g.org_id, g.user_id) == (org_id, user_id)]:
            self.drop(grant)

    def mint(self, grant: Grant) -> AccessToken:
        """An access token; the 16th alive ends the oldest."""
        now = self._hub.clock.seconds()
        token = AccessToken(_token(), grant, now + self._hub.switches.token_seconds)
        grant.live.append(token.value)
        if len(grant.live) > LIVE_TOKENS:
            self.live.pop(grant.live.popleft(), None)
        self.live[token.value] = token
        self.minted += 1
        return token

    def find(self, value: str) -> AccessToken | None:
        """The live token of that value; an expired one is forgotten."""
        token = self.live.get(value)
        if token is not None and token.expires <= self._hub.clock.seconds():
            self.expire(value)
            return None
        return token

    def expire(self, value: str) -> None:
        """End an access token before its time; its refresh token stays good."""
        token = self.live.pop(value, None)
        if token is not None and value in token.grant.live:
            token.grant.live.remove(value)

    def check_client(self, form: dict[str, str]) -> Client:
        client = self.clients.get(form.get("client_id", ""))
        if client is None:
            raise TokenError("invalid_client")
        if not secrets.compare_digest(client.secret.encode(), form.get("client_secret", "").encode()):
            raise TokenError("invalid_client_secret")
        return client

    def throttled(self, grant: Grant) -> bool:
        """10 mints in 10 minutes; asking on during the lock-out prolongs it."""
        now = self._hub.clock.seconds()
        while grant.minted and grant.minted[0] <= now - MINT_WINDOW:
            grant.minted.popleft()
        if now < grant.locked_until or len(grant.minted) >= MINTS:
            grant.locked_until = now + MINT_WINDOW
            return True
        grant.minted.append(now)
        return False


def _token() -> str:
    return f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}"


def token_endpoint(hub: "Hub", request: Request) -> Answer:
    """POST /oauth/v2/token: errors come as HTTP 200 with a body, unless a switch says 400."""
    form = request.form()
    try:
        grant_type = form.get("grant_type")
        if grant_type == "refresh_token":
            return _refresh(hub, form)
        if grant_type == "authorization_code":
            return _exchange(hub, form)
        if grant_type == "client_credentials":
            return _client_credentials(hub, form)
        raise TokenError("unsupported_grant_type")
    except TokenError as error:
        return as_json({"error": str(error)}, hub.switches.token_error_status)


def _refresh(hub: "Hub", form: dict[str, str]) -> Answer:
    desk = hub.tokens
    client = desk.check_client(form)
    grant = desk.grants.get(form.get("refresh_token", ""))
    if grant is None or grant.client_id != client.id:
        raise TokenError("invalid_code")
    if desk.throttled(grant):
        return throttle_answer(hub)
    return as_json(_granted(hub, grant))


def _exchange(hub: "Hub", form: dict[str, str]) -> Answer:
    desk = hub.tokens
    client = desk.check_client(form)
    code = desk.codes.get(form.get("code", ""))
    if code is None or code.used or code.client_id != client.id or code.expires <= hub.clock.seconds():
        raise TokenError("invalid_code")
    if code.redirect_uri and form.get("redirect_uri", "") != code.redirect_uri:
        raise TokenError("invalid_redirect_uri")
    code.used = True
    offline = code.refresh and not hub.switches.drop_refresh_token
    grant = desk.new_grant(client.id, code.org_id, code.user_id, code.scopes, offline=offline)
    return as_json(_granted(hub, grant, with_refresh=offline))


def _client_credentials(hub: "Hub", form: dict[str, str]) -> Answer:
    client = hub.tokens.check_client(form)
    org = next((o for o in hub.orgs.values() if form.get("soid") == f"ZohoCRM.{o.zgid}"), None)
    if org is None:
        raise TokenError("invalid_soid")
    scopes = form.get("scope", "").replace(",", " ").split()
    return as_json(_granted(hub, hub.tokens.new_grant(client.id, org.id, org.admin.id, scopes, offline=False)))


def _granted(hub: "Hub", grant: Grant, *, with_refresh: bool = False) -> dict[str, Any]:
    token = hub.tokens.mint(grant)
    seconds = hub.switches.token_seconds
    body: dict[str, Any] = {"access_token": token.value}
    if with_refresh:
        body["refresh_token"] = grant.refresh_token
    if hub.switches.token_scope:
        body["scope"] = " ".join(grant.scopes)
    body |= {"api_domain": hub.switches.api_domain or hub.url, "token_type": "Bearer", "expires_in": seconds}
    if hub.switches.legacy_expires_in:
        body |= {"expires_in": seconds * 1000, "expires_in_sec": seconds}
    return body


def throttle_answer(hub: "Hub") -> Answer:
    text = "You have made too many requests continuously. Please try again after some time."
    body = {"error_description": text, "error": "Access Denied", "status": "failure"}
    return as_json(body, hub.switches.throttle_status)


def revoke_endpoint(hub: "Hub", request: Request) -> Answer:
    """POST /oauth/v2/token/revoke with a refresh or an access token."""
    value = request.form().get("token", "")
    desk = hub.tokens
    if value in desk.grants:
        desk.drop(desk.grants[value])
    elif value in desk.live:
        desk.expire(value)
    else:
        return as_json({"error": "invalid_token"}, hub.switches.token_error_status)
    return as_json({"status": "success"})


def server_info(hub: "Hub", _: Request) -> Answer:
    """GET /oauth/serverinfo: the accounts servers of all data centres; here this one, under each org's name."""
    locations = {org.location: hub.url for org in hub.orgs.values()} or {"us": hub.url}
    return as_json({"result": "success", "locations": locations})

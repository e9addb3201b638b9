"""Connecting and disconnecting: the browser's consent, a grant code, a refresh token at hand.

`authorize` and `finish` are the two halves of a consent and know no terminal: a web service calls them
from its own routes. `connect` plays both on this machine, with a browser and a callback on loopback.
"""

import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from zoho_pipeline.channels.access.token_source import PendingTokenSource, by_clock, in_environment, is_live
from zoho_pipeline.channels.access.verify import inspect
from zoho_pipeline.channels.consent.callback_server import CallbackServer
from zoho_pipeline.channels.consent.signed_state import LIFE_SECONDS, ConsentRequest, read_state, write_state
from zoho_pipeline.channels.database.locks import LockTimeout, channel_lock, exclusive
from zoho_pipeline.channels.errors import ConnectError, ConsentDenied, OtherOrg, SealError, StateUsed
from zoho_pipeline.channels.registry.encryption import fingerprint
from zoho_pipeline.channels.registry.model import Channel, Connection
from zoho_pipeline.channels.registry.registry import Registry, check_id
from zoho_pipeline.channels.settings.setting_files import check_timezone
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken, Grant
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import TokenThrottled, ZohoError, scrub

CALLBACK_PORT = 8414
"""Fixed, because the redirect URI must be registered to the letter: http://localhost:8414/callback."""

FIRST_DATA_CENTER = "us"
"""Where a consent starts unless told otherwise: Zoho sends the browser on to the user's home centre (but to China)."""


@dataclass(frozen=True)
class Authorization:
    """A consent about to begin: send the browser to `url` before `expires_at`; the callback carries `state`."""

    url: str
    state: str
    redirect_uri: str
    expires_at: datetime


def authorize(
    registry: Registry,
    channel_id: str,
    *,
    redirect_uri: str,
    data_center: str | None = None,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
    tenant: str | None = None,
    timezone: str | None = None,
    life_seconds: int = LIFE_SECONDS,
) -> Authorization:
    """The first half of a consent: where to send the browser.

    Args:
        redirect_uri: where Zoho sends it back; registered to the letter in Zoho's API console.
        data_center: where to begin; default the channel's own if it is known, else the US one.

    Raises:
        UnknownDataCenter, SettingsError, InvalidSetting: before anything is sent.
    """
    check_id(channel_id)
    known = next((channel for channel in registry.list() if channel.id == channel_id), None)
    center = _centers(registry).get(data_center or (known.data_center if known else FIRST_DATA_CENTER))
    client_id, _ = registry.settings.require_client(center.name)
    expires_at = int(registry.database.now().timestamp()) + life_seconds
    zone = check_timezone(timezone) if timezone else None
    request = ConsentRequest(channel_id, center.name, redirect_uri, scopes, expires_at, tenant, zone)
    state = write_state(registry.sealer, request)
    url = oauth.authorization_url(center, client_id, redirect_uri, scopes, state)
    return Authorization(url, state, redirect_uri, datetime.fromtimestamp(expires_at, UTC))


def finish(registry: Registry, params: Mapping[str, str]) -> Channel:
    """The second half of a consent: exchange the code of a callback, verify, register.

    The code goes to the accounts server that the callback names, if the table has it; the user's home
    centre thereby wins over the one that was asked for.

    Args:
        params: the callback's query: `code`, `state`, `location`, `accounts-server`, or `error`.

    Raises:
        StateForged, StateExpired, StateUsed, ConsentDenied, OtherOrg: see `channels.errors`.
        CodeRejected, RefreshTokenMissing, ClientRejected, UnknownDataCenter, ForeignApiDomain: see `zoho.errors`.
    """
    if params.get("error") and not params.get("state"):
        raise _denied(params, "")
    request = read_state(registry.sealer, params.get("state", ""), registry.database.now().timestamp())
    if not registry.use_state(request.nonce):
        raise StateUsed(
            f"this consent for channel {request.channel_id} has come back before; a code works once. If the channel "
            f"is not connected, start again with: zoho-pipeline connect {request.channel_id}"
        )
    if params.get("error"):
        raise _denied(params, f" {request.channel_id}")
    if not params.get("code"):
        raise ConnectError(f"the callback has no code. Start again with: zoho-pipeline connect {request.channel_id}")
    center = _center_of(registry, params, request.data_center)
    grant = _exchange(registry, center, Secret(params["code"]), request.redirect_uri)
    return _register_grant(
        registry, request.channel_id, center, grant, request.scopes, tenant=request.tenant, timezone=request.timezone
    )


def connect(
    registry: Registry,
    channel_id: str,
    *,
    data_center: str | None = None,
    scopes: tuple[str, ...] = DEFAULT_SCOPES,
    tenant: str | None = None,
    timezone: str | None = None,
    port: int = CALLBACK_PORT,
    timeout: float = LIFE_SECONDS,
    announce: Callable[[str], None] = print,
    open_browser: Callable[[str], object] = webbrowser.open,
) -> Channel:
    """The whole consent on this machine: opens the browser, waits for the callback, registers the channel.

    Args:
        port: of the callback on loopback; 0 takes any free one (Zoho wants the redirect URI registered).
        timeout: seconds to wait for the person.
        announce: is given the authorisation URL, for a machine without a browser.

    Raises:
        NoCallback: the port is taken, or nobody came back in time; else what `authorize` and `finish` raise.
    """
    server = CallbackServer(
        port,
        finish=lambda params: finish(registry, params),
        done=lambda channel: f"Channel {channel.id} is connected to {channel.org_name or channel.user_name}.",
    )
    with server.listening():
        asked = authorize(
            registry,
            channel_id,
            redirect_uri=server.redirect_uri,
            data_center=data_center,
            scopes=scopes,
            tenant=tenant,
            timezone=timezone,
        )
        announce(asked.url)
        with suppress(webbrowser.Error):
            open_browser(asked.url)
        return server.result(timeout)


def register_from_grant_code(
    registry: Registry,
    channel_id: str,
    code: Secret,
    *,
    data_center: str,
    tenant: str | None = None,
    timezone: str | None = None,
) -> Channel:
    """The self-client path: a code made in Zoho's API console, which has no redirect URI."""
    check_id(channel_id)
    zone = check_timezone(timezone) if timezone else None
    center = _centers(registry).get(data_center)
    grant = _exchange(registry, center, code, None)
    return _register_grant(registry, channel_id, center, grant, None, tenant=tenant, timezone=zone)


def register_from_refresh_token(
    registry: Registry,
    channel_id: str,
    refresh_token: Secret,
    *,
    data_center: str,
    tenant: str | None = None,
    timezone: str | None = None,
) -> Channel:
    """Register a channel from a refresh token at hand, or connect a known one anew with it.

    An access token that the registry holds for this very refresh token is used up first.

    Raises:
        RefreshTokenRevoked, ClientRejected, TokenThrottled, OtherOrg, …: nothing was registered or changed.
    """
    check_id(channel_id)
    zone = check_timezone(timezone) if timezone else None
    center = _centers(registry).get(data_center)
    at_hand = _live_token(registry, channel_id, refresh_token, center)
    source = PendingTokenSource(registry, center, refresh_token, at_hand)
    return _register(registry, channel_id, center, refresh_token, source, None, tenant=tenant, timezone=zone)


@dataclass(frozen=True)
class Removal:
    """What a removal did: whether the token was revoked, and if not, why."""

    channel_id: str
    revoked: bool
    detail: str


def remove(registry: Registry, channel_id: str) -> Removal:
    """Revoke the channel's refresh token at Zoho and forget the channel; rows in the warehouse stay.

    Raises:
        UnknownChannel, ChannelBusy: nothing was done.
        ZohoError: Zoho could not be asked to revoke; nothing was done, try again.
    """
    with channel_lock(registry.settings, channel_id) as lock:
        channel = registry.get(channel_id)
        lock.ensure_held()  # the revocation cannot be taken back
        revoked, detail = _revoke(registry, channel)
        lock.ensure_held()
        registry.remove(channel_id)
    return Removal(channel_id, revoked, detail)


def _revoke(registry: Registry, channel: Channel) -> tuple[bool, str]:
    try:
        token = registry.vault.refresh_token(channel.id)
    except SealError:
        return False, "its token could not be opened to revoke it: revoke the app in the Zoho account's connected apps"
    others = registry.vault.sharers(fingerprint(token), besides=channel.id)
    if others:
        return False, f"its token was not revoked: {', '.join(others)} {'use' if len(others) > 1 else 'uses'} it too"
    with oauth.new_http() as http:
        known = oauth.revoke(http, _centers(registry).get(channel.data_center), token)
    return known, "its token was revoked" if known else "its token had been revoked before"


def _centers(registry: Registry) -> DataCenters:
    return DataCenters.with_added(registry.settings.data_centers)


def _center_of(registry: Registry, params: Mapping[str, str], asked: str) -> DataCenter:
    """The accounts server decides; the location only where no server is named (an added centre has none of its own)."""
    server, location = params.get("accounts-server"), params.get("location")
    centers = _centers(registry)
    return centers.by_accounts_server(server) if server else centers.get(location or asked)


def _denied(params: Mapping[str, str], channel: str) -> ConsentDenied:
    reason = scrub(params["error"])[:100]
    more = (
        "The consent was refused, or asked for too often (ten times in ten minutes)."
        if reason == "access_denied"
        else "Check the app in Zoho's API console."
    )
    return ConsentDenied(f"Zoho did not connect channel{channel}: {reason}. {more} Start again when you want to.")


def _exchange(registry: Registry, center: DataCenter, code: Secret, redirect_uri: str | None) -> Grant:
    client_id, secret = registry.settings.require_client(center.name)
    started = registry.database.now()
    with oauth.new_http() as http:
        grant = oauth.exchange_code(http, center, client_id, secret, code, redirect_uri)
    access = by_clock(grant.access, started)
    return Grant(grant.refresh_token, in_environment(access, center, registry.settings.environment))


def _register_grant(
    registry: Registry,
    channel_id: str,
    center: DataCenter,
    grant: Grant,
    asked: tuple[str, ...] | None,
    *,
    tenant: str | None,
    timezone: str | None,
) -> Channel:
    # the exchange gave an access token too: Zoho counts it among the ten
    with suppress(TokenThrottled):
        registry.mints.spend(fingerprint(grant.refresh_token))
    source = PendingTokenSource(registry, center, grant.refresh_token, grant.access)
    try:
        return _register(
            registry, channel_id, center, grant.refresh_token, source, asked, tenant=tenant, timezone=timezone
        )
    except OtherOrg:
        # nobody will ever use this consent's token: do not leave it lying at Zoho
        if not registry.vault.sharers(fingerprint(grant.refresh_token)):
            with suppress(ZohoError), oauth.new_http() as http:
                oauth.revoke(http, center, grant.refresh_token)
        raise


def _register(
    registry: Registry,
    channel_id: str,
    center: DataCenter,
    refresh_token: Secret,
    source: PendingTokenSource,
    asked: tuple[str, ...] | None,
    *,
    tenant: str | None,
    timezone: str | None,
) -> Channel:
    """Verify with the token at hand, then store all of it at once; one registration of an id at a time."""
    try:
        with exclusive(registry.database, f"register {channel_id}", 60.0) as lock:
            found, spent = _inspect(center, source, asked)
            lock.ensure_held()
            channel = registry.add(
                channel_id, refresh_token, found, access=source.token, tenant=tenant, timezone=timezone
            )
            registry.add_credits(channel_id, spent)
    except LockTimeout:
        raise ConnectError(f"channel {channel_id} is being registered by another process. Try again.") from None
    return registry.get(channel.id)


def _inspect(center: DataCenter, source: PendingTokenSource, asked: tuple[str, ...] | None) -> tuple[Connection, int]:
    access = source.current()
    with ZohoClient(access.api_domain, source) as client:
        found = inspect(client, center, access.scopes or asked)
        return found, client.meter.credits


def _live_token(registry: Registry, channel_id: str, refresh_token: Secret, center: DataCenter) -> AccessToken | None:
    """The registry's access token, if it is live and of this refresh token."""
    known = next((channel for channel in registry.list() if channel.id == channel_id), None)
    if known is None or known.status == "reconnect_needed" or known.data_center != center.name:
        return None
    if registry.vault.fingerprint(channel_id) != fingerprint(refresh_token):
        return None
    token = registry.vault.access_token(channel_id)
    usable = token is not None and is_live(token, registry.database.now()) and token.api_domain in center.api_origins
    return token if usable else None

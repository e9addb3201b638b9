"""The browser's consent: from the authorisation URL to a registered channel.

`authorize` and `finish` are the two halves of a consent. They know no terminal, so a web service can call them from
its own routes. `connect` runs both on this machine, with a browser and a callback on loopback.
"""

import webbrowser
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from zoho_pipeline.channels.consent.binding import check_browser, check_tenant
from zoho_pipeline.channels.consent.callback_server import CallbackServer
from zoho_pipeline.channels.consent.register import check_new_id, data_centers, exchange, register_grant
from zoho_pipeline.channels.consent.signed_state import LIFE_SECONDS, ConsentRequest, read_state, write_state
from zoho_pipeline.channels.errors import ConnectError, ConsentDenied, StateUsed
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.settings.setting_files import check_timezone
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES
from zoho_pipeline.zoho.errors import scrub

CALLBACK_PORT = 8414
"""A fixed port, because exactly this redirect URI must be registered at Zoho: http://localhost:8414/callback."""

FIRST_DATA_CENTER = "us"
"""Where a consent begins by default. Zoho sends the browser on to the user's own centre, except to China's."""


@dataclass(frozen=True)
class Authorization:
    """A consent that can begin: send the browser to `url` before `expires_at`. The callback carries `state`."""

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
    again: bool = False,
    session: str | None = None,
) -> Authorization:
    """The first half of a consent: where to send the browser.

    Args:
        redirect_uri: where Zoho sends the browser back. Exactly this URI must be registered in Zoho's API console.
        data_center: where the consent begins; None is the channel's own centre if it is known, else the US one.
        again: a new channel may have the org of another channel.
        session: the id of the session that waits for this consent, if it began over HTTP.

    Raises:
        UnknownDataCenter, SettingsError, InvalidSetting, IdConflict: nothing was sent.
    """
    check_new_id(registry, channel_id)
    known = next((channel for channel in registry.list() if channel.id == channel_id), None)
    center = data_centers(registry).get(data_center or (known.data_center if known else FIRST_DATA_CENTER))
    client_id, _ = registry.settings.require_client(center.name)
    expires_at = int(registry.database.now().timestamp()) + life_seconds
    zone = check_timezone(timezone) if timezone else None
    request = ConsentRequest(channel_id, center.name, redirect_uri, scopes, expires_at, tenant, zone, again, session)
    state = write_state(registry.encryptor, request)
    url = oauth.authorization_url(center, client_id, redirect_uri, scopes, state)
    return Authorization(url, state, redirect_uri, datetime.fromtimestamp(expires_at, UTC))


def finish(registry: Registry, params: Mapping[str, str], *, binding: str | None = None) -> Channel:
    """The second half of a consent: exchange the callback's code, verify the grant, register the channel.

    The code goes to the accounts server that the callback names, if the table of data centres has it. So the user's
    own centre wins over the one where the consent began.

    Args:
        params: the callback's query: `code`, `state`, `location`, `accounts-server`, or `error`.
        binding: the secret that the browser got when the session of this consent began in it.

    Raises:
        StateForged, StateExpired, BrowserMismatch, StateUsed, ConsentDenied: see `channels.errors`.
        OtherTenant, OtherOrg, OrgTaken, IdConflict: see `channels.errors`. The token of this consent was revoked.
        CodeRejected, RefreshTokenMissing, ClientRejected, UnknownDataCenter, ForeignApiDomain: see `zoho.errors`.
    """
    if params.get("error") and not params.get("state"):
        raise _denied(params, "")
    request = read_state(registry.encryptor, params.get("state", ""), registry.database.now().timestamp())
    if not registry.nonce_is_used(request.nonce):
        # before the nonce is used up: a stranger who opens the callback must not end the consent of its owner
        check_browser(registry, request, binding)
    if not registry.claim_nonce(request.nonce):
        raise StateUsed(
            f"this consent for channel {request.channel_id} was used before, and a code works only once. If the "
            f"channel is not connected, start again with: zoho-pipeline connect {request.channel_id}"
        )
    if params.get("error"):
        raise _denied(params, f" {request.channel_id}")
    if not params.get("code"):
        raise ConnectError(f"the callback has no code. Start again with: zoho-pipeline connect {request.channel_id}")
    check_tenant(registry, request)
    center = _center_of(registry, params, request.data_center)
    grant = exchange(registry, center, Secret(params["code"]), request.redirect_uri)
    return register_grant(
        registry,
        request.channel_id,
        center,
        grant,
        request.scopes,
        tenant=request.tenant,
        timezone=request.timezone,
        again=request.again,
        exact_tenant=request.session is not None,
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
    again: bool = False,
    announce: Callable[[str], None] = print,
    open_browser: Callable[[str], object] = webbrowser.open,
) -> Channel:
    """The whole consent on this machine: open the browser, wait for the callback, register the channel.

    Args:
        port: of the callback on loopback; 0 takes any free one (Zoho needs the redirect URI registered).
        timeout: how many seconds to wait for the person.
        again: a new channel may have the org of another channel.
        announce: is called with the authorisation URL, for a machine without a browser.

    Raises:
        NoCallback: the port is in use, or no callback came in time.
        Everything that `authorize` and `finish` raise.
    """
    server = CallbackServer(
        port,
        finish=lambda params: finish(registry, params),
        done=lambda channel: f"Channel {channel.id} is connected to {channel.org_name or channel.user_name}.",
    )
    with server.listening():
        started = authorize(
            registry,
            channel_id,
            redirect_uri=server.redirect_uri,
            data_center=data_center,
            scopes=scopes,
            tenant=tenant,
            timezone=timezone,
            again=again,
        )
        server.expect(started.state)
        announce(started.url)
        with suppress(webbrowser.Error):
            open_browser(started.url)
        return server.result(timeout)


def _center_of(registry: Registry, params: Mapping[str, str], first: str) -> DataCenter:
    """The centre of the callback's accounts server. The location counts only if no server is named: a centre of the
    settings has no location of its own."""
    server, location = params.get("accounts-server"), params.get("location")
    centers = data_centers(registry)
    return centers.by_accounts_server(server) if server else centers.get(location or first)


def _denied(params: Mapping[str, str], channel: str) -> ConsentDenied:
    reason = scrub(params["error"])[:100]
    cure = (
        "The person refused, or the consent was requested more than ten times in ten minutes. Start again later."
        if reason == "access_denied"
        else "Check the app in Zoho's API console, then start again."
    )
    return ConsentDenied(f"Zoho did not connect channel{channel}: {reason}. {cure}")

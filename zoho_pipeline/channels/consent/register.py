"""Registration: verify a grant or a refresh token, and store the channel."""

import logging
from contextlib import suppress

from zoho_pipeline.channels.access.token_request import end_by_clock, in_environment, is_live
from zoho_pipeline.channels.access.token_source import PendingTokenSource
from zoho_pipeline.channels.access.verify import inspect
from zoho_pipeline.channels.database.locks import LockTimeout, exclusive
from zoho_pipeline.channels.errors import ConnectError, RegistryError
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.encryption import fingerprint
from zoho_pipeline.channels.registry.identity import check_free_id, check_id
from zoho_pipeline.channels.registry.model import RECONNECT_NEEDED, Channel, OrgConnection
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.settings.setting_files import check_timezone
from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken, Grant
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import WHILE_A_PERSON_WAITS
from zoho_pipeline.zoho.errors import TokenThrottled, ZohoError

log = logging.getLogger(__name__)

REGISTRATION_WAIT_SECONDS = 60.0


def data_centers(registry: Registry) -> DataCenters:
    """The built-in data centres and those of the settings."""
    return DataCenters.with_added(registry.settings.data_centers)


def check_new_id(registry: Registry, channel_id: str) -> None:
    """Refuse an id that cannot be used, or that is another channel's except for case, before anything is sent to Zoho.

    `Registry.add` checks it again, in the transaction that stores the channel.
    """
    check_id(channel_id)
    check_free_id(channel_id, (channel.id for channel in registry.list()))


def register_from_grant_code(
    registry: Registry,
    channel_id: str,
    code: Secret,
    *,
    data_center: str,
    tenant: str | None = None,
    timezone: str | None = None,
    again: bool = False,
) -> Channel:
    """Register a channel from a self client's code, made in Zoho's API console. It has no redirect URI."""
    check_new_id(registry, channel_id)
    zone = check_timezone(timezone) if timezone else None
    center = data_centers(registry).get(data_center)
    grant = exchange(registry, center, code, None)
    return register_grant(registry, channel_id, center, grant, None, tenant=tenant, timezone=zone, again=again)


def register_from_refresh_token(
    registry: Registry,
    channel_id: str,
    refresh_token: Secret,
    *,
    data_center: str,
    tenant: str | None = None,
    timezone: str | None = None,
    again: bool = False,
) -> Channel:
    """Register a channel from an existing refresh token, or connect a known channel again with it.

    If the registry has a live access token of this refresh token, that one is used first.

    Args:
        again: a new channel may have the org of another channel.

    Raises:
        RefreshTokenRevoked, ClientRejected, TokenThrottled, OtherOrg, OrgTaken, IdConflict, …: nothing was registered
            or changed.
    """
    check_new_id(registry, channel_id)
    zone = check_timezone(timezone) if timezone else None
    center = data_centers(registry).get(data_center)
    stored = _live_token(registry, channel_id, refresh_token, center)
    source = PendingTokenSource(registry, center, refresh_token, stored)
    return _register(
        registry, channel_id, center, refresh_token, source, None, tenant=tenant, timezone=zone, again=again
    )


def exchange(registry: Registry, center: DataCenter, code: Secret, redirect_uri: str | None) -> Grant:
    """Exchange a grant code for a grant, with the settings' client and environment."""
    client_id, secret = registry.settings.require_client(center.name)
    started = registry.database.now()
    with oauth.new_http() as http:
        grant = oauth.exchange_code(http, center, client_id, secret, code, redirect_uri)
    access = end_by_clock(grant.access, started)
    return Grant(grant.refresh_token, in_environment(access, center, registry.settings.environment))


def register_grant(
    registry: Registry,
    channel_id: str,
    center: DataCenter,
    grant: Grant,
    scopes: tuple[str, ...] | None,
    *,
    tenant: str | None,
    timezone: str | None,
    again: bool = False,
    exact_tenant: bool = False,
) -> Channel:
    """Register a channel from a grant. If it is refused, the new token is revoked, because nobody will ever use it.

    Args:
        scopes: those of the consent, for the case that Zoho does not name the granted ones.
        again: a new channel may have the org of another channel.
        exact_tenant: a known channel must have exactly this tenant.

    Raises:
        OtherTenant, OtherOrg: the channel belongs to another tenant or org. The channel was not changed.
        OrgTaken, IdConflict, RowsRemain: the org or the id is not free. Nothing was stored.
    """
    # the exchange gave an access token too, and Zoho counts it among the ten
    with suppress(TokenThrottled):
        registry.token_budget.spend(fingerprint(grant.refresh_token))
    source = PendingTokenSource(registry, center, grant.refresh_token, grant.access)
    try:
        return _register(
            registry,
            channel_id,
            center,
            grant.refresh_token,
            source,
            scopes,
            tenant=tenant,
            timezone=timezone,
            again=again,
            exact_tenant=exact_tenant,
        )
    except Exception:
        _revoke_unused(registry, channel_id, center, grant, tenant)
        raise


def _revoke_unused(registry: Registry, channel_id: str, center: DataCenter, grant: Grant, tenant: str | None) -> None:
    """Revoke a token that no channel has. A revocation that fails is audited: a person must then revoke it at Zoho."""
    try:
        if registry.token_store.channels_with(fingerprint(grant.refresh_token)):
            return
        with oauth.new_http() as http:
            oauth.revoke(http, center, grant.refresh_token)
    except (ZohoError, RegistryError) as error:
        log.warning("the unused token of a consent for channel %s was not revoked: %s", channel_id, error)
        with suppress(RegistryError):
            Audit(registry.database).record(
                "consent",
                "consent.revocation_failed",
                tenant=tenant,
                channel_id=channel_id,
                detail=f"{type(error).__name__} at {center.accounts_server}",
            )


def _register(
    registry: Registry,
    channel_id: str,
    center: DataCenter,
    refresh_token: Secret,
    source: PendingTokenSource,
    scopes: tuple[str, ...] | None,
    *,
    tenant: str | None,
    timezone: str | None,
    again: bool,
    exact_tenant: bool = False,
) -> Channel:
    """Verify the token, then store everything in one transaction. One id has one registration at a time."""
    try:
        with exclusive(registry.database, f"register {channel_id}", REGISTRATION_WAIT_SECONDS) as lock:
            found, spent = _inspect(center, source, scopes)
            lock.ensure_held()
            channel = registry.add(
                channel_id,
                refresh_token,
                found,
                access=source.token,
                tenant=tenant,
                timezone=timezone,
                again=again,
                exact_tenant=exact_tenant,
            )
            registry.add_credits(channel_id, spent)
    except LockTimeout:
        raise ConnectError(f"another process is registering channel {channel_id}. Try again.") from None
    return registry.get(channel.id)


def _inspect(
    center: DataCenter, source: PendingTokenSource, scopes: tuple[str, ...] | None
) -> tuple[OrgConnection, int]:
    access = source.current()
    with ZohoClient(access.api_domain, source, pacing=WHILE_A_PERSON_WAITS) as client:
        found = inspect(client, center, access.scopes or scopes)
        return found, client.meter.credits


def _live_token(registry: Registry, channel_id: str, refresh_token: Secret, center: DataCenter) -> AccessToken | None:
    """The registry's access token, if it lives and belongs to this refresh token."""
    known = next((channel for channel in registry.list() if channel.id == channel_id), None)
    if known is None or known.status == RECONNECT_NEEDED or known.data_center != center.name:
        return None
    if registry.token_store.fingerprint(channel_id) != fingerprint(refresh_token):
        return None
    token = registry.token_store.access_token(channel_id)
    usable = token is not None and is_live(token, registry.database.now()) and token.api_domain in center.api_origins
    return token if usable else None

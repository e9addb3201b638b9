"""Verification: which user and org a token belongs to, and whether it still works."""

from zoneinfo import ZoneInfo

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.registry.model import Channel, OrgConnection
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.zoho.accounts import scopes as zoho_scopes
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.errors import NoPermission, NotSupported, ReconnectNeeded, ScopeMissing
from zoho_pipeline.zoho.read import org as zoho_org
from zoho_pipeline.zoho.read import users


def inspect(client: ZohoClient, data_center: DataCenter, scopes: tuple[str, ...] | None) -> OrgConnection:
    """The user of a client and, where scopes and profile allow, the org. It makes two calls.

    The time zone is the org's, or the user's where the org is hidden; the currency is unknown then.

    Raises:
        ZohoError: the user cannot be read. Every connection needs that.
    """
    user = users.current(client)
    org, missing = _org(client, scopes)
    return OrgConnection(
        data_center=data_center.name,
        accounts_server=data_center.accounts_server,
        api_domain=client.api_domain,
        timezone=_zone(org.time_zone if org else None, user.get("time_zone")),
        scopes=scopes,
        org_id=org.id if org else None,
        org_name=org.name if org else None,
        edition=org.paid_type if org else None,
        users_licensed=org.users_licensed if org else None,
        currency=org.currency if org else None,
        user_id=user["id"],
        user_name=str(user.get("full_name") or user.get("email") or user["id"]),
        is_admin=users.is_admin(user),
        missing_scopes=missing,
    )


def verify(registry: Registry, channel_id: str, *, pacing: Pacing | None = None) -> Channel:
    """Check at Zoho whether a channel's connection works, and store the answer.

    The scopes that earlier calls found missing are forgotten; later calls find them again if they are still missing.

    Args:
        pacing: tries, waits and deadlines; None is the product's.

    Raises:
        ReconnectNeeded: the connection does not work. The channel's status says so.
        OtherOrg: the token belongs to another org than the channel's. Nothing was changed.
    """
    channel = registry.get(channel_id)
    center = DataCenters.with_added(registry.settings.data_centers).get(channel.data_center)
    registry.clear_missing_scopes(channel_id)
    try:
        with open_client(registry.settings, registry, channel_id, pacing=pacing) as client:
            found = inspect(client, center, _granted(registry, channel))
            spent = client.meter.credits
    except ReconnectNeeded as error:
        registry.set_reconnect_needed(channel_id, str(error))
        raise
    registry.add_credits(channel_id, spent)
    return registry.refresh_connection(channel_id, found)


def _granted(registry: Registry, channel: Channel) -> tuple[str, ...] | None:
    token = registry.token_store.access_token(channel.id)
    return (token.scopes if token else None) or channel.scopes


def _org(client: ZohoClient, scopes: tuple[str, ...] | None) -> tuple[zoho_org.Org | None, tuple[str, ...]]:
    """The org, or None and the scopes that are missing."""
    if not zoho_scopes.allows(scopes, "org"):
        return None, ()
    try:
        return zoho_org.get(client), ()
    except ScopeMissing as error:
        return None, error.scopes or zoho_scopes.requires("org")
    except (NoPermission, NotSupported):
        return None, ()


def _zone(*names: object) -> str:
    """The first name that is an IANA time zone; UTC if none is."""
    for name in names:
        if isinstance(name, str) and name:
            try:
                return ZoneInfo(name).key
            except (KeyError, ValueError, OSError):  # unknown, a path, a folder
                continue
    return "UTC"

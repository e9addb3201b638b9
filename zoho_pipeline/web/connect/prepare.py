"""How a consent is prepared: what is asked for, for which channel and tenant, and where the browser begins it."""

import logging
from dataclasses import dataclass
from typing import Any

from zoho_pipeline.channels.consent.connect import Authorization, authorize
from zoho_pipeline.channels.errors import IdConflict, InvalidSetting, TooManyConsents
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.connect_sessions import ConnectSession, ConnectSessions
from zoho_pipeline.channels.platform.purges import Purges
from zoho_pipeline.channels.platform.tenants import Tenants
from zoho_pipeline.channels.registry.channel_rows import find_channel
from zoho_pipeline.channels.registry.identity import check_id
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.settings.setting_files import check_timezone
from zoho_pipeline.settings import SettingsError
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import visible_channel
from zoho_pipeline.web.http.problems import Problem, not_found
from zoho_pipeline.web.http.rate_limits import too_many
from zoho_pipeline.web.services import WebServices
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES, NOTIFICATION_SCOPES, WRITE_BACK_SCOPES, all_covered
from zoho_pipeline.zoho.errors import UnknownDataCenter

FIRST_REGION = "in"
REGIONS = {"com": "us", "com.au": "au", "co.in": "in", "com.cn": "cn"}
"""Names of regions by the ending of Zoho's hosts → the data centre. Data centres' own names are accepted too."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A consent that can begin. `region` is what was asked for, `data_center` is what it means."""

    session: ConnectSession
    authorization: Authorization
    region: str
    data_center: str
    scopes: tuple[str, ...]

    @property
    def start_path(self) -> str:
        """Where the browser begins, below the public URL. It works once."""
        return f"/zohoCrm/start?session={self.session.id}"


def prepare(
    found: WebServices,
    principal: Principal,
    channel_id: str,
    *,
    region: str | None = None,
    timezone: str | None = None,
    push: bool = False,
    write_back: bool = False,
) -> Prepared:
    """Prepare a consent of a new channel in the caller's tenant, or of one that the caller sees.

    Args:
        region: a data centre or the ending of Zoho's host; None is the channel's own, or India.
        timezone: an IANA name; it replaces the org's.
        push, write_back: ask for these scopes too.

    Raises:
        Problem: `not_found`, `tenant_required`, `conflict`, `invalid`, `rate_limited` or `unavailable`.
    """
    known = _known(found, principal, channel_id)
    tenant = known.tenant if known else principal.tenant
    asked = (region or (known.data_center if known else FIRST_REGION)).strip().lower()
    scopes = _scopes(known, push=push, write_back=write_back)
    session_id, data_center = ConnectSessions.new_id(), REGIONS.get(asked, asked)
    if region:
        _check_region(found, data_center)
    wanted = {"data_center": data_center, "scopes": list(scopes), "timezone": timezone}
    ready = authorization(found, channel_id, tenant, session_id, wanted)
    try:
        session = ConnectSessions(found.registry.database).begin(
            session_id,
            tenant=tenant,
            channel_id=channel_id,
            principal=principal.id,
            origin=principal.origin or _only_origin(found, tenant),
            request=wanted,
            life_seconds=found.service.connect_seconds,
        )
    except TooManyConsents as error:
        raise too_many(error.retry_after) from None
    audit = Audit(found.registry.database)
    audit.record(principal.id, "consent.prepared", tenant=tenant, channel_id=channel_id)
    return Prepared(session, ready, asked, data_center, scopes)


def _known(found: WebServices, principal: Principal, channel_id: str) -> Channel | None:
    """The channel, or None for an id that is free."""
    with found.registry.database.read() as transaction:
        known = find_channel(found.registry.database, transaction, channel_id, damaged_too=True)
    if known is not None:
        return visible_channel(found, principal, channel_id)
    if principal.channels is not None:  # a session token reaches the channels that it names, and no new one
        raise not_found()
    if principal.tenant is None:
        raise Problem("tenant_required", "A new channel needs a tenant. Name it in the parameter `tenant`.")
    try:
        check_id(channel_id)
    except InvalidSetting as error:
        raise _invalid("channel_id", str(error)) from None
    if channel_id in Purges(found.registry.database).waiting():
        raise Problem("conflict", "The rows of a removed channel with this id are not deleted yet. Try again later.")
    return None


def authorization(
    found: WebServices, channel_id: str, tenant: str | None, session_id: str, wanted: dict[str, Any]
) -> Authorization:
    """Zoho's page for a session. Problem: `conflict`, `invalid` (the time zone) or `unavailable`."""
    zone = wanted["timezone"]
    try:
        return authorize(
            found.registry,
            channel_id,
            redirect_uri=found.service.redirect_uri,
            data_center=wanted["data_center"],
            scopes=tuple(wanted["scopes"]),
            tenant=tenant,
            timezone=check_timezone(zone) if zone else None,
            life_seconds=found.service.connect_seconds,
            session=session_id,
        )
    except IdConflict:
        raise Problem("conflict", "Another channel has this id, in other case. Choose another id.") from None
    except (UnknownDataCenter, SettingsError) as error:  # the region of a known channel left the settings
        log.error("no consent can begin: %s", error)
        raise Problem("unavailable", "This service has no client at Zoho for this region. Its log says why.") from None
    except InvalidSetting:
        raise _invalid("timezone", "It is no IANA name of a time zone, such as Asia/Kolkata.") from None


def _check_region(found: WebServices, data_center: str) -> None:
    try:
        DataCenters.with_added(found.settings.data_centers).get(data_center)
    except UnknownDataCenter:
        raise _invalid("region", "It is no region of Zoho, such as in, us, eu or com.au.") from None


def _scopes(known: Channel | None, *, push: bool, write_back: bool) -> tuple[str, ...]:
    """The scopes to ask for. A new consent replaces the old one, so it keeps the extra scopes that the channel had."""
    scopes = list(DEFAULT_SCOPES)
    for extra, is_asked in ((NOTIFICATION_SCOPES, push), (WRITE_BACK_SCOPES, write_back)):
        had = known is not None and known.scopes is not None and all_covered(known.scopes, extra)
        scopes += extra if is_asked or had else ()
    return tuple(scopes)


def _only_origin(found: WebServices, tenant: str | None) -> str | None:
    """A tenant with one page has one origin that a message can be for."""
    origins = Tenants(found.registry.database).origins(tenant) if tenant else ()
    return origins[0] if len(origins) == 1 else None


def _invalid(field: str, message: str) -> Problem:
    errors = [{"field": field, "message": message}]
    return Problem("invalid", "A value of the request is wrong; see errors.", errors=errors)

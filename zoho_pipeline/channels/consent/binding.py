"""What binds a consent that began over HTTP: the browser in which it began, and the tenant that began it."""

import hashlib
import hmac

from zoho_pipeline.channels.consent.signed_state import ConsentRequest
from zoho_pipeline.channels.errors import BrowserMismatch, StateForged, UnknownChannel
from zoho_pipeline.channels.platform.connect_sessions import ConnectSessions
from zoho_pipeline.channels.registry.identity import check_same_tenant
from zoho_pipeline.channels.registry.registry import Registry


def binding_hash(binding: str) -> str:
    """What is stored of the secret that the browser holds."""
    return hashlib.sha256(binding.encode()).hexdigest()


def check_browser(registry: Registry, request: ConsentRequest, binding: str | None) -> None:
    """Do nothing if the consent comes back in the browser in which its session began.

    A session that never began in a browser (the platform opened Zoho's page itself) has no binding to check.

    Raises:
        BrowserMismatch: it comes back in another browser. Nothing was exchanged or used up.
        StateForged: the session is unknown, or the state is that of another channel or tenant.
    """
    if request.session is None:
        return
    session = ConnectSessions(registry.database).get(request.session)
    if session is None or (session.channel_id, session.tenant) != (request.channel_id, request.tenant):
        raise StateForged("this consent belongs to no session. Nothing was exchanged.")
    if session.binding_hash is None:
        return
    if not hmac.compare_digest(binding_hash(binding or ""), session.binding_hash):
        raise BrowserMismatch("this consent began in another browser. Nothing was exchanged.")


def check_tenant(registry: Registry, request: ConsentRequest) -> None:
    """Do nothing if the channel is free, or belongs to the tenant of the consent. `Registry.add` checks it again.

    Raises:
        OtherTenant: the channel belongs to another tenant. Nothing was exchanged.
    """
    try:
        known = registry.get(request.channel_id)
    except UnknownChannel:
        return
    check_same_tenant(known, request.tenant, exact=request.session is not None)

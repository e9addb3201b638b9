"""Dependencies of the routes: the caller with a scope, and a channel that the caller may see."""

from collections.abc import Callable

from fastapi import Request

from zoho_pipeline.channels.errors import UnknownChannel
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.web.auth.api_keys import TENANT_HEADER, principal_of_key
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.http.problems import Problem, not_found
from zoho_pipeline.web.services import WebServices, services


def require(*scopes: str) -> Callable[[Request], Principal]:
    """A dependency: the caller, who must have each of these scopes.

    Raises:
        Problem: `unauthenticated`, `tenant_required`, or `forbidden`, which names the missing scope.
    """

    def caller(request: Request) -> Principal:
        principal = authenticate(request)
        for scope in scopes:
            if scope not in principal.scopes:
                raise Problem("forbidden", f"This needs the scope `{scope}`.")
        return principal

    return caller


def authenticate(request: Request) -> Principal:
    """The caller of a request, whatever the proof. Problem `unauthenticated`: there is none, or it is not good."""
    kind, _, presented = request.headers.get("Authorization", "").partition(" ")
    presented = presented.strip()
    if kind.lower() != "bearer" or not presented:
        raise Problem("unauthenticated", "Send `Authorization: Bearer` with an API key or a session token.")
    if presented.startswith("zpk_"):
        return principal_of_key(services(request).registry, presented, request.headers.get(TENANT_HEADER))
    raise Problem("unauthenticated", "The token is unknown.")


def visible_channel(found: WebServices, principal: Principal, channel_id: str) -> Channel:
    """The channel, if the caller may see it.

    Raises:
        Problem: `not_found`; the same for a channel that does not exist and for one of another tenant.
    """
    try:
        channel = found.registry.get(channel_id)
    except UnknownChannel:
        raise not_found() from None
    if not principal.sees(channel):
        raise not_found()
    return channel

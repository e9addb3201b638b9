"""Dependencies of the routes: the caller with a scope, and a channel that the caller may see."""

import logging
from collections.abc import Callable
from typing import Annotated

from fastapi import Path, Request
from sqlalchemy import Connection

from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.platform.tenants import check_tenant
from zoho_pipeline.channels.registry.channel_rows import find_channel
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.web.auth.api_keys import TENANT_HEADER, principal_of_key
from zoho_pipeline.web.auth.browser_tokens import principal_of_embed_token, principal_of_session
from zoho_pipeline.web.auth.operator import COOKIE, operator_of
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.http.idempotency import claim_key
from zoho_pipeline.web.http.problems import Problem, not_found
from zoho_pipeline.web.http.rate_limits import limits_of
from zoho_pipeline.web.services import WebServices, services

DAMAGED = (
    "What this service knows of the connection is damaged. Its numbers can still be read. Whoever runs it must remove "
    "the channel and connect it again."
)
log = logging.getLogger(__name__)

ChannelId = Annotated[str, Path(alias="id", description="The id of a channel.")]


def require(*scopes: str) -> Callable[[Request], Principal]:
    """A dependency: the caller, who must have each of these scopes.

    A POST or PATCH with `Idempotency-Key` that was answered before gets its first answer, and the route is not called.

    Raises:
        Problem: `unauthenticated`, `tenant_required`, or `forbidden`, which names the missing scope.
    """

    def caller(request: Request) -> Principal:
        principal = authenticate(request)
        check_scopes(principal, scopes)
        claim_key(request, services(request).replays, _replay_name(principal))
        return principal

    return caller


def require_operator(request: Request) -> Principal:
    """A dependency: the operator, by the cookie. See `operator.operator_of`."""
    return _counted(request, operator_of(request))


def check_scopes(principal: Principal, scopes: tuple[str, ...]) -> None:
    """Problem `forbidden`: the caller lacks one of the scopes; it is named."""
    for scope in scopes:
        if scope not in principal.scopes:
            raise Problem("forbidden", f"This needs the scope `{scope}`.")


def authenticate(request: Request, *, tenant: str | None = None) -> Principal:
    """The caller of a request, whatever the proof: an API key, a session token, or the operator's cookie.

    Args:
        tenant: the tenant of a key of several tenants, where the request names it in another way than by the header.

    Raises:
        Problem: `unauthenticated`: there is no proof, or it is not good. `rate_limited`.
    """
    known: Principal | None = request.scope["state"].get("caller")
    return known or _counted(request, _proved(request, tenant))


def principal_of_embed(request: Request, token: str) -> Principal:
    """The viewer of a page in a frame, by the token of its link. Problem `unauthenticated`, `rate_limited`."""
    return _counted(request, principal_of_embed_token(services(request), token))


def visible_channel(found: WebServices, principal: Principal, channel_id: str, *, damaged_too: bool = False) -> Channel:
    """The channel, if the caller may see it.

    Args:
        damaged_too: also one whose row is damaged: its published numbers can be shown, and it can be removed.

    Raises:
        Problem: `not_found`; the same for a channel that does not exist and for one of another tenant. `unavailable`:
            its row is damaged.
    """
    with found.reading.read() as transaction:
        return visible_in(found, transaction, principal, channel_id, damaged_too=damaged_too)


def visible_in(
    found: WebServices, transaction: Connection, principal: Principal, channel_id: str, *, damaged_too: bool = False
) -> Channel:
    """`visible_channel` inside an open transaction."""
    channel = find_channel(found.reading, transaction, channel_id, damaged_too=True)
    if channel is None or not principal.sees(channel):
        raise not_found()
    if channel.is_damaged and not damaged_too:
        log.error("%s", channel.status_detail)
        raise Problem("unavailable", DAMAGED)
    return channel


def _proved(request: Request, tenant: str | None) -> Principal:
    found = services(request)
    named = _tenant(request, tenant)
    kind, _, presented = request.headers.get("Authorization", "").partition(" ")
    presented = presented.strip()
    if not request.headers.get("Authorization") and COOKIE in request.cookies:
        return operator_of(request)
    if kind.lower() != "bearer" or not presented:
        raise Problem("unauthenticated", "Send `Authorization: Bearer` with an API key or a session token.")
    if presented.startswith("zpk_"):
        return principal_of_key(found.keys, presented, named)
    principal = principal_of_session(found, presented)
    if named is not None and named != principal.tenant:
        raise Problem("forbidden", "The session token belongs to another tenant.")
    return principal


def _tenant(request: Request, given: str | None) -> str | None:
    """The tenant that the request names. HTTP headers are bytes; a name is UTF-8 in them."""
    header = request.headers.get(TENANT_HEADER)
    if header is not None:
        try:
            header = header.encode("latin-1").decode()
        except UnicodeDecodeError:
            raise Problem("bad_request", f"{TENANT_HEADER} is not UTF-8.") from None
    if header is not None and given is not None and header != given:
        raise Problem("bad_request", f"{TENANT_HEADER} and the parameter `tenant` name two tenants.")
    named = header if given is None else given
    try:
        return None if named is None else check_tenant(named)
    except InvalidSetting:
        raise Problem("bad_request", "This cannot be the name of a tenant.") from None


def _counted(request: Request, principal: Principal) -> Principal:
    state = request.scope["state"]
    state["caller"], state["principal"] = principal, principal.id
    # with the tenant: what a key of several tenants does for one of them uses up nothing of the others
    limits_of(request).take(("caller", principal.id, principal.tenant))
    return principal


def _replay_name(principal: Principal) -> str:
    """Whose answers these are: callers with other channels must not get them."""
    channels = "*" if principal.channels is None else " ".join(sorted(principal.channels))
    return f"{principal.id}\n{principal.tenant}\n{channels}"

"""The routes of a consent: `connect` prepares it, `start` begins it in a browser, and a page asks how it ended.

Zoho sends the browser back to `callback.py`.
"""

import logging
import secrets
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from zoho_pipeline.channels.consent.binding import binding_hash
from zoho_pipeline.channels.consent.connect import Authorization, authorize
from zoho_pipeline.channels.errors import IdConflict, InvalidSetting, TooManyConsents, UnknownChannel
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.connect_sessions import ConnectSession, ConnectSessions
from zoho_pipeline.channels.platform.purges import Purges
from zoho_pipeline.channels.platform.tenants import Tenants
from zoho_pipeline.channels.registry.identity import check_id
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.settings.setting_files import check_timezone
from zoho_pipeline.settings import SettingsError
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import authenticate, check_scopes, require
from zoho_pipeline.web.connect import callback
from zoho_pipeline.web.connect.result_page import UNTIED, problem_page
from zoho_pipeline.web.connect.watcher import SessionWatcher
from zoho_pipeline.web.http.problems import Problem, not_found, problem_responses
from zoho_pipeline.web.http.rate_limits import count_address, limits_of, too_many
from zoho_pipeline.web.services import WebServices, services
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES, NOTIFICATION_SCOPES, WRITE_BACK_SCOPES, all_covered
from zoho_pipeline.zoho.errors import UnknownDataCenter

FIRST_REGION = "in"
REGIONS = {"com": "us", "com.au": "au", "co.in": "in", "com.cn": "cn"}
"""Names of regions by the ending of Zoho's hosts → the data centre. Data centres' own names are accepted too."""

MOST_STARTS = 5
"""How often one session may begin again in ten minutes."""

GONE = "This link was used, or has ended. Go back to the page where you began, and start again."

log = logging.getLogger(__name__)
router = APIRouter(tags=["connect"])
router.include_router(callback.router)


def connect_caller(request: Request, tenant: Annotated[str | None, Query(max_length=200)] = None) -> Principal:
    """The caller of `connect`, whose tenant may also be a parameter of the URL."""
    principal = authenticate(request, tenant=tenant)
    check_scopes(principal, ("connect",))
    return replace(principal, tenant=tenant) if principal.kind == "operator" else principal


class ConnectStart(BaseModel):
    """How a consent begins."""

    url: str | None = Field(description="Zoho's page. Null for a session token: its browser opens `start_url`.")
    start_url: str = Field(description="Open it in a popup, in the handler of the click. It works once.")
    state: str | None = Field(description="What Zoho sends back. Null for a session token.")
    session_id: str = Field(description="For `GET /v1/connect/{session_id}`.")
    region: str = Field(description="The region as it was asked for.")
    data_center: str = Field(description="The data centre where the consent begins.")
    redirect_uri: str = Field(description="It must be registered in Zoho's API console.")
    scopes: list[str] = Field(description="The scopes that Zoho will ask the person for.")
    expires_at: datetime = Field(description="Until when the consent can begin.")


class ConnectStatus(BaseModel):
    """Where a consent stands."""

    status: Literal["pending", "connected", "failed", "expired"] = Field(description="The state of the session.")
    code: str | None = Field(description="Why it failed.")
    channel_id: str = Field(description="The channel of the session.")


@router.get(
    "/zohoCrm/connect",
    responses=problem_responses(
        "tenant_required",
        "unauthenticated",
        "forbidden",
        "not_found",
        "conflict",
        "invalid",
        "rate_limited",
        "unavailable",
    ),
)
def connect(
    request: Request,
    principal: Annotated[Principal, Depends(connect_caller)],
    channel_id: Annotated[str, Query(description="The id of the channel. A new id becomes a new channel.")],
    region: Annotated[str | None, Query(max_length=50, description="`in`, `us`, `com`, `com.au` …")] = None,
    timezone: Annotated[str | None, Query(max_length=100, description="An IANA name; it replaces the org's.")] = None,
    push: Annotated[bool, Query(description="Ask for the scopes of notifications too.")] = False,
    write_back: Annotated[bool, Query(description="Ask for the scope that updates leads too.")] = False,
) -> ConnectStart:
    """Prepare a consent of a person at Zoho. The consent itself begins when the browser opens `start_url`."""
    found = services(request)
    known = _known(found, principal, channel_id)
    tenant = known.tenant if known else principal.tenant
    asked = (region or (known.data_center if known else FIRST_REGION)).strip().lower()
    scopes = _scopes(known, push=push, write_back=write_back)
    session_id = ConnectSessions.new_id()
    data_center = REGIONS.get(asked, asked)
    wanted = {"data_center": data_center, "scopes": list(scopes), "timezone": timezone}
    ready = _authorize(found, channel_id, tenant, session_id, wanted)
    origin = principal.origin or _only_origin(found, tenant)
    try:
        session = ConnectSessions(found.registry.database).begin(
            session_id,
            tenant=tenant,
            channel_id=channel_id,
            principal=principal.id,
            origin=origin,
            request=wanted,
            life_seconds=found.service.connect_seconds,
        )
    except TooManyConsents as error:
        raise too_many(error.retry_after) from None
    audit = Audit(found.registry.database)
    audit.record(principal.id, "consent.prepared", tenant=tenant, channel_id=channel_id)
    is_key = principal.kind == "key"
    return ConnectStart(
        url=ready.url if is_key else None,
        start_url=f"{found.service.public_url}/zohoCrm/start?session={session.id}",
        state=ready.state if is_key else None,
        session_id=session.id,
        region=asked,
        data_center=data_center,
        redirect_uri=ready.redirect_uri,
        scopes=list(scopes),
        expires_at=session.expires_at,
    )


@router.get(
    "/zohoCrm/start",
    status_code=302,
    response_class=RedirectResponse,
    responses=problem_responses("gone", "rate_limited", "unavailable"),
)
def start(request: Request, session: Annotated[str, Query(max_length=100)] = "") -> Response:
    """Begin the consent in this browser: a cookie binds it, and the browser goes on to Zoho. It works once."""
    try:
        return _begun(request, session)
    except Problem as problem:
        return problem_page(request, problem)


def _begun(request: Request, session: str) -> Response:
    found = services(request)
    count_address(request, "start")
    limits_of(request).take(("start", session), MOST_STARTS, 600.0)
    binding = secrets.token_urlsafe(32)
    name = callback.COOKIE + session
    before = request.cookies.get(name)
    sessions = ConnectSessions(found.registry.database)
    known = sessions.get(session)
    if known is None:
        raise Problem("gone", GONE)
    # before the link is used up: it stays good if no consent can begin now
    ready = _authorize(found, known.channel_id, known.tenant, known.id, known.request)
    begun = sessions.start(
        session,
        new_binding=binding_hash(binding),
        own_binding=binding_hash(before) if before else None,
        life_seconds=found.service.connect_seconds,
    )
    if begun is None:
        raise Problem("gone", GONE)
    answer = RedirectResponse(ready.url, 302, UNTIED)
    answer.set_cookie(
        name,
        binding,
        max_age=found.service.connect_seconds,
        path="/zohoCrm",
        secure=found.service.is_https,
        httponly=True,
        samesite="lax",
    )
    return answer


@router.get(
    "/v1/connect/{session_id}", responses=problem_responses("unauthenticated", "forbidden", "not_found", "rate_limited")
)
async def connect_status(
    request: Request,
    session_id: str,
    principal: Annotated[Principal, Depends(require())],
    wait: Annotated[int, Query(ge=0, le=25, description="Wait so many seconds for the end.")] = 0,
) -> ConnectStatus:
    """Where a consent stands. This is the truth; the message of the popup is only faster."""
    found = services(request)
    sessions = ConnectSessions(found.registry.database)

    def read() -> tuple[ConnectSession, datetime]:
        session = sessions.get(session_id)
        if session is None or not _may_see(principal, session):
            raise not_found()
        return session, found.clock()

    session, now = await run_in_threadpool(read)
    if wait and session.status_at(now) == "pending":
        left = (session.expires_at - now).total_seconds()
        await _watcher(request, found).wait(session_id, min(float(wait), left + 0.01))
        session, now = await run_in_threadpool(read)
    return ConnectStatus(status=session.status_at(now), code=session.code, channel_id=session.channel_id)


def _watcher(request: Request, found: WebServices) -> SessionWatcher:
    state = request.app.state
    if not hasattr(state, "session_watcher"):
        state.session_watcher = SessionWatcher(ConnectSessions(found.registry.database).ended, found.stamp)
    watcher: SessionWatcher = state.session_watcher
    return watcher


def _may_see(principal: Principal, session: ConnectSession) -> bool:
    """Whoever may connect the channel, and whoever began the session."""
    if principal.kind == "operator":
        return True
    mine = session.tenant is not None and session.tenant == principal.tenant
    inside = principal.channels is None or session.channel_id in principal.channels
    return mine and inside and ("connect" in principal.scopes or session.principal == principal.id)


def _known(found: WebServices, principal: Principal, channel_id: str) -> Channel | None:
    """The channel, or None for an id that is free."""
    try:
        channel = found.registry.get(channel_id)
    except UnknownChannel:
        channel = None
    if channel is not None:
        if not principal.sees(channel):
            raise not_found()
        return channel
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


def _authorize(
    found: WebServices, channel_id: str, tenant: str | None, session_id: str, wanted: dict[str, Any]
) -> Authorization:
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
    except UnknownDataCenter:
        raise _invalid("region", "It is no region of Zoho, such as in, us, eu or com.au.") from None
    except SettingsError as error:
        log.error("no consent can begin: %s", error)
        raise Problem("unavailable", "This service has no client at Zoho for this region. Its log says why.") from None
    except InvalidSetting:
        raise _invalid("timezone", "It is no IANA name of a time zone, such as Asia/Kolkata.") from None


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

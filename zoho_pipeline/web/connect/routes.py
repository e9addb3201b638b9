"""The routes of a consent: `connect` prepares it, `start` begins it in a browser, and a page asks how it ended.

Zoho sends the browser back to `callback.py`.
"""

import logging
import secrets
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from zoho_pipeline.channels.consent.binding import binding_hash
from zoho_pipeline.channels.platform.connect_sessions import ConnectSession, ConnectSessions
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import authenticate, check_scopes, require
from zoho_pipeline.web.connect import callback
from zoho_pipeline.web.connect.prepare import authorization, prepare
from zoho_pipeline.web.connect.result_page import UNTIED, problem_page
from zoho_pipeline.web.connect.watcher import SessionWatcher
from zoho_pipeline.web.http.problems import Problem, not_found, problem_responses
from zoho_pipeline.web.http.rate_limits import count_address, limits_of
from zoho_pipeline.web.services import WebServices, services

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
    ready = prepare(found, principal, channel_id, region=region, timezone=timezone, push=push, write_back=write_back)
    is_key = principal.kind == "key"
    return ConnectStart(
        url=ready.authorization.url if is_key else None,
        start_url=f"{found.service.public_url}{ready.start_path}",
        state=ready.authorization.state if is_key else None,
        session_id=ready.session.id,
        region=ready.region,
        data_center=ready.data_center,
        redirect_uri=ready.authorization.redirect_uri,
        scopes=list(ready.scopes),
        expires_at=ready.session.expires_at,
    )


@router.get(
    "/zohoCrm/start",
    status_code=302,
    response_class=RedirectResponse,
    responses=problem_responses("gone", "rate_limited", "unavailable"),
)
def start(request: Request, session: str = "") -> Response:
    """Begin the consent in this browser: a cookie binds it, and the browser goes on to Zoho. It works once."""
    try:
        return _begun(request, session)
    except Problem as problem:
        return problem_page(request, problem)


def _begun(request: Request, session: str) -> Response:
    found = services(request)
    count_address(request, "start")
    binding = secrets.token_urlsafe(32)
    name = callback.COOKIE + session
    before = request.cookies.get(name)
    sessions = ConnectSessions(found.registry.database)
    known = sessions.get(session)
    if known is None:
        raise Problem("gone", GONE)
    limits_of(request).take(("start", session), MOST_STARTS, 600.0)
    # before the link is used up: it stays good if no consent can begin now
    ready = authorization(found, known.channel_id, known.tenant, known.id, known.request)
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

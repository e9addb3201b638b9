"""The routes of the pages: the channel page in a frame and for the operator, the operator's list, and static files.

A form works without JavaScript: it is posted, and the answer leads back to the page, which says what happened.
"""

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from zoho_pipeline.web.api.answers import answered
from zoho_pipeline.web.api.channels import page_of_channels
from zoho_pipeline.web.auth.browser_tokens import session_of_embed
from zoho_pipeline.web.auth.operator import form_token
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import principal_of_embed, require_operator
from zoho_pipeline.web.connect.prepare import FIRST_REGION
from zoho_pipeline.web.http.headers import CSP
from zoho_pipeline.web.http.problems import Problem, not_found
from zoho_pipeline.web.pages.actions import ask_for_sync, connect, decide_writeback, pause, reconnect, resume
from zoho_pipeline.web.pages.channel_page import Viewer, channel_page
from zoho_pipeline.web.pages.error_page import PageRoute
from zoho_pipeline.web.pages.formats import short_moment
from zoho_pipeline.web.pages.renderer import render, static_files
from zoho_pipeline.web.pages.status_line import status_line
from zoho_pipeline.web.services import WebServices, services
from zoho_pipeline.writeback.wishes import Choice
from zoho_pipeline.zoho.accounts.data_centers import DataCenters

router = APIRouter(include_in_schema=False, route_class=PageRoute)

HTML = "text/html; charset=utf-8"
ROWS = 50

Operator = Annotated[Principal, Depends(require_operator)]
Token = Annotated[str, Query(max_length=8192)]
FormToken = Annotated[str, Form(max_length=8192)]
Note = Annotated[str, Query(max_length=20)]


@router.get("/")
def home() -> Response:
    """Who types the address of the server is most likely the operator; the list says how to log in."""
    return RedirectResponse("/ui", 303)


@router.get("/static/{name}")
def static(name: str) -> Response:
    """A file whose name changes with its content, so browsers keep it."""
    found = static_files().get(name)
    if found is None:
        raise not_found()
    return Response(found[0], media_type=found[1], headers={"Cache-Control": "public, max-age=31536000, immutable"})


@router.get("/embed/channels/{id}")
def embedded(request: Request, id: str, t: Token = "", note: Note = "") -> Response:
    """The page in a frame of the origin that the link names."""
    principal = principal_of_embed(request, t)

    def make(web: WebServices) -> bytes:
        path, bearer = f"/embed/channels/{quote(id, safe='')}", session_of_embed(web, t)
        link = f"{path}/reconnect?{urlencode({'t': t})}"
        return channel_page(
            web, request.app.state.page_numbers, id, Viewer(principal, "embed", path, ("t", t), note, bearer, link)
        )

    found = answered(request, principal, make, media_type=HTML)
    found.headers["Content-Security-Policy"] = CSP.format(ancestors=principal.origin or "'none'")
    return found


@router.get("/embed/channels/{id}/reconnect")
def embedded_reconnect(request: Request, id: str, t: Token = "") -> Response:
    """Reconnect of the page in a frame: it opens in a window of its own, where a consent begins."""
    principal = principal_of_embed(request, t)
    return RedirectResponse(reconnect(services(request), principal, id), 303)


@router.post("/embed/channels/{id}/syncs")
def embedded_sync(request: Request, id: str, t: FormToken = "") -> Response:
    """Sync Now of the page in a frame."""
    principal = principal_of_embed(request, t)
    return _back_to_frame(id, t, ask_for_sync(services(request), principal, id))


@router.post("/embed/channels/{id}/pause")
def embedded_pause(request: Request, id: str, t: FormToken = "") -> Response:
    """Pause of the page in a frame."""
    principal = principal_of_embed(request, t)
    return _back_to_frame(id, t, pause(services(request), principal, id))


@router.post("/embed/channels/{id}/resume")
def embedded_resume(request: Request, id: str, t: FormToken = "") -> Response:
    """Resume of the page in a frame."""
    principal = principal_of_embed(request, t)
    return _back_to_frame(id, t, resume(services(request), principal, id))


@router.get("/ui")
def channels(
    request: Request,
    principal: Operator,
    q: Annotated[str, Query(max_length=100)] = "",
    cursor: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """The operator's list of all channels."""

    def make(found: WebServices) -> bytes:
        states, known, following = page_of_channels(found, principal, ROWS, cursor, q.strip())
        lines = [
            (state, status_line(state, principal.scopes, can_reconnect=known.can_reconnect(state.id)))
            for state in states
        ]
        rows = [
            {
                "state": state,
                "tone": line.tone,
                "word": line.word,
                "last": short_moment(state.last_sync.complete_at, state.timezone),
            }
            for state, line in lines
        ]
        token = form_token(found, principal)
        return render("channels.html", rows=rows, search=q, cursor=cursor, next_cursor=following, form_token=token)

    return answered(request, principal, make, media_type=HTML, extra=principal.id)


@router.get("/ui/connect")
def connect_page(
    request: Request,
    principal: Operator,
    channel_id: Annotated[str, Query(max_length=100)] = "",
    tenant: Annotated[str, Query(max_length=200)] = "",
    region: Annotated[str, Query(max_length=50)] = "",
) -> Response:
    """A form that asks for a channel and its tenant. Then the page has a link that begins the consent.

    It is a link, because the Content-Security-Policy lets no form lead to another host.
    """
    found = services(request)
    start, wrong = "", ""
    if channel_id:
        try:
            start = connect(found, replace(principal, tenant=tenant.strip() or None), channel_id, region or None)
        except Problem as problem:
            wrong = " ".join(error["message"] for error in problem.errors) or problem.detail
    centers = list(DataCenters.with_added(found.settings.data_centers))
    # a centre of the settings is a Zoho of this installation, such as the simulator of the demo
    added = [center.name for center in centers if center.name in found.settings.data_centers]
    first = added[0] if added else FIRST_REGION
    given = {"channel_id": channel_id, "tenant": tenant, "region": region or first}
    given["regions"] = ", ".join(center.name for center in centers)
    page = render("connect.html", **given, start=start, wrong=wrong, redirect_uri=found.service.redirect_uri)
    return Response(page, 422 if wrong else 200, media_type=HTML)


@router.get("/ui/channels/{id}")
def channel(request: Request, id: str, principal: Operator, note: Note = "") -> Response:
    """The page of a channel for the operator."""

    def make(web: WebServices) -> bytes:
        path, proof = f"/ui/channels/{quote(id, safe='')}", ("form_token", form_token(web, principal))
        link = f"{path}/reconnect"
        return channel_page(
            web, request.app.state.page_numbers, id, Viewer(principal, "operator", path, proof, note, None, link)
        )

    return answered(request, principal, make, media_type=HTML, extra=principal.id)


@router.get("/ui/channels/{id}/reconnect")
def operator_reconnect(request: Request, id: str, principal: Operator) -> Response:
    """Reconnect of the operator's page."""
    return RedirectResponse(reconnect(services(request), principal, id), 303)


@router.post("/ui/channels/{id}/syncs")
def operator_sync(request: Request, id: str, principal: Operator) -> Response:
    """Sync Now of the operator's page."""
    return _back("/ui", id, {"note": ask_for_sync(services(request), principal, id)})


@router.post("/ui/channels/{id}/pause")
def operator_pause(request: Request, id: str, principal: Operator) -> Response:
    """Pause of the operator's page."""
    return _back("/ui", id, {"note": pause(services(request), principal, id)})


@router.post("/ui/channels/{id}/resume")
def operator_resume(request: Request, id: str, principal: Operator) -> Response:
    """Resume of the operator's page."""
    return _back("/ui", id, {"note": resume(services(request), principal, id)})


@router.post("/ui/channels/{id}/writebacks/{writeback_id}")
def operator_decision(
    request: Request,
    id: str,
    writeback_id: str,
    choice: Annotated[Choice, Form()],
    principal: Operator,
    question: Annotated[str | None, Form(max_length=64)] = None,
) -> Response:
    """Keep and force of the operator's page."""
    note = decide_writeback(services(request), principal, id, writeback_id, choice, question)
    return _back("/ui", id, {"note": note})


def _back_to_frame(channel_id: str, token: str, note: str) -> Response:
    return _back("/embed", channel_id, {"t": token, "note": note})


def _back(place: str, channel_id: str, query: dict[str, str]) -> Response:
    return RedirectResponse(f"{place}/channels/{quote(channel_id, safe='')}?{urlencode(query)}", 303)

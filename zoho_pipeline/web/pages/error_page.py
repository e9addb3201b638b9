"""Errors of pages: a browser gets a page, a program gets the problem as JSON."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.warehouse.connection import WarehouseError
from zoho_pipeline.web.auth.browser_tokens import origin_of_link
from zoho_pipeline.web.http.headers import CSP
from zoho_pipeline.web.http.problems import Problem
from zoho_pipeline.web.pages.renderer import render
from zoho_pipeline.web.services import services

FRAMED = "/embed/"
Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_WORDS = {
    "unauthenticated": ("This page has ended", "Load the page around it again, and it gets a new link."),
    "forbidden": ("Not allowed", "This link does not allow that."),
    "not_found": ("Nothing here", "There is no such page, or it is not yours."),
    "invalid": ("Nothing here", "The address of this page is not complete."),
    "rate_limited": ("Too many requests", "Please wait for a minute, then load the page again."),
    "unavailable": ("Not available now", "The data cannot be read now. Please load the page again in a minute."),
}
_OPERATOR = ("Please log in", "Open the link that this command prints: zoho-pipeline web login")
_NOT_OURS = (
    "Not allowed",
    "Load the page before this one again. If its address does not begin with {}, log in with the link that this "
    "command prints: zoho-pipeline web login",
)


class PageRoute(APIRoute):
    """A route whose errors are pages where the caller accepts HTML."""

    def get_route_handler(self) -> Handler:
        plain = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                return await plain(request)
            except (Problem, RequestValidationError, RegistryError, WarehouseError) as error:
                if "text/html" not in request.headers.get("Accept", ""):
                    raise
                page = _page(request, error)
                if request.url.path.startswith(FRAMED) and (origin := await run_in_threadpool(_framing, request)):
                    page.headers["Content-Security-Policy"] = CSP.format(ancestors=origin)
                return page

        return handler


def _framing(request: Request) -> str | None:
    """The origin around a page in a frame. Without it, the person would see the error page of the browser."""
    body: bytes = request.scope["state"].get("body", b"")
    link = request.query_params.get("t") or dict(parse_qsl(body.decode("latin-1"))).get("t", "")
    try:
        return origin_of_link(services(request), link)
    except RegistryError:
        return None  # the time is that of the registry


def _page(request: Request, error: Exception) -> Response:
    code, status, headers = "unavailable", 503, {"Retry-After": "10"}
    if isinstance(error, Problem):
        code, status, headers = error.code, error.status, error.headers
    elif isinstance(error, RequestValidationError):
        code, status, headers = "invalid", 422, {}
    heading, sentence = _WORDS.get(code, ("This did not work", "Please load the page again."))
    if code == "unauthenticated" and request.url.path.startswith("/ui"):
        heading, sentence = _OPERATOR
    if code == "forbidden" and request.url.path.startswith("/ui"):  # a form of another origin, or of another login
        heading, sentence = _NOT_OURS[0], _NOT_OURS[1].format(services(request).service.browser_origin)
    headers = {"Cache-Control": "no-store", **headers}
    return Response(render("error.html", heading=heading, sentence=sentence), status, headers, "text/html")

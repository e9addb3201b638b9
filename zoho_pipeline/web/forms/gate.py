"""The gate before the forms: key, origin and rates are judged before the body is read. It also speaks CORS.

A browser names its page in `Origin`; the key lists the pages that may post. No cookie and no other credential counts
here, so `Access-Control-Allow-Credentials` is never sent. A server shows an API key or a signature instead, and is
never judged by its address.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoho_pipeline.channels.forms.form_keys import OpenForm
from zoho_pipeline.forms.known_keys import KnownKeys
from zoho_pipeline.forms.suspect import Addresses
from zoho_pipeline.forms.writer import FormWriter
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.web.http.bodies import refuse
from zoho_pipeline.web.http.problems import Problem, not_found
from zoho_pipeline.web.http.rate_limits import RateLimits, counted_address
from zoho_pipeline.web.services import WebServices

log = logging.getLogger(__name__)

PATH = "/v1/forms/"
PER_ADDRESS, PER_KEY = 60, 600
"""Submissions in one minute."""

PREFLIGHT_SECONDS = 600
CLOSE = {"Connection": "close"}


class FormDesk:
    """What the gate and the route of one web process share: known keys, counted addresses, the thread that stores."""

    def __init__(self, found: WebServices) -> None:
        self.keys = KnownKeys(found.registry)
        self.addresses = Addresses()
        self.writer = FormWriter(found.registry.database.keeping_connections())


@dataclass(frozen=True)
class Knock:
    """A request at the gate. `address` is None where the sender proves who it is."""

    form_key: str
    origin: str | None
    is_browser: bool
    address: str | None


def desk_of(app: Any) -> FormDesk:
    """The desk of an app, made with the first submission."""
    found: FormDesk | None = getattr(app.state, "form_desk", None)
    if found is None:
        found = app.state.form_desk = FormDesk(app.state.services)
    return found


class FormGate:
    """Refuses a submission by an unknown key or from a foreign page, answers preflights, and adds CORS headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        form_key = scope["path"].removeprefix(PATH) if scope["type"] == "http" else ""
        if not form_key or form_key == scope["path"] or "/" in form_key or scope["method"] not in ("POST", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await self._open(scope, receive, send, form_key)
            return
        try:
            await self._open(scope, receive, send, form_key)
        finally:
            # a post without an answer: the visitor has gone, or the server failed
            state = scope["state"]
            result = state.get("form_result") or state.get("problem") or "no_answer"
            scope["app"].state.metrics.form_posts.labels(result).inc()

    async def _open(self, scope: Scope, receive: Receive, send: Send, form_key: str) -> None:
        knock = _knock(scope, form_key)
        form: OpenForm | None = None
        try:
            desk = await self._desk(scope["app"])
            limited = _limited(scope, knock)
            form = desk.keys.remembered(form_key)
            if form is None and limited is None:  # an unknown key costs a query
                form = await run_in_threadpool(desk.keys.look_up, form_key)
            allowed = form is not None and knock.origin in form.origins
            if limited is not None:
                raise limited
            _judge(scope, knock, form, allowed)
        except Problem as problem:
            refusal = Problem(problem.code, problem.detail, headers={**problem.headers, **CLOSE})
            await refuse(scope, receive, _with_cors(knock, form, send), refusal)
            return
        except PipelineError as error:
            log.error("a form cannot be used: %s", error)
            refusal = Problem("unavailable", "Try again.", headers={"Retry-After": "10", **CLOSE})
            await refuse(scope, receive, _with_cors(knock, form, send), refusal)
            return
        send = _with_cors(knock, form, send)
        if scope["method"] == "OPTIONS":
            await _preflight()(scope, receive, send)
            return
        scope["state"]["form"], scope["state"]["knock"] = form, knock
        await self._app(scope, receive, send)

    async def _desk(self, app: Any) -> FormDesk:
        found: FormDesk | None = getattr(app.state, "form_desk", None)
        if found is None:
            async with self._making:
                found = await run_in_threadpool(desk_of, app)
        return found


def _knock(scope: Scope, form_key: str) -> Knock:
    headers = Headers(scope=scope)
    proves = "authorization" in headers or "webhook-signature" in headers
    is_browser = scope["method"] == "OPTIONS" or not proves
    return Knock(form_key, headers.get("origin"), is_browser, counted_address(scope) if is_browser else None)


def _limits(scope: Scope) -> RateLimits:
    found: RateLimits = scope["app"].state.rate_limits
    return found


def _limited(scope: Scope, knock: Knock) -> Problem | None:
    """Count the request of a browser by its address. It is a problem if there were too many."""
    if not knock.is_browser:
        return None
    try:
        _limits(scope).take((f"forms {scope['method']}", knock.address), PER_ADDRESS)
    except Problem as problem:
        return problem
    return None


def _judge(scope: Scope, knock: Knock, form: OpenForm | None, allowed: bool) -> None:
    """Problem: the key is unknown, the page may not post, or too much came by this key."""
    if form is None:
        raise not_found()
    if knock.is_browser and not allowed:
        detail = "This page may not post to this form. Add its origin: zoho-pipeline forms keys add ID --origin ORIGIN"
        raise Problem("forbidden", detail)
    if scope["method"] == "POST" and knock.is_browser:
        count_key(_limits(scope), knock.form_key)


def count_key(limits: RateLimits, form_key: str) -> None:
    """Count a post by a form key. Problem `rate_limited`.

    A server is counted after its proof: 600 posts with a wrong signature must not close the form for its visitors.
    """
    limits.take(("form key", form_key), PER_KEY)


def _with_cors(knock: Knock, form: OpenForm | None, send: Send) -> Send:
    """Let the page read the answer, if the key lists its origin."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.add_vary_header("Origin")
            if form is not None and knock.origin in form.origins:
                headers["Access-Control-Allow-Origin"] = str(knock.origin)
                headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-Id"
        await send(message)

    return send_with_headers


def _preflight() -> Response:
    headers = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "Content-Type"}
    return Response(status_code=204, headers={**headers, "Access-Control-Max-Age": str(PREFLIGHT_SECONDS)})

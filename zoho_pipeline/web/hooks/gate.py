"""The gate before the hooks: the path of a delivery is judged before its body is read."""

import asyncio
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.push.hooks import WEBHOOK, WORKFLOW, Heard
from zoho_pipeline.push.receive import Hearing
from zoho_pipeline.push.writer import PushWriter
from zoho_pipeline.web.http.bodies import refuse
from zoho_pipeline.web.http.problems import Problem
from zoho_pipeline.web.http.rate_limits import counted_address
from zoho_pipeline.web.services import WebServices

BODY_BYTES = 1024 * 1024
REFUSED, REFUSED_SECONDS = 20, 60.0
"""Refused deliveries of one address in a minute. A trusted one is never refused for its rate."""

CLOSE = {"Connection": "close"}


class Receiver:
    """What the gate and the routes of one web process share: known hooks, and the thread that stores."""

    def __init__(self, found: WebServices) -> None:
        database = found.registry.database.keeping_connections()
        self.hearing = Hearing(database)
        self.writer = PushWriter(database)


def receiver_of(app: Any) -> Receiver:
    """The receiver of an app, made with the first delivery."""
    found: Receiver | None = getattr(app.state, "receiver", None)
    if found is None:
        found = app.state.receiver = Receiver(app.state.services)
    return found


def refused(scope: Scope, headers: dict[str, str] | None = None) -> Problem:
    """Why a delivery is refused: 401, or 429 for an address with many refused ones. It is counted."""
    state = scope["app"].state
    state.metrics.push_deliveries.labels("refused").inc()
    try:
        state.rate_limits.take(("hook", counted_address(scope)), REFUSED, REFUSED_SECONDS)
    except Problem as too_many:
        return Problem("rate_limited", too_many.detail, headers={**too_many.headers, **(headers or {})})
    return Problem("unauthenticated", "This delivery is not known here.", headers=headers)


class HookGate:
    """Refuses a delivery on an unknown path, and lets the body of a known one have 1 MiB."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].startswith((WEBHOOK, WORKFLOW)):
            await self._app(scope, receive, send)
            return
        kind, _, hook = scope["path"].removeprefix("/tenant/v1/zoho-crm/").partition("/")
        state = scope.setdefault("state", {})
        if hook and "/" not in hook and kind in ("webhook", "workflow"):
            try:
                state["heard"] = await self._heard(scope["app"], kind, hook)
            except RegistryError:
                problem = Problem("unavailable", "Try again.", headers={"Retry-After": "10", **CLOSE})
                await refuse(scope, receive, send, problem)
                return
            if state["heard"] is None:
                await refuse(scope, receive, send, refused(scope, CLOSE))
                return
        state["body_bytes"] = BODY_BYTES
        await self._app(scope, receive, send)

    async def _heard(self, app: Any, kind: str, hook: str) -> Heard | None:
        """Whose hook this is. A hook that is remembered costs neither a thread nor a transaction."""
        receiver: Receiver | None = getattr(app.state, "receiver", None)
        if receiver is None:
            async with self._making:
                receiver = await run_in_threadpool(receiver_of, app)
        if (found := receiver.hearing.remembered(kind, hook)) is not None:
            return found
        return await run_in_threadpool(
            receiver.hearing.by_hook if kind == "webhook" else receiver.hearing.by_workflow, hook
        )

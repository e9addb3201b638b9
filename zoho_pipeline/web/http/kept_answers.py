"""Whole answers of reading routes that are given again without calling the route, as long as nothing changed.

A route that may be kept notes what its answer depends on (`keep`). The next equal request, with the same proof of who
asks, gets the same bytes if the marts and the registry are as they were. A revoked key changes the registry, so its
answers are gone at once. Routing, validation and a thread of the pool cost four times as much as these looks.
"""

import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoho_pipeline.settings import PipelineError
from zoho_pipeline.web.http.problems import Problem, problem_answer
from zoho_pipeline.web.http.rate_limits import RateLimits
from zoho_pipeline.web.http.sized_cache import SizedCache
from zoho_pipeline.web.services import WebServices

WHERE_LOOKING_COSTS_A_QUERY = 1.0
"""On Postgres, the event loop must not wait for a query, so an answer is kept for a second without a look."""

PROOFS = (b"authorization", b"zoho-pipeline-tenant")


@dataclass(frozen=True)
class Note:
    """What an answer depends on: the published marts, the registry, and who asks until when (Unix seconds)."""

    publication: Hashable
    stamp: Hashable
    principal: str
    tenant: str | None
    ends_at: float


@dataclass(frozen=True)
class _Kept:
    note: Note
    made_at: float
    route: Any
    start: Message
    body: Message


def keep(request: Request, note: Note) -> None:
    """Let the answer of this request be given again."""
    request.scope["state"]["keep"] = note


def wants_new(scope: Scope) -> bool:
    """Whether the caller refuses kept answers (`Cache-Control: no-cache`).

    A page does so when an event told it that something changed: on Postgres a kept answer may be a second old, and no
    further event would come.
    """
    return any(name == b"cache-control" and b"no-cache" in value.lower() for name, value in scope["headers"])


class KeptAnswers:
    """Gives kept answers again."""

    def __init__(self, app: ASGIApp, services: WebServices, limits: RateLimits) -> None:
        self._app, self._services, self._limits = app, services, limits
        self._kept = SizedCache[_Kept]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        key = _key_of(scope)
        found = None if wants_new(scope) else self._kept.get(key)
        if found is not None and self._is_good(found):
            await self._again(found, scope, receive, send)
            return
        started: list[Message] = []

        async def send_and_keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            elif not message.get("more_body") and scope["state"].get("keep") and started[0]["status"] == 200:
                self._put(key, scope, started[0], message)
            await send(message)

        await self._app(scope, receive, send_and_keep)

    def _is_good(self, found: _Kept) -> bool:
        published = self._services.published
        if time.time() >= found.note.ends_at:
            return False
        if not published.looks_cheaply:
            is_new = time.monotonic() - found.made_at <= WHERE_LOOKING_COSTS_A_QUERY
            return is_new and self._services.stamp() == found.note.stamp
        try:
            publication = published.publication()
        except PipelineError:
            return False  # the route says what is wrong
        return publication == found.note.publication and self._services.stamp() == found.note.stamp

    async def _again(self, found: _Kept, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = found.route
        scope["state"]["principal"] = found.note.principal
        try:
            self._limits.take(("caller", found.note.principal, found.note.tenant))
        except Problem as problem:
            await problem_answer(scope, problem)(scope, receive, send)
            return
        await send({**found.start, "headers": list(found.start["headers"])})
        await send(found.body)

    def _put(self, key: Hashable, scope: Scope, start: Message, body: Message) -> None:
        copied = {**start, "headers": list(start["headers"])}
        kept = _Kept(scope["state"]["keep"], time.monotonic(), scope.get("route"), copied, dict(body))
        self._kept.put(key, kept, len(body["body"]) + 1024)


def _key_of(scope: Scope) -> Hashable:
    """The URL and the proof of who asks. A cookie is none: the operator's pages are not kept."""
    proofs = tuple(header for header in scope["headers"] if header[0] in PROOFS)
    return scope["path"], scope["query_string"], proofs

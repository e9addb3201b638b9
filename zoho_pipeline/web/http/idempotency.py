"""`Idempotency-Key`: a POST or PATCH that a client repeats is done once, and answered the same each time.

`claim_key` is called where the caller is known (`auth/require.py`). The middleware stores the answer before it is
sent: if the process ends in between, the client repeats its request and gets the stored answer.
"""

import hashlib
import logging
import re
from dataclasses import dataclass

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.platform.replays import Replays, StoredAnswer
from zoho_pipeline.web.http.problems import Problem

HEADER = "Idempotency-Key"
METHODS = ("POST", "PATCH")
LARGEST = 256 * 1024
"""The largest answer that is kept, in bytes."""

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?")
_KEPT_HEADERS = ("content-type", "location", "retry-after", "cache-control")
_NOT_KEPT = (401, 403, 408, 413, 429, 431)

log = logging.getLogger(__name__)


class Replayed(Exception):
    """The request was answered before; `answer` is that answer."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__("replayed")
        self.answer = answer


@dataclass(frozen=True)
class Claim:
    """A request that must store its answer."""

    replays: Replays
    principal: str
    key: str


def claim_key(request: Request, replays: Replays, principal: str) -> None:
    """Claim the key of a POST or PATCH that has one. A route is not called if the request was answered before.

    Raises:
        Replayed: with the first answer.
        Problem: `invalid`, `idempotency_mismatch`, `idempotency_expired`, or `conflict` while the first one runs.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method not in METHODS or "replay" in request.scope["state"]:
        return
    if not _KEY.fullmatch(key):
        errors = [{"field": HEADER, "message": "It has 1 to 64 visible ASCII characters."}]
        raise Problem("invalid", f"The header {HEADER} is wrong; see errors.", errors=errors)
    found = replays.claim(principal, key, _hash(request))
    if isinstance(found, StoredAnswer):
        raise Replayed(found)
    if found == "mismatch":
        raise Problem("idempotency_mismatch", f"This {HEADER} was used for another request. Use a new key.")
    if found == "running":
        wait = {"Retry-After": "1"}
        raise Problem("conflict", "The first request with this key is still running. Try again.", headers=wait)
    if found == "expired":
        raise Problem("idempotency_expired", "The answer held a secret and is not kept any more. Use a new key.")
    request.scope["state"]["replay"] = Claim(replays, principal, key)


def answer_is_secret(request: Request) -> None:
    """Say that the answer of this request holds a secret, so that it is stored encrypted."""
    request.scope["state"]["answer_is_secret"] = True


def install(app: FastAPI) -> None:
    """Let the app answer a repeated request."""

    @app.exception_handler(Replayed)
    async def _replayed(request: Request, found: Replayed) -> Response:  # noqa: ARG001
        headers = {**found.answer.headers, "Idempotency-Replayed": "true"}
        return Response(found.answer.body, found.answer.status, headers)


class StoreAnswers:
    """Stores the answer of each claimed request, then sends it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in METHODS:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        start: Message | None = None
        body = b""
        is_kept = False

        async def send_later(message: Message) -> None:
            nonlocal start, body, is_kept
            claim: Claim | None = state.get("replay")
            if claim is None or is_kept:
                await send(message)
                return
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            assert start is not None
            await run_in_threadpool(_keep, claim, start, body, bool(state.get("answer_is_secret")))
            is_kept = True
            await send(start)
            await send({**message, "body": body})

        try:
            await self._app(scope, receive, send_later)
        finally:
            claim = state.get("replay")
            if claim is not None and not is_kept:  # an error without an answer, or the client has gone
                await run_in_threadpool(_release, claim)


def _keep(claim: Claim, start: Message, body: bytes, is_secret: bool) -> None:
    status = start["status"]
    if status >= 500 or status in _NOT_KEPT or len(body) > LARGEST:
        _release(claim)
        return
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    kept = {name: value for name, value in headers.items() if name.lower() in _KEPT_HEADERS}
    try:
        claim.replays.store(claim.principal, claim.key, StoredAnswer(status, kept, body), is_secret=is_secret)
    except RegistryError:
        # what was asked for is done, so the caller gets the answer; a repetition is refused until the claim ends
        log.warning("the answer to a request with an idempotency key could not be stored")


def _release(claim: Claim) -> None:
    try:
        claim.replays.release(claim.principal, claim.key)
    except RegistryError:
        log.warning("a claim of an idempotency key could not be given up; it ends by itself after some minutes")


def _hash(request: Request) -> str:
    found = hashlib.sha256()
    query = request.scope.get("query_string", b"")
    for part in (request.method.encode(), request.url.path.encode(), query, request.scope["state"].get("body", b"")):
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()

"""What a request may bring: sizes, the time it takes, and the type of its body.

The body is read whole before a route runs, so a route never waits for a slow client, and a body that is too large is
refused wherever that is seen: in Content-Length, or while a body of unknown length arrives.
"""

import asyncio
import re
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoho_pipeline.channels.database.texts import can_be_stored
from zoho_pipeline.web.http.problems import Problem, problem_answer

BODY_BYTES = 64 * 1024
HEAD_BYTES = 32 * 1024
"""The request line and all headers."""

BODY_SECONDS = 15.0
"""For the whole body. At 64 KiB it is slower than any connection that people use."""

DRAIN_SECONDS = 2.0
"""How long the rest of a refused body is read and thrown away. Else a client that is still sending would see a broken
connection and not our answer."""

JSON_PATHS = "/v1/"
FORM_PATHS, FORM_TYPE = "/v1/forms/", "application/x-www-form-urlencoded"
"""A browser sends a form of this type to another origin without asking first."""

_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json", re.IGNORECASE)
_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")


class RequestBody(BaseModel):
    """The base of each JSON body: an unknown field, a wrong type and a text that no database stores are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _can_be_stored(cls, value: Any) -> Any:
        if _unstorable(value):
            raise ValueError("a text holds NUL or half of a surrogate pair, which no database stores")
        return value


def _unstorable(value: Any) -> bool:
    waiting = [value]  # a list and no recursion: a body may be nested more deeply than calls can be
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            if not can_be_stored(part):
                return True
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, list):
            waiting += part
    return False


class BodyLimits:
    """Reads the body of each request within its limits, and keeps it as `scope["state"]["body"]`.

    Args:
        body_bytes: the largest body. A gate outside may allow a request another size (`scope["state"]["body_bytes"]`).
        seconds: how long a body may take.
    """

    def __init__(self, app: ASGIApp, body_bytes: int = BODY_BYTES, seconds: float = BODY_SECONDS) -> None:
        self._app, self._most, self._seconds = app, body_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check_head(scope)
            body = await asyncio.wait_for(self._read(scope, receive), self._seconds)
            _check_type(scope, body)
        except Problem as problem:
            await refuse(scope, receive, send, problem)
            return
        except TimeoutError:
            late = Problem("request_timeout", "The request did not arrive in time.", headers={"Connection": "close"})
            await problem_answer(scope, late)(scope, receive, send)
            return
        if body is None:  # the client has gone
            return
        scope.setdefault("state", {})["body"] = body
        given = False

        async def receive_read() -> Message:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        await self._app(scope, receive_read, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        if scope["method"] not in _WITH_BODY:
            # a body of a GET has no meaning; the server throws it away with the connection
            return b""
        length = _header(scope, b"content-length")
        most = int(scope.get("state", {}).get("body_bytes", self._most))
        if length.isdecimal() and int(length) > most:
            raise _too_large(most)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise _too_large(most)
            if not message.get("more_body", False):
                return b"".join(parts)


def _too_large(most: int) -> Problem:
    return Problem("too_large", f"A body has at most {most // 1024} KiB.", headers={"Connection": "close"})


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for found, value in scope["headers"] if found == name), "")


def _check_head(scope: Scope) -> None:
    size = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    size += len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))
    if size > HEAD_BYTES:
        detail = f"The URL and the headers have at most {HEAD_BYTES // 1024} KiB together."
        raise Problem("headers_too_large", detail, headers={"Connection": "close"})
    if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
        raise Problem("bad_request", "The URL holds the character NUL.")


def _check_type(scope: Scope, body: bytes | None) -> None:
    if not body or not scope["path"].startswith(JSON_PATHS):
        return
    media_type = _header(scope, b"content-type").partition(";")[0].strip()
    if scope["path"].startswith(FORM_PATHS) and media_type.lower() == FORM_TYPE:
        return
    if not _JSON.fullmatch(media_type):
        or_form = f" or `{FORM_TYPE}`" if scope["path"].startswith(FORM_PATHS) else ""
        raise Problem("unsupported_media", f"Send the body as `Content-Type: application/json`{or_form}.")


async def refuse(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Answer, then read what the client is still sending for a moment, then end the connection."""

    async def send_and_drain(message: Message) -> None:
        if message["type"] == "http.response.body" and "Connection" in problem.headers:
            await send({**message, "more_body": True})
            with suppress(TimeoutError):
                await asyncio.wait_for(_drain(receive), DRAIN_SECONDS)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await send(message)

    await problem_answer(scope, problem)(scope, receive, send_and_drain)


async def _drain(receive: Receive) -> None:
    while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
        pass

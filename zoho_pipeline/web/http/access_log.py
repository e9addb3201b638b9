"""One line per request, without secrets: no query string, and no part of a path that lets somebody in.

It is also the last net: an error that no handler knows becomes a problem `internal`, and the log has its traceback.
"""

import logging
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoho_pipeline.web.http.problems import Problem, problem_answer

log = logging.getLogger("zoho_pipeline.web.access")

LONGEST_PATH = 200
OF_VISITORS = ("/v1/forms/", "/forms.js")
"""Visitors of landing pages ask for these. Nobody may keep their addresses."""

_CAPABILITY = re.compile(r"(/(?:webhook|workflow|v1/connect|forms)/)[^/]+")
"""A hook, and the session of a consent, are capabilities: whoever knows one may use it."""


class AccessLog:
    """Logs each answer, and answers what the app did not expect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            log.exception("an error that nobody expected, in the answer to %s %s", scope["method"], shown_path(scope))
            if status:  # a part of the answer has gone; the server ends the connection
                raise
            problem = Problem("internal", "This is a defect of the server. Its log has the reason.")
            await problem_answer(scope, problem)(scope, receive, send_and_note)
        finally:
            state = scope.get("state", {})
            spent = (time.monotonic() - started) * 1000
            log.info(
                "%s %s %d %.0f ms %s %s %s",
                scope["method"],
                shown_path(scope),
                status,
                spent,
                "-" if scope["path"].startswith(OF_VISITORS) else state.get("client", "-"),
                state.get("principal", "-"),
                state.get("request_id", "-"),
            )


def shown_path(scope: Scope) -> str:
    """The path as it came, still encoded, so that no line break is in it."""
    raw = scope.get("raw_path") or scope["path"].encode("utf-8", "backslashreplace")
    path = raw.partition(b"?")[0].decode("latin-1")
    return _CAPABILITY.sub(r"\1***", path)[:LONGEST_PATH]

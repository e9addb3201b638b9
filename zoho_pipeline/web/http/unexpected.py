"""The last net: an error that no route expected becomes a problem, and the log gets its traceback without secrets."""

import json
import logging
import traceback

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoho_pipeline.logs import redact
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.web.http.problems import MEDIA_TYPE

log = logging.getLogger(__name__)

UNAVAILABLE = (503, "Service Unavailable", "unavailable", "The server cannot reach its data now. Try again.")
INTERNAL = (500, "Internal Server Error", "internal", "An unexpected error occurred. The server's log has it.")


class CatchErrors:
    """Answers `unavailable` for an expected failure (the registry or the warehouse), and `internal` for a defect.

    Starlette's own net stands outside all middleware, so its answers would lack the headers and the request id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http":
                raise
            request_id = scope.get("state", {}).get("request_id", "")
            _log(error, request_id)
            if not started:  # else the connection is cut, so that nobody takes half an answer for a whole one
                await _answer(send, UNAVAILABLE if isinstance(error, PipelineError) else INTERNAL, request_id)
            else:
                raise


def _log(error: Exception, request_id: str) -> None:
    if isinstance(error, PipelineError):
        log.error("request %s: %s", request_id, redact(str(error)))
    else:
        log.error("request %s: unexpected error\n%s", request_id, redact("".join(traceback.format_exception(error))))


async def _answer(send: Send, kind: tuple[int, str, str, str], request_id: str) -> None:
    status, title, code, detail = kind
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    content = json.dumps({**body, "code": code, "request_id": request_id}).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})

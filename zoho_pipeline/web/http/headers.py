"""Headers of every answer: a request id, and what keeps browsers from doing more than a page needs.

This is a pure ASGI middleware: Starlette's BaseHTTPMiddleware would cost a task per request and break streams.
"""

import re
import secrets

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors {ancestors}"
)
DEFAULTS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
NO_FRAME = (("Content-Security-Policy", CSP.format(ancestors="'none'")), ("X-Frame-Options", "DENY"))
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class SecurityHeaders:
    """Adds the headers to each answer. A route that sets one itself keeps its own value.

    Args:
        is_https: whether browsers reach us by https; then HSTS is sent.
    """

    def __init__(self, app: ASGIApp, is_https: bool) -> None:
        self._app, self._is_https = app, is_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in self._defaults(headers):
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _defaults(self, headers: MutableHeaders) -> list[tuple[str, str]]:
        found = [*DEFAULTS]
        if "Content-Security-Policy" not in headers:
            found += NO_FRAME
        if self._is_https:
            found.append(("Strict-Transport-Security", "max-age=31536000"))
        return found


def bare_headers() -> list[tuple[str, str]]:
    """The headers of an answer to what is no request of HTTP, so that no application sees it."""
    return [("X-Request-Id", new_request_id()), *DEFAULTS, *NO_FRAME]


def new_request_id() -> str:
    return secrets.token_hex(12)


def _request_id(scope: Scope) -> str:
    """The caller's X-Request-Id where it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(given := value.decode("latin-1")):
            return str(given)
    return new_request_id()

"""HEAD works where GET does: the same headers, and no body.

The routes that prepare or begin a consent change state when they are read, and a login link works once. They take no
HEAD.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_HEAD = ("/zohoCrm/connect", "/zohoCrm/start", "/zohoCrm/callback", "/ui/login", "/ui/connect")


def _changes(path: str) -> bool:
    """Whether a GET of this path prepares or begins a consent, or logs in."""
    return path in NO_HEAD or path.endswith("/reconnect")


class HeadAsGet:
    """Lets the app answer HEAD as GET, and drops the body. A stream ends after its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or _changes(scope["path"]):
            await self._app(scope, receive, send)
            return
        answered = asyncio.Event()
        asked = False

        async def receive_nothing() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await answered.wait()  # then the caller has all it wanted
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                answered.set()

        await self._app({**scope, "method": "GET"}, receive_nothing, send_head)

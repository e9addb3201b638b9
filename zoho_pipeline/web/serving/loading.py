"""An application that answers `/healthz` at once, while the real one is imported in a thread.

The libraries of the whole application (SQLAlchemy, httpx, Jinja2 …) take twice as long to import as FastAPI and DuckDB.
Whoever starts the process need not wait for them: a request that comes earlier waits for the application instead.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from zoho_pipeline.web.http.headers import SecurityHeaders

if TYPE_CHECKING:
    from fastapi import FastAPI

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class LoadingApp:
    """Stands for an application until it is loaded.

    Args:
        load: makes the application. It runs in a thread.
        loaded: called in the event loop when the application answers.
        failed: called in the event loop with the error that `load` raised.
    """

    def __init__(
        self, load: "Callable[[], FastAPI]", loaded: Callable[[], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._load, self._loaded, self._failed = load, loaded, failed
        self._app: FastAPI | None = None
        self._ready = asyncio.Event()
        self._lifespan: AbstractAsyncContextManager[Any] | None = None
        self._stops = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if self._app is None and scope.get("path") == "/healthz":
            await _ALIVE(scope, receive, send)  # type: ignore[arg-type]
            return
        await self._ready.wait()
        if self._app is None:  # it could not be loaded, and the server stops
            await _FAILED(scope, receive, send)  # type: ignore[arg-type]
            return
        await self._answer(self._app, scope, receive, send)

    async def _answer(self, app: "FastAPI", scope: Message, receive: Receive, send: Send) -> None:
        """Let the application answer. A request that the end of the server cuts off gets 503, if it has got nothing.

        uvicorn cancels what still runs when the time is over. It would log the cancellation of each request as an error
        of the application, with a traceback, and answer 500.
        """
        began = False

        async def noted(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await app(scope, receive, noted)  # type: ignore[arg-type]
        except asyncio.CancelledError:
            if not self._stops:
                raise
            if not began:
                await _FAILED(scope, receive, send)  # type: ignore[arg-type]

    def stop(self) -> None:
        """End what would not end by itself: streams of events. An application that is not loaded yet does not begin."""
        self._stops = True
        for end in getattr(self._app.state, "on_stop", ()) if self._app is not None else ():
            end()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        loading = asyncio.create_task(self._fill())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await loading
        if self._lifespan is not None:
            await self._lifespan.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})

    async def _fill(self) -> None:
        try:
            app = await asyncio.to_thread(self._load)
            if self._stops:
                return
            _keep_what_is_loaded()
            lifespan = app.router.lifespan_context(app)
            await lifespan.__aenter__()
        except BaseException as error:
            self._failed(error)
            return
        else:
            self._app, self._lifespan = app, lifespan
            self._loaded()
        finally:
            self._ready.set()


def _keep_what_is_loaded() -> None:
    """Let the garbage collector pass over what lives as long as the process.

    The application is 160,000 objects. Each whole collection looked at all of them, and no request ran for 0.1 s to
    0.2 s meanwhile. It looks at 25,000 without them.
    """
    gc.collect()
    gc.freeze()


def _answers(status: int, body: bytes) -> SecurityHeaders:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]

    async def answer(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return SecurityHeaders(answer, is_https=False)


_ALIVE, _FAILED = _answers(200, b'{"ok":true}'), _answers(503, b'{"code":"unavailable"}')

"""Serves the application with uvicorn until SIGTERM or Ctrl-C."""

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from zoho_pipeline import stopping
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.web.http.protocol import LimitedProtocol, uvicorn_options
from zoho_pipeline.web.serving.loading import LoadingApp

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE_SECONDS = 10
"""After SIGTERM, requests that run get this long. Streams of events would never end by themselves."""

INTERRUPTED_SECONDS = 1
"""The same after Ctrl-C: a person waits at a terminal, and the whole command ends within two seconds."""

CANCELLED_SECONDS = 0.2
"""A request that is cut off has this long to say so."""

STOPPING = "Stopping: requests that run are finished, and the worker gives back what it has taken.\n"

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. PipelineError: the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        sock.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise PipelineError(
            f"port {port} of {host} cannot be used ({reason}). End the program that uses it, or choose another port."
        ) from error
    return sock


def serve(
    load: "Callable[[], FastAPI]",
    sock: socket.socket,
    ready: Callable[[], None] = lambda: None,
    protocol: type[LimitedProtocol] = LimitedProtocol,
    stops: Callable[[int], object] = lambda _: None,
) -> None:
    """Answer requests until SIGTERM or SIGINT. Then accept no new ones, and finish those that run within 10 s, or
    within 1 s after SIGINT. A request that runs longer is cut off; its thread may still run when this returns.

    Args:
        load: makes the application, in a thread. Until then, `/healthz` answers and other requests wait.
        ready: called when the application answers.
        protocol: uvicorn's protocol, with the limits of a request's head.
        stops: called in the event loop with the number of the signal, before the running requests are finished.

    Raises:
        What `load` raises.
    """
    errors: list[BaseException] = []

    def failed(error: BaseException) -> None:
        errors.append(error)
        server.should_exit = True

    app = LoadingApp(load, ready, failed)
    options = uvicorn_options() | {"http": protocol, "lifespan": "on", "timeout_graceful_shutdown": GRACE_SECONDS}
    config = uvicorn.Config(app, **options)
    server = _Server(config, app, stops)

    # for a signal before uvicorn listens to signals, and after it has stopped
    with stopping.own_handling():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
        server.run(sockets=[sock])
    if errors:
        raise errors[0]


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: LoadingApp, stops: Callable[[int], object]) -> None:
        super().__init__(config)
        self._loading, self._stops, self._number = app, stops, int(signal.SIGTERM)
        self._first_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 (uvicorn calls it)
        """uvicorn's own would raise the signal again at the end, which would count as a second Ctrl-C."""
        if not self.should_exit:
            stopping.announce(STOPPING)
            self._number, self._first_at = sig, time.monotonic()
        elif sig == signal.SIGINT and time.monotonic() - self._first_at > stopping.SECOND_AFTER_SECONDS:
            stopping.end_at_once(sig)  # uvloop takes the descriptor by which `stopping` would see the signal
        if sig == signal.SIGINT:
            self.config.timeout_graceful_shutdown = INTERRUPTED_SECONDS
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._loading.stop()
        self._stops(self._number)
        await super().shutdown(sockets)
        if self.server_state.tasks:  # they have been cancelled, and answer that
            await asyncio.wait(self.server_state.tasks, timeout=CANCELLED_SECONDS)

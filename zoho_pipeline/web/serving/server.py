"""Serves the application with uvicorn until SIGTERM or Ctrl-C."""

import signal
import socket
from collections.abc import Callable
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
) -> None:
    """Answer requests until SIGTERM or SIGINT. Then accept no new ones, and finish those that run within 10 s.

    Args:
        load: makes the application, in a thread. Until then, `/healthz` answers and other requests wait.
        ready: called when the application answers.
        protocol: uvicorn's protocol, with the limits of a request's head.

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
    server = _Server(config, app)

    def stop(*_: object) -> None:
        server.should_exit = True

    # for a signal before uvicorn listens to signals, and for the one that it raises again when it has stopped
    with stopping.own_handling():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        server.run(sockets=[sock])
    if errors:
        raise errors[0]


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: LoadingApp) -> None:
        super().__init__(config)
        self._loading = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._loading.stop()
        await super().shutdown(sockets)

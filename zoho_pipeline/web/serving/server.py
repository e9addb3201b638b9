"""Serves the application with uvicorn until SIGTERM or Ctrl-C."""

import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

from zoho_pipeline.settings import PipelineError
from zoho_pipeline.web.serving.protocol import GuardedProtocol

GRACE_SECONDS = 10
"""After SIGTERM, requests that run get this long. Streams of events would never end by themselves."""

KEEP_ALIVE_SECONDS = 75
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


def serve(app: FastAPI, sock: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Answer requests until SIGTERM or SIGINT. Then accept no new ones, and finish those that run within 10 s.

    Args:
        ready: called when the server accepts requests.
    """
    config = uvicorn.Config(
        app,
        http=GuardedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # the application writes its own, without secrets
        server_header=False,
        proxy_headers=False,  # the application judges X-Forwarded-For itself
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, ready)
    # uvicorn raises a caught signal again when it has stopped; without this handler, that would end the process
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[sock])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app: Any = self.config.app
        for stop in getattr(app.state, "on_stop", ()):  # streams end now, and not when their time is over
            stop()
        await super().shutdown(sockets)

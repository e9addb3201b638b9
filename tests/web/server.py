"""The web server on a port of loopback, for what only a socket shows."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from zoho_pipeline.web.http.protocol import uvicorn_options


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[int]:
    """Serve an app with the options of the product; the port."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", options.pop("port", 0)))
    port = int(listening.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(app, **(uvicorn_options() | options)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def talk(port: int, *parts: bytes, wait: float = 10.0) -> bytes:
    """Send bytes and read until the server ends the connection, or for `wait` seconds."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    found = b""
    try:
        while part := connection.recv(65536):
            found += part
    except (TimeoutError, ConnectionResetError):
        pass
    return found

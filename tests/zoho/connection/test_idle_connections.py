"""Idle connections that the server closes: the next call takes another one, and is sent once."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from zoho_pipeline.zoho.transport import new_http

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Server:
    """Counts its connections and requests. `closes`: it ends each connection behind an answer, without saying so."""

    url: str
    closes: bool
    requests: int = 0
    open: list[socket.socket] = field(default_factory=list)
    connections: int = 0
    gate: threading.Barrier | None = None

    def serve(self, own: socket.socket) -> None:
        self.open.append(own)
        self.connections += 1
        while data := own.recv(65_536):
            self.requests += data.count(b"GET ")
            if self.gate is not None:
                self.gate.wait(60)
            own.sendall(ANSWER)
            if self.closes:
                own.shutdown(socket.SHUT_RDWR)
                return

    def close_idle(self) -> None:
        for own in self.open:
            own.shutdown(socket.SHUT_RDWR)
        self.open.clear()
        time.sleep(0.05)  # loopback has brought the end of the connection by then


@contextmanager
def serving(*, closes: bool = False) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}", closes)

        def accept() -> None:
            while True:
                try:
                    own, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=server.serve, args=(own,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server
        if not closes:
            server.close_idle()


def at_once(server: Server, http: httpx.Client, calls: int) -> list[object]:
    """The answers to so many calls that the server holds until all have come, so each has a connection of its own."""
    server.gate = threading.Barrier(calls)
    with ThreadPoolExecutor(calls) as pool:
        answers = [answer.json() for answer in pool.map(http.get, ["/"] * calls)]
    server.gate = None
    return answers


def test_a_server_that_ends_each_connection_behind_its_answer_gets_each_call_once() -> None:
    with serving(closes=True) as server, new_http(server.url) as http:
        for _ in range(5):
            assert http.get("/").json() == {}
            time.sleep(0.05)
        assert (server.requests, server.connections) == (5, 5)


@pytest.mark.parametrize("idle", [0.0, 1.1])
def test_a_connection_that_is_closed_while_nobody_uses_it_is_not_taken_again(idle: float) -> None:
    with serving() as server, new_http(server.url) as http:
        http.get("/")
        time.sleep(idle)
        server.close_idle()
        assert http.get("/").json() == {}
        assert (server.requests, server.connections) == (2, 2)


def test_connections_that_are_open_are_used_again() -> None:
    """Three calls at once open three connections. Every later call takes one of them."""
    with serving() as server, new_http(server.url) as http:
        at_once(server, http, 3)
        for _ in range(6):
            http.get("/")
        assert (server.requests, server.connections) == (9, 3)


def test_all_connections_of_a_quiet_client_are_looked_at_again() -> None:
    """They were looked at before a call of another one. After a second, none of them counts as open unseen."""
    with serving() as server, new_http(server.url) as http:
        at_once(server, http, 3)
        http.get("/")
        server.close_idle()
        time.sleep(1.1)
        assert http.get("/").json() == {}
        assert (server.requests, server.connections) == (5, 4)


def test_a_connection_that_is_closed_since_the_last_look_is_not_taken() -> None:
    """It was looked at before a call of another connection. A change that is sent on it has an unknown end."""
    with serving() as server, new_http(server.url) as http:
        at_once(server, http, 2)
        http.get("/")
        server.close_idle()
        assert at_once(server, http, 2) == [{}, {}]
        assert (server.requests, server.connections) == (5, 4)

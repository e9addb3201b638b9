"""Senders that keep a common rate against a web server in a process of its own. It is killed right behind an answer."""

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SENDERS = 20
SERVE = """
from zoho_pipeline.settings import load_settings
from zoho_pipeline.service_settings import load_service_settings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.serving import server
sock = server.listen("127.0.0.1", 0)
def load():
    return create_app(load_settings(), load_service_settings())
server.serve(load, sock, lambda: print(sock.getsockname()[1], flush=True))
"""


class Senders:
    """Twenty senders, each with a connection of its own. A time counts from the planned moment.

    Attributes:
        times: the seconds of each acknowledged request.
        acknowledged: the ids that the server promised to keep.
        refused: the other answers.
    """

    status = 200
    """Of an answer that acknowledges."""

    def __init__(self, port: int, rate: float) -> None:
        self._port, self._rate = port, rate
        self._guard = threading.Lock()
        self._next = self.refused = 0
        self.times: list[float] = []
        self.acknowledged: set[str] = set()

    def request(self, number: int) -> tuple[str, str, dict[str, str], str | None]:
        """Path, body, headers and the id that must be kept (None: none) of the request with this number."""
        raise NotImplementedError

    def run(self, seconds: float, kill: "subprocess.Popen[str]") -> None:
        """Send for so long, then kill the server while the senders go on."""
        started, stop = time.perf_counter(), threading.Event()
        threads = [threading.Thread(target=self._send, args=(started, stop)) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        kill.kill()
        stop.set()
        for thread in threads:
            thread.join()

    def _send(self, started: float, stop: threading.Event) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        with suppress(OSError, http.client.HTTPException):  # the server was killed
            while not stop.is_set():
                with self._guard:
                    number, self._next = self._next, self._next + 1
                due = started + number / self._rate
                time.sleep(max(0.0, due - time.perf_counter()))
                path, body, headers, kept = self.request(number)
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                self._note(answer.status, time.perf_counter() - due, kept)

    def _note(self, status: int, seconds: float, kept: str | None) -> None:
        with self._guard:
            if status != self.status:
                self.refused += 1
                return
            self.times.append(seconds)
            if kept is not None:
                self.acknowledged.add(kept)


@contextmanager
def serving(env: dict[str, str]) -> "Iterator[tuple[subprocess.Popen[str], int]]":
    """The web server with these variables, and its port."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        yield server, int(server.stdout.readline())
    finally:
        server.kill()
        server.wait()

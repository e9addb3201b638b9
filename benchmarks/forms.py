"""Measures form capture: 60 posts per second from 20 senders for a minute, on SQLite and on Postgres.

The web server runs in a process of its own with the settings of the product, behind a proxy that names the visitors. It
is killed right behind an answer: each acknowledged submission must be in the registry. The limits of the product hold,
so each post has a visitor's address of its own, and the posts go to ten form keys. Every tenth visitor does not agree.
BENCH_FORMS_SECONDS makes it shorter.
"""

import http.client
import ipaddress
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select

from benchmarks import Figure
from tests.channels.conftest import CONNECTION
from tests.postgres import running_postgres
from zoho_pipeline.channels.forms.form_keys import FormKeys
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import form_submissions
from zoho_pipeline.settings import Secret, load_settings

SECONDS = float(os.environ.get("BENCH_FORMS_SECONDS", "60"))
RATE, SENDERS, KEYS = 60.0, 20, 10
P99 = 0.250
PAGE = "https://www.acme.in"

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


def measure() -> Iterator[Figure]:
    """The 99th percentile against its goal, posts that were refused, and acknowledged submissions that a kill lost."""
    for engine in ("SQLite", "Postgres"):
        with running_postgres() if engine == "Postgres" else nullcontext("") as url:
            yield from _on(engine, url)


def _on(engine: str, url: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        env = {"ZOHO_PIPELINE_HOME": str(Path(folder) / "home"), "ZOHO_PIPELINE_TRUSTED_PROXIES": "127.0.0.0/8"}
        env |= {"ZOHO_PIPELINE_REGISTRY": url} if url else {}
        registry = Registry(load_settings(env))
        registry.add("acme", Secret("1000.bench"), CONNECTION)
        keys = [FormKeys(registry).add("acme", [PAGE])[0].form_key for _ in range(KEYS)]
        with _serving(env) as (server, port):
            load = _Load(port, keys)
            load.run(SECONDS, kill=server)
        with registry.database.read() as transaction:
            stored = set(transaction.scalars(select(form_submissions.c.submission_id)))
    times = sorted(load.times)
    found = times[int(len(times) * 0.99) - 1]
    what = f"{engine}: p99 of {len(times)} posts at {len(times) / SECONDS:.0f}/s from {SENDERS} senders"
    yield Figure(what, f"{found * 1000:.0f} ms", f"a goal of {P99 * 1000:.0f} ms", found / P99, 1.0)
    yield Figure(
        f"{engine}: posts that were refused", str(load.refused), f"{len(times)} taken", float(load.refused), 0.0
    )
    lost = len(load.acknowledged - stored)
    what = f"{engine}: acknowledged submissions that a kill lost"
    yield Figure(what, str(lost), f"{len(load.acknowledged)} acknowledged", float(lost), 0.0)


class _Load:
    """Senders that keep a common rate, each with a connection of its own. A time counts from the planned moment."""

    def __init__(self, port: int, keys: Sequence[str]) -> None:
        self._port, self._keys = port, keys
        self._guard = threading.Lock()
        self._next = self.refused = 0
        self.times: list[float] = []
        self.acknowledged: set[str] = set()

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
                due = started + number / RATE
                time.sleep(max(0.0, due - time.perf_counter()))
                self._one(connection, number, due)

    def _one(self, connection: http.client.HTTPConnection, number: int, due: float) -> None:
        agrees = number % 10 > 0
        body = {"submission_id": str(uuid4()), "consent": {"analytics": agrees, "text_version": "1"}}
        body |= {"email": f"visitor{number}@acme.in", "phone": f"98765{number:05d}", "utm_source": "blog"}
        body |= {
            "elapsed_ms": 9000,
            "landing_url": f"{PAGE}/seo?utm_source=blog",
            "referrer": "https://www.google.com/",
        }
        address = str(ipaddress.ip_address("100.64.0.0") + number)
        headers = {"Origin": PAGE, "Content-Type": "application/json", "X-Forwarded-For": address}
        connection.request("POST", f"/v1/forms/{self._keys[number % KEYS]}", json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        with self._guard:
            if answer.status != 202:
                self.refused += 1
                return
            self.times.append(time.perf_counter() - due)
            if agrees:
                self.acknowledged.add(str(body["submission_id"]))


@contextmanager
def _serving(env: dict[str, str]) -> "Iterator[tuple[subprocess.Popen[str], int]]":
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

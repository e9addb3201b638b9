"""Measures notifications: how quickly they are received, and when lists and numbers show them.

The receiving: 100 deliveries per second from 20 senders for a minute, on SQLite and on Postgres. The web server runs in
a process of its own, and is killed right behind a 200: each acknowledged record must be in the registry. The rest is in
`_push_lanes.py`. BENCH_PUSH_PARTS and BENCH_PUSH_ENGINES choose parts of it: all of them take half an hour.
BENCH_PUSH_SECONDS, BENCH_PUSH_CHANGES, BENCH_PUSH_BURST and BENCH_PUSH_SUBSCRIBED make them shorter.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from sqlalchemy import select

from benchmarks import Figure, _push_lanes
from tests.channels.conftest import CONNECTION
from tests.postgres import running_postgres
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.push import hooks
from zoho_pipeline.push.store import SubscriptionStore
from zoho_pipeline.settings import Secret, load_settings

SECONDS = float(os.environ.get("BENCH_PUSH_SECONDS", "60"))
ENGINES, PARTS = ("sqlite", "postgres"), ("receive", "changes", "burst", "tick")
RATE, SENDERS = 100.0, 20
P95, P99 = 0.050, 0.250

SERVE = """
from zoho_pipeline.settings import load_settings
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.serving import server
sock = server.listen("127.0.0.1", 0)
def load():
    return create_app(load_settings(), ServiceSettings())
server.serve(load, sock, lambda: print(sock.getsockname()[1], flush=True))
"""


def measure() -> Iterator[Figure]:
    """The 95th and 99th percentile on each engine against their goals, acknowledged records that a kill lost, the way
    from Zoho to lists and facts, a burst, and the renewal tick."""
    engines, parts = _chosen("BENCH_PUSH_ENGINES", ENGINES), _chosen("BENCH_PUSH_PARTS", PARTS)
    for engine in engines:
        for measured in (_receiving, _push_lanes.measure):
            with running_postgres() if engine == "postgres" else nullcontext("") as url:
                yield from measured(engine, url, parts)


def _chosen(variable: str, known: tuple[str, ...]) -> list[str]:
    """The words of a variable, in the order of the known ones; all of them if it is not set."""
    wanted = os.environ.get(variable, " ".join(known)).replace(",", " ").split()
    if unknown := [word for word in wanted if word not in known]:
        raise SystemExit(f"{variable} has no {unknown[0]!r}. It takes any of: {' '.join(known)}.")
    return [word for word in known if word in wanted]


def _receiving(engine: str, url: str, parts: Collection[str]) -> Iterator[Figure]:
    if "receive" in parts:
        yield from _on("Postgres" if engine == "postgres" else "SQLite", url)


def _on(engine: str, url: str) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        env = {"ZOHO_PIPELINE_HOME": str(Path(folder) / "home"), **({"ZOHO_PIPELINE_REGISTRY": url} if url else {})}
        registry = Registry(load_settings(env))
        registry.add("acme", Secret("1000.bench"), CONNECTION)
        given = {"hook": hooks.new_secret(), "token": hooks.new_secret()}
        SubscriptionStore(registry).insert("acme", "1", given, registry.database.now())
        with _serving(env) as (server, port):
            load = _Load(port, given["hook"].reveal(), given["token"].reveal())
            load.run(SECONDS, kill=server)
        with registry.database.read() as transaction:
            stored = set(transaction.scalars(select(tables.push_dirty.c.record_id)))
    times = sorted(load.times)
    for share, goal in ((0.95, P95), (0.99, P99)):
        found = times[int(len(times) * share) - 1]
        what = f"{engine}: p{share * 100:.0f} of {len(times)} deliveries at {len(times) / SECONDS:.0f}/s"
        yield Figure(what, f"{found * 1000:.0f} ms", f"a goal of {goal * 1000:.0f} ms", found / goal, 1.0)
    lost = len(load.acknowledged - stored)
    what = f"{engine}: acknowledged records that a kill lost"
    yield Figure(what, str(lost), f"{len(load.acknowledged)} acknowledged", float(lost), 0.0)


class _Load:
    """Senders that keep a common rate, each with a connection of its own."""

    def __init__(self, port: int, hook: str, token: str) -> None:
        self._port, self._path, self._token = port, f"{hooks.WEBHOOK}/{hook}", token
        self._guard = threading.Lock()
        self._next = 0
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
                body = {"module": "Leads", "ids": [str(10**6 + number)], "operation": "update", "token": self._token}
                connection.request("POST", self._path, json.dumps(body | {"server_time": int(time.time() * 1000)}))
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    with self._guard:
                        self.times.append(time.perf_counter() - due)
                        self.acknowledged.add(str(10**6 + number))


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

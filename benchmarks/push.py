"""Measures notifications: how quickly they are received, and when lists and numbers show them.

The receiving: 100 deliveries per second from 20 senders for a minute, on SQLite and on Postgres. The web server runs in
a process of its own, and is killed right behind a 200: each acknowledged record must be in the registry. The rest is in
`_push_lanes.py`. BENCH_PUSH_PARTS and BENCH_PUSH_ENGINES choose parts of it: all of them take half an hour.
BENCH_PUSH_SECONDS, BENCH_PUSH_CHANGES, BENCH_PUSH_BURST and BENCH_PUSH_SUBSCRIBED make them shorter.
"""

import json
import os
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from pathlib import Path

from sqlalchemy import select

from benchmarks import Figure, _push_lanes
from benchmarks._senders import Senders, serving
from tests.channels.conftest import CONNECTION
from tests.postgres import running_postgres
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.push import hooks
from zoho_pipeline.push.store import SubscriptionStore
from zoho_pipeline.settings import Secret, load_settings

SECONDS = float(os.environ.get("BENCH_PUSH_SECONDS", "60"))
ENGINES, PARTS = ("sqlite", "postgres"), ("receive", "changes", "burst", "tick")
RATE = 100.0
P95, P99 = 0.050, 0.250


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
        with serving(env) as (server, port):
            load = _Deliveries(port, given["hook"].reveal(), given["token"].reveal())
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


class _Deliveries(Senders):
    """Each delivery names one lead."""

    def __init__(self, port: int, hook: str, token: str) -> None:
        super().__init__(port, RATE)
        self._path, self._token = f"{hooks.WEBHOOK}/{hook}", token

    def request(self, number: int) -> tuple[str, str, dict[str, str], str | None]:
        id_ = str(10**6 + number)
        body = {"module": "Leads", "ids": [id_], "operation": "update", "token": self._token}
        return self._path, json.dumps(body | {"server_time": int(time.time() * 1000)}), {}, id_

"""Measures the web server on published marts of many channels, against a bare FastAPI route with the same bytes.

BENCH_WEB=500x100 uses less data: 500 channels with 100 leads each. BENCH_WEB_SECONDS and BENCH_WEB_REQUESTS shorten
the loads. BENCH_WEB_CROWD=1000x100x50000 are the streams and the consents beside a running sync, and the leads of that
sync. The load generator runs in this process, and each server in a process of its own.
"""

import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread

import httpx
from sqlalchemy import insert

from benchmarks import Figure
from benchmarks._http_load import Connection, closed, steady
from benchmarks._stream_crowd import CLIENT, CLIENT_SECRET, Crowd, connect_all, follow_all, running_zoho
from benchmarks.raw_world import fill, touch
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.database.clock import DatabaseClock
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse
from zoho_pipeline.web.auth.tokens import EMBED, Tokens
from zoho_pipeline.web.serving.worker_process import COMMAND

CHANNELS, LEADS = (int(part) for part in os.environ.get("BENCH_WEB", "5000x100").split("x"))
SECONDS = float(os.environ.get("BENCH_WEB_SECONDS", "30"))
REQUESTS = int(os.environ.get("BENCH_WEB_REQUESTS", "100000"))
STREAMS, CONNECTS, SYNCED = (int(part) for part in os.environ.get("BENCH_WEB_CROWD", "1000x100x50000").split("x"))
RATE = 50.0
TENANT, PUBLIC_URL = "bench", ServiceSettings.public_url
READS = {"channel": "/v1/channels/{}", "insight": "/v1/channels/{}/insight", "leads": "/v1/channels/{}/leads"}

SERVE = """
from zoho_pipeline.settings import load_settings
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.http.rate_limits import RateLimits
from zoho_pipeline.web.serving import server
sock = server.listen("127.0.0.1", 0)
def load():
    limits = RateLimits(per_minute=10**9)  # one key sends what many would send
    return create_app(load_settings(), ServiceSettings(), rate_limits=limits)
server.serve(load, sock, lambda: print(sock.getsockname()[1], flush=True))
"""
BARE = """
import sys
from fastapi import FastAPI, Response
from zoho_pipeline.web.serving import server
body, app = open(sys.argv[1], "rb").read(), FastAPI()

@app.get("/bytes")
async def bytes_() -> Response:
    return Response(body, media_type="application/json")

sock = server.listen("127.0.0.1", 0)
server.serve(lambda: app, sock, lambda: print(sock.getsockname()[1], flush=True))
"""
BEGIN = """
from zoho_pipeline.cli import serve  # what the command line imports before the command runs
from zoho_pipeline.settings import load_settings
from zoho_pipeline.service_settings import load_service_settings
from zoho_pipeline.web.serving import server, worker_process
load_settings(), load_service_settings()
server.listen("127.0.0.1", 0).close()
"""
WHOLE = """
from zoho_pipeline.settings import load_settings
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.web.app import create_app
create_app(load_settings(), ServiceSettings())
"""


class World:
    """A HOME with published marts, a registry of the same channels, and a key that sees them all."""

    def __init__(self, home: Path) -> None:
        self.settings: Settings = load_settings({"ZOHO_PIPELINE_HOME": str(home)}, dotenv=home / "no.env")
        self.settings.ensure_home()
        self.warehouse: Warehouse = open_warehouse(self.settings)
        fill(self.warehouse, CHANNELS, LEADS)
        transform(self.warehouse)
        self.registry = Registry(self.settings)
        self._register()
        _, key = ApiKeys(self.registry.database).add("bench", tenants=[TENANT], scopes=["read", "pii"])
        self.headers = {"Authorization": f"Bearer {key.reveal()}"}
        self._key_id = key.reveal().split("_")[1]
        self._tokens = Tokens(self.settings.secret_keys, PUBLIC_URL, DatabaseClock(self.registry.database))
        self.env = {**os.environ, "ZOHO_PIPELINE_HOME": str(home)}

    def page(self, channel_id: str) -> str:
        """The path of a channel's page in a frame, with a link that lives for ten minutes."""
        claims = {"sub": "u", "ten": TENANT, "chs": [channel_id], "scp": ["read", "pii"], "key": self._key_id}
        link, _ = self._tokens.make(EMBED, 600, **claims, org="https://app.example.com")
        return f"/embed/channels/{channel_id}?t={link}"

    def _register(self) -> None:
        with self.registry.database.write() as transaction:
            now = self.registry.database.now_in(transaction)
            same = {
                "tenant": TENANT, "data_center": "in", "accounts_server": "https://accounts.zoho.in",
                "api_domain": "https://www.zohoapis.in", "timezone": "Asia/Kolkata", "currency": "INR",
                "missing_scopes": [], "status": "active", "field_map": {}, "lead_source_map": {}, "parameters": {},
                "refresh_seal": "none", "refresh_fingerprint": "none", "connected_at": now, "created_at": now,
            }  # fmt: skip
            rows = [{**same, "channel_id": f"ch{number}", "org_name": f"Company {number}"} for number in ids()]
            transaction.execute(insert(tables.channels), rows)
            part = {"module": "Leads", "upper_bound": now, "outcome": "complete", "route": "coql", "synced_at": now}
            modules = [{**part, "channel_id": f"ch{number}", "rows": LEADS, "credits": 3.0} for number in ids()]
            transaction.execute(insert(tables.modules), modules)


def ids() -> range:
    return range(CHANNELS)


def measure() -> Iterator[Figure]:
    """Reads at 50 requests per second, throughput, reads while marts are published, start, and memory."""
    yield from _start()
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        with _server(SERVE, world.env) as (port, process):
            yield from _reads(port, world)
            yield from _throughput(port, world, Path(folder))
            yield from _publishing(port, world)
            yield from _memory(port, process, world)
        yield from _crowd(Path(folder) / "crowd")


def _paths(world: World) -> dict[str, Callable[[str], str]]:
    """Name → the path of a channel: those of the API, and the page in a frame."""
    return {name: path.format for name, path in READS.items()} | {"page": world.page}


def _reads(port: int, world: World) -> Iterator[Figure]:
    chosen = random.Random(1)
    for name, path in _paths(world).items():
        paths = (path(f"ch{chosen.choice(ids())}") for _ in itertools.count())
        load = steady(port, paths, world.headers, RATE, SECONDS)
        what = f"{name} of a random channel, {RATE:g} requests per second"
        yield _milliseconds(f"{what}: p95", load.percentile(0.95), 50)
        yield _milliseconds(f"{what}: p99", load.percentile(0.99))
        yield Figure(f"{name}: answers that are no 200", f"{load.errors}", "0", float(load.errors), 0.0)


def _throughput(port: int, world: World, folder: Path) -> Iterator[Figure]:
    import asyncio

    for name, path in _paths(world).items():
        paths = [path("ch7")]
        status, body = asyncio.run(Connection(port).get(paths[0], world.headers))
        assert status == 200, (name, status, body[:300])
        file = folder / f"{name}.json"
        file.write_bytes(body)
        with _server(BARE, world.env, str(file)) as (bare_port, _):
            ours, bare = [], []
            for _ in range(3):
                bare.append(closed(bare_port, ["/bytes"], {}, REQUESTS // 20).per_second)
                ours.append(closed(port, paths, world.headers, REQUESTS // 20).per_second)
        sides = f"{median(ours):,.0f}/s", f"{median(bare):,.0f}/s"
        ratio = median(ours) / median(bare)
        yield Figure(f"{name} ({len(body):,} bytes), unchanged / bare route", *sides, ratio, 0.5, at_least=True)


def _publishing(port: int, world: World) -> Iterator[Figure]:
    """Publish again and again, one changed channel at a time, while pages are read."""
    chosen, done, published = random.Random(2), Event(), []

    def publish() -> None:
        for minute in itertools.count(1):
            touch(world.warehouse, "ch1", minute)
            transform(world.warehouse)
            published.append(minute)
            if done.is_set():
                return

    thread = Thread(target=publish)
    thread.start()
    paths = (READS["leads"].format(f"ch{chosen.choice(ids())}") for _ in itertools.count())
    load = steady(port, paths, world.headers, RATE, SECONDS)
    done.set()
    thread.join()
    what = f"leads while marts are published {len(published)} times"
    yield Figure(f"{what}: answers that are no 200", f"{load.errors}", "0", float(load.errors), 0.0)
    yield _milliseconds(f"{what}: p99", load.percentile(0.99), 500)


def _memory(port: int, process: "subprocess.Popen[str]", world: World) -> Iterator[Figure]:
    paths = [READS["leads"].format(f"ch{number}") for number in ids()]
    closed(port, paths, world.headers, REQUESTS // 5)
    before = _resident(process)
    load = closed(port, paths, world.headers, REQUESTS)
    after = _resident(process)
    what = f"memory of the server after {REQUESTS:,} more requests / before"
    yield Figure(what, f"{after:.0f} MB", f"{before:.0f} MB", after / before, 1.1)
    yield Figure("these requests: answers that are no 200", f"{load.errors}", "0", float(load.errors), 0.0)


def _crowd(home: Path) -> Iterator[Figure]:
    """Streams of events and whole consents beside a sync that runs, with a worker beside the server."""
    crowd, opened = Crowd(), Event()
    with running_zoho(CONNECTS, SYNCED, f"{PUBLIC_URL}/zohoCrm/callback") as zoho:
        given = {"HOME": str(home), "SYNC_LAG": "0", "DATA_CENTERS": json.dumps({"sim": zoho["url"]})}
        env = {f"ZOHO_PIPELINE_{name}": value for name, value in given.items()}
        env |= {"ZOHO_CLIENT_ID": CLIENT, "ZOHO_CLIENT_SECRET": CLIENT_SECRET}
        registry = Registry(load_settings(env, dotenv=home / "no.env"))
        register_from_refresh_token(registry, "live", Secret(zoho["token"]), data_center="sim", tenant=TENANT)
        keys = [_headers(registry, "read", "sync", "connect") for _ in range(-(-STREAMS // 500))]
        env = os.environ | env
        with _server(SERVE, env) as (port, process), _beside([*COMMAND], env):
            before = _resident(process)
            streams = Thread(target=follow_all, args=(port, keys, STREAMS, opened, crowd))
            streams.start()
            opened.wait()
            held = _resident(process)
            began = time.perf_counter()
            httpx.post(
                f"http://127.0.0.1:{port}/v1/channels/live/syncs", headers=keys[0], timeout=60
            ).raise_for_status()
            taken, failed = connect_all(port, keys[0], CONNECTS)
            streams.join()
    beside = f"beside a sync of {SYNCED:,} leads and {STREAMS:,} streams"
    told = sorted(crowd.finished_at)
    yield Figure(
        "streams that were opened", f"{len(crowd.opened)}", f"{STREAMS}", len(crowd.opened) / STREAMS, 1.0, True
    )
    yield Figure("streams that heard the end of the sync", f"{len(told)}", f"{STREAMS}", len(told) / STREAMS, 1.0, True)
    yield _milliseconds("the last stream heard it after the first one", told[-1] - told[0])
    yield Figure("the sync with its publication", f"{told[0] - began:.1f} s", "1 s", told[0] - began)
    yield Figure(f"memory with {STREAMS:,} streams", f"{held:.0f} MB", f"{before:.0f} MB without", held / before)
    yield Figure(f"consents {beside} that failed", f"{failed}", f"0 of {CONNECTS}", float(failed), 0.0)
    ordered = sorted(taken)
    yield _milliseconds(f"our three answers of a consent {beside}: p95", ordered[int(0.95 * (len(ordered) - 1))])


def _headers(registry: Registry, *scopes: str) -> dict[str, str]:
    _, key = ApiKeys(registry.database).add("crowd", tenants=[TENANT], scopes=scopes)
    return {"Authorization": f"Bearer {key.reveal()}"}


def _start() -> Iterator[Figure]:
    """CPU seconds until the server answers `/healthz`, and until the whole application answers."""
    codes = {"bare": "import fastapi, duckdb", "begin": BEGIN, "whole": WHOLE}
    taken: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(5):
        for name, code in codes.items():
            taken[name].append(_cpu_seconds(code))
    bare, begin, whole = (median(taken[name]) for name in codes)
    against = "import of fastapi and duckdb"
    yield Figure(f"start until /healthz answers / {against}", f"{begin:.2f} s", f"{bare:.2f} s", begin / bare, 1.5)
    yield Figure(f"start until every route answers / {against}", f"{whole:.2f} s", f"{bare:.2f} s", whole / bare)


def _cpu_seconds(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _milliseconds(what: str, seconds: float, bar: float | None = None) -> Figure:
    if bar is None:
        return Figure(what, f"{1000 * seconds:.1f} ms", "1 ms", 1000 * seconds)
    return Figure(what, f"{1000 * seconds:.1f} ms", f"{bar:g} ms", 1000 * seconds / bar, 1.0)


def _resident(process: "subprocess.Popen[str]") -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


@contextmanager
def _beside(command: list[str], env: dict[str, str]) -> Iterator[None]:
    """A program that runs beside the block and is ended with it."""
    process = subprocess.Popen(  # a worker beside a server ends with its input
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.communicate()


@contextmanager
def _server(code: str, env: dict[str, str], *arguments: str) -> "Iterator[tuple[int, subprocess.Popen[str]]]":
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline()), process
    finally:
        process.terminate()
        process.wait(30)

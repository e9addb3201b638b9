"""A sync is killed at any instant and run again: raw equals the source, and at most one step is read twice."""

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from tests.params import both_engines
from zoho_pipeline.settings import PipelineError

ROOT = Path(__file__).parents[3]


def start(bench: SyncBench, route: str = "records", **environment: str) -> "subprocess.Popen[bytes]":
    warehouse = "-" if bench.warehouse.dialect == "duckdb" else bench.settings.warehouse_url
    arguments = ["sync", str(bench.settings.home), bench.sim.url, warehouse, route]
    command = [sys.executable, "-m", "tests.ingest.syncing", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, **environment})


def kill_when(killed: "subprocess.Popen[bytes]", reached: Callable[[], bool]) -> None:
    """Send SIGKILL when the condition becomes true, or at the end if it never does."""
    deadline = time.monotonic() + 120
    try:
        while killed.poll() is None and not reached() and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        killed.kill()
        killed.communicate()


def calls(bench: SyncBench, part: str) -> int:
    return sum(1 for call in bench.sim.requests if part in call.path)


def insert_old(bench: SyncBench, rows: int) -> None:
    base = int(bench.sim.clock.seconds()) - 1_000_000
    bench.org.insert_many(
        "Leads", [{"Last_Name": f"L{n}", "Created_Time": base + n, "Modified_Time": base + n} for n in range(rows)]
    )


def loaded(bench: SyncBench) -> int:
    with suppress(PipelineError, duckdb.Error):  # the other process may have the file open
        return int(bench.rows("select count(*) as n from zoho_raw.leads")[0]["n"]) if tables(bench) else 0
    return 0


STAGES = {
    "first page": ("records", lambda bench: calls(bench, "/v7/Leads") >= 3),
    "later page": ("records", lambda bench: calls(bench, "/v7/Leads") >= 9),
    "job": ("bulk", lambda bench: calls(bench, "/bulk/") >= 1),
    "download": ("bulk", lambda bench: calls(bench, "/result") >= 1),
}


@pytest.mark.long
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_sync_loses_nothing(bench: SyncBench, stage: str) -> None:
    route, reached = STAGES[stage]
    bench.connect(ALL_SCOPES if route == "bulk" else PLAIN_SCOPES)
    insert_old(bench, 2_000)
    kill_when(start(bench, route), lambda: reached(bench))
    bench.org.update("Leads", next(iter(bench.org.modules["Leads"].rows)), {"Company": "after the crash"})
    bench.sync("Leads")
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
@pytest.mark.parametrize("warehouse_env", ["duckdb", "postgres"], indirect=True)
@pytest.mark.parametrize("route", ["records", "bulk"])
@pytest.mark.parametrize("delay", [0.2, 0.6, 1.0, 1.5, 2.2, 3.0])
def test_kills_at_any_instant_lose_nothing(bench: SyncBench, route: str, delay: float) -> None:
    """The instant is counted from the first call, so that kills hit reading, packing, loading and merging."""
    bench.connect(ALL_SCOPES if route == "bulk" else PLAIN_SCOPES)
    insert_old(bench, 3_000)
    for _ in range(2):
        process, called = start(bench, route), calls(bench, "/crm/")
        instant: list[float] = []

        def reached(instant: list[float] = instant, called: int = called) -> bool:
            if not instant and calls(bench, "/crm/") > called:
                instant.append(time.monotonic() + delay)
            return bool(instant) and time.monotonic() >= instant[0]

        kill_when(process, reached)
    bench.sync("Leads")
    ledger.assert_equal(bench, "Leads")


@both_engines("postgres")
def test_a_killed_first_load_goes_on_where_it_was(bench: SyncBench) -> None:
    """The second process continues after the last loaded step."""
    insert_old(bench, 3_000)
    kill_when(start(bench), lambda: loaded(bench) > 0)
    there = loaded(bench)
    before = calls(bench, "/v7/Leads")
    bench.sync("Leads")
    ledger.assert_equal(bench, "Leads")
    if there >= 400:
        assert calls(bench, "/v7/Leads") - before <= (3_000 - there + 400) // 200 + 4


def tables(bench: SyncBench) -> bool:
    with bench.warehouse.connect() as connection:
        return "leads" in connection.tables("zoho_raw")


def test_an_older_package_cannot_overwrite_newer_rows(bench: SyncBench) -> None:
    from datetime import UTC, datetime, timedelta

    from zoho_pipeline.ingest.catalog.tables import LEADS
    from zoho_pipeline.ingest.extract.modules import module_spec
    from zoho_pipeline.ingest.load.loader import Loader

    def leads(company: str, changed: str, read: datetime) -> object:
        rows = [{"id": "1", "Company": company, "Modified_Time": changed}]
        return module_spec("Leads").convert(rows, "acme", read).table

    loader = Loader(bench.settings, bench.warehouse, "acme")
    loader.ensure_tables()
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    stored = {LEADS.name: [leads("new", "2026-05-01T11:00:00+00:00", noon)]}
    loader.load(stored)  # type: ignore[arg-type]
    loader.load({LEADS.name: [leads("old", "2026-05-01T10:00:00+00:00", noon)]})  # type: ignore[list-item]
    loader.load({LEADS.name: [leads("older", "2026-05-01T11:00:00+00:00", noon - timedelta(hours=1))]})  # type: ignore[list-item]
    assert [row["company"] for row in bench.rows("select company from zoho_raw.leads")] == ["new"]
    loader.load({LEADS.name: [leads("newest", "2026-05-01T11:00:00+00:00", noon + timedelta(hours=1))]})  # type: ignore[list-item]
    assert [row["company"] for row in bench.rows("select company from zoho_raw.leads")] == ["newest"]


@pytest.mark.long
def test_a_sync_reports_to_nobody(bench: SyncBench) -> None:
    """dlt sends telemetry about each run, unless this is switched off before dlt reads its configuration."""
    insert_old(bench, 3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        syncing = start(bench, RUNTIME__DLTHUB_TELEMETRY="true", RUNTIME__DLTHUB_TELEMETRY_ENDPOINT=endpoint)
        syncing.communicate()
        assert syncing.returncode == 0
        assert not select.select([listener], [], [], 0.2)[0]
    ledger.assert_equal(bench, "Leads")

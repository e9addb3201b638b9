"""kill -9 at any instant, then a rerun: equal to the source, with at most one step read again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import Bench

ROOT = Path(__file__).parents[2]


def start(bench: Bench) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "tests.ingest.syncing", str(bench.settings.home), bench.sim.url]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def leads_calls(bench: Bench) -> int:
    return sum(1 for call in bench.sim.requests if call.path.endswith("/Leads"))


@pytest.mark.parametrize("calls", [3, 9])
def test_a_killed_sync_loses_nothing(bench: Bench, calls: int) -> None:
    base = int(bench.sim.clock.seconds()) - 1_000_000
    bench.org.insert_many(
        "Leads", [{"Last_Name": f"L{n}", "Created_Time": base + n, "Modified_Time": base + n} for n in range(2_000)]
    )
    killed = start(bench)
    try:
        deadline = time.monotonic() + 120
        while leads_calls(bench) < calls and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        os.kill(killed.pid, signal.SIGKILL)
        killed.communicate()
    bench.org.update("Leads", next(iter(bench.org.modules["Leads"].rows)), {"Company": "after the crash"})
    bench.sync("Leads")
    ledger.assert_equal(bench, "Leads")


def test_a_killed_first_load_goes_on_where_it_was(bench: Bench) -> None:
    """The second process reads on from the last loaded step."""
    base = int(bench.sim.clock.seconds()) - 1_000_000
    bench.org.insert_many(
        "Leads", [{"Last_Name": f"L{n}", "Created_Time": base + n, "Modified_Time": base + n} for n in range(3_000)]
    )
    killed = start(bench)
    deadline = time.monotonic() + 120
    while killed.poll() is None and time.monotonic() < deadline:
        there = bench.rows("select count(*) as n from zoho_raw.leads")[0]["n"] if tables(bench) else 0
        if there:
            break
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    loaded = bench.rows("select count(*) as n from zoho_raw.leads")[0]["n"]
    before = leads_calls(bench)
    bench.sync("Leads")
    ledger.assert_equal(bench, "Leads")
    if loaded >= 400:
        assert leads_calls(bench) - before <= (3_000 - loaded + 400) // 200 + 4


def tables(bench: Bench) -> bool:
    with bench.warehouse.connect() as connection:
        return "leads" in connection.tables("zoho_raw")


def test_an_older_package_cannot_overwrite_newer_rows(bench: Bench) -> None:
    from datetime import UTC, datetime, timedelta

    from zoho_pipeline.ingest.catalog import LEADS
    from zoho_pipeline.ingest.loader import Loader
    from zoho_pipeline.ingest.targets import module_target

    def leads(company: str, changed: str, read: datetime) -> object:
        rows = [{"id": "1", "Company": company, "Modified_Time": changed}]
        return module_target("Leads").convert(rows, "acme", read).table

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

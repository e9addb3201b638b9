"""Compares the transform with the same SELECTs as plain SQL: one `create table … as` per model in the same engine.

Plain SQL has no checks, no fingerprints, no order of rows and no publishing, so the figure shows what the runner adds.
Both begin with the same raw tables and end with the marts on disk. On DuckDB, the files have the same format, and the
sessions the same settings (compression, memory). Seconds are CPU seconds.
BENCH_WORLD=20x2000 uses less data: 20 channels with 2,000 leads each.

Then a full rebuild of many channels in batches is compared with one in one batch, each in a process of its own:
BENCH_BATCHES=5000x100x2000 has 5,000 channels with 100 leads each, and a budget of 2,000 MB.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from benchmarks import Figure
from benchmarks.plain_sql import build_with_plain_sql
from benchmarks.raw_world import fill, touch
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

FULL_BAR, ONE_CHANNEL_BAR, GROWTH_BAR = 1.3, 0.05, 1.25
PEAK_BAR, BATCHES_BAR = 1.0, 1.1
ROUNDS = 2
CHANGES = 3


def measure() -> Iterator[Figure]:
    """Measure DuckDB with much data and with a quarter of it, then Postgres with little data."""
    channels, leads = _world("BENCH_WORLD", "100x10000")
    with tempfile.TemporaryDirectory() as folder:
        quarter = _filled(f"duckdb:///{folder}/quarter.duckdb", channels, leads // 4)
        small, _ = _full(quarter)
        whole = _filled(f"duckdb:///{folder}/whole.duckdb", channels, leads)
        large, plain = _full(whole)
        yield from _figures(whole, large, plain, f"DuckDB, {channels} × {leads:,} leads", ONE_CHANNEL_BAR)
        sides = f"{large:.2f} s", f"4 × {small:.2f} s"
        yield Figure("DuckDB: four times the leads, full rebuild", *sides, large / small / 4, GROWTH_BAR)
    with tempfile.TemporaryDirectory() as folder:
        yield from _batches(f"duckdb:///{folder}/many.duckdb")
    channels, leads = _world("BENCH_POSTGRES_WORLD", "100x400")
    from tests.postgres import running_postgres

    with running_postgres() as url:
        warehouse = _filled(url, channels, leads)
        yield from _figures(warehouse, *_full(warehouse, rounds=1), f"Postgres, {channels} × {leads:,} leads", None)


def _batches(url: str) -> Iterator[Figure]:
    """The same full rebuild within a budget, and in one batch because the budget is huge."""
    channels, leads, megabytes = map(int, os.environ.get("BENCH_BATCHES", "2000x100x1300").split("x"))
    budget = megabytes * 1_000_000
    _filled(url, channels, leads)
    once, batches = _once(url, 10**15), _once(url, budget)
    where = f"DuckDB, {channels:,} × {leads:,} leads in {batches['batches']} batches"
    peaks = f"{batches['peak'] / 1e6:.0f} MB", f"{budget / 1e6:.0f} MB; {once['peak'] / 1e6:.0f} MB in one batch"
    yield Figure(f"{where}: peak of memory / the budget", *peaks, batches["peak"] / budget, PEAK_BAR)
    seconds = f"{batches['cpu']:.2f} s", f"{once['cpu']:.2f} s"
    yield Figure(f"{where}: full rebuild / in one batch", *seconds, batches["cpu"] / once["cpu"], BATCHES_BAR)


def _once(url: str, memory: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks._transform_once", url, str(memory)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _figures(warehouse: Warehouse, full: float, plain: float, where: str, one_bar: float | None) -> Iterator[Figure]:
    yield Figure(
        f"{where}: full rebuild / the same as plain SQL", f"{full:.2f} s", f"{plain:.2f} s", full / plain, FULL_BAR
    )
    one = _one_channel(warehouse)
    yield Figure(f"{where}: one channel changed / full rebuild", f"{one:.2f} s", f"{full:.2f} s", one / full, one_bar)
    nothing = _seconds(warehouse, lambda: transform(warehouse))
    yield Figure(f"{where}: nothing changed / full rebuild", f"{nothing:.2f} s", f"{full:.2f} s", nothing / full)


def _full(warehouse: Warehouse, rounds: int = ROUNDS) -> tuple[float, float]:
    """Return the smallest CPU seconds of some rounds: of the full rebuild, and of plain SQL. The two take turns."""
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(_seconds(warehouse, lambda: build_with_plain_sql(warehouse)))
        ours.append(_seconds(warehouse, lambda: transform(warehouse, full=True)))
    return min(ours), min(theirs)


def _one_channel(warehouse: Warehouse) -> float:
    taken = []
    for change in range(1, CHANGES + 1):
        touch(warehouse, "ch1", change)
        taken.append(_seconds(warehouse, lambda: transform(warehouse)))
    return median(taken)


def _filled(url: str, channels: int, leads: int) -> Warehouse:
    warehouse = open_warehouse(Settings(home=Path(), warehouse_url=url, registry_url=""))
    fill(warehouse, channels, leads)
    return warehouse


def _world(variable: str, default: str) -> tuple[int, int]:
    channels, leads = os.environ.get(variable, default).split("x")
    return int(channels), int(leads)


def _seconds(warehouse: Warehouse, work: Callable[[], object]) -> float:
    """CPU seconds of this process and of the Postgres server: they are the same on a busy and on an idle machine."""
    server, own = _server_seconds(warehouse), time.process_time()
    work()
    own = time.process_time() - own
    return own + _server_seconds(warehouse) - server


def _server_seconds(warehouse: Warehouse) -> float:
    """CPU seconds that ended sessions of the Postgres server used. 0 for DuckDB, which runs in this process."""
    if isinstance(warehouse, DuckDBWarehouse):
        return 0.0
    others = "select 1 from pg_stat_activity where application_name = 'zoho-pipeline' and pid <> pg_backend_pid()"
    busy = True
    while busy:  # an ended session still drops its temporary tables; the view does not change inside a transaction
        with warehouse.connect() as connection:
            busy = bool(connection.rows(others))
            folder = Path(connection.rows("show data_directory")[0]["data_directory"])
        time.sleep(0.2)
    time.sleep(0.5)  # until the server has noticed
    postmaster = (folder / "postmaster.pid").read_text().split()[0]
    fields = Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")  # user and system time of reaped children

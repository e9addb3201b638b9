"""Measures the publication of one changed channel of many on DuckDB, and the reads of pages meanwhile.

SQL multiplies a small world that a transform built: raw tables and published marts are doubled inside their files.
BENCH_PUBLISHED=10x2000x9 begins with 10 channels of 2,000 leads and doubles them nine times: 5,120 channels, 5.5 GB.
It needs three times that room on the disk, and half an hour to make the world. The default has 1,280 channels.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import duckdb

from benchmarks import Figure
from benchmarks.raw_world import fill, touch
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.run.published_files.files import STANDBY, STORAGE_VERSION
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import open_warehouse

CHANNELS, LEADS, DOUBLINGS = (int(part) for part in os.environ.get("BENCH_PUBLISHED", "20x200x6").split("x"))
ONE_CHANNEL_SECONDS, READ_SECONDS = 5.0, 0.5
CHANGES = 5

READ = """
import json, sys, time
from pathlib import Path
from threading import Thread
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.channel_pages import PACKED
from zoho_pipeline.warehouse.warehouse import open_warehouse

folder, channels = Path(sys.argv[1]), sys.argv[2:]
settings = Settings(home=folder, warehouse_url=f"duckdb:///{folder}/w.duckdb", registry_url="")
pool = open_warehouse(settings).published_pool()
taken, ended = [], []
def read():
    number = 0
    while not ended:
        started, number = time.perf_counter(), number + 1
        with pool.reading() as connection:
            rows = connection.fetch(PACKED, (channels[number % len(channels)],))[1]
        taken.append(time.perf_counter() - started)
        assert len(rows) == 1, rows
        time.sleep(0.02)
Thread(target=lambda: (print("reading", flush=True), sys.stdin.readline(), ended.append(True)), daemon=True).start()
read()
print(json.dumps(taken))
"""


def measure() -> Iterator[Figure]:
    """Measure changes of one channel: with the standby, and without it; then reads beside such changes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warehouse = _multiplied(folder)
        size = warehouse.published_path.stat().st_size / 1e9
        where = f"one channel changed of {CHANNELS * 2**DOUBLINGS:,}; published {size:.1f} GB"
        for number in (1, 2):  # the file is noted, and the standby is made
            _change(warehouse, number)
        with _reading(folder) as taken:
            changes = [_change(warehouse, number) for number in range(3, 3 + CHANGES)]
        wall, cpu = (median(change[place] for change in changes) for place in (0, 1))
        yield _against(where, wall, ONE_CHANNEL_SECONDS)
        standby = warehouse.published_path.with_name(warehouse.published_path.name + STANDBY)
        standby.unlink()
        copied = _change(warehouse, 3 + CHANGES)
        yield Figure(f"{where}: wall, by turns and by a copy", f"{wall:.2f} s", f"{copied[0]:.2f} s", wall / copied[0])
        yield Figure(f"{where}: CPU, by turns and by a copy", f"{cpu:.2f} s", f"{copied[1]:.2f} s", cpu / copied[1])
        slow = sorted(taken)[int(len(taken) * 0.99)]
        yield _against(f"reads of a page's data beside these changes, p99 of {len(taken):,}", slow, READ_SECONDS)


def _against(what: str, seconds: float, bar: float) -> Figure:
    return Figure(what, f"{seconds:.3f} s", f"{bar:.1f} s", seconds / bar, 1.0)


def _change(warehouse: DuckDBWarehouse, number: int) -> tuple[float, float]:
    """Change a channel and publish it, as a worker does; wall-clock and CPU seconds of the transform."""
    channel = f"ch{number % CHANNELS}"
    touch(warehouse, channel, number)
    wall, cpu = time.perf_counter(), time.process_time()
    report = transform(warehouse, channels=[channel])
    assert report.published
    return time.perf_counter() - wall, time.process_time() - cpu


@contextmanager
def _reading(folder: Path) -> Iterator[list[float]]:
    """Another process reads pages during the block; the seconds of each read are in the list after it."""
    channels = [f"ch{number}" for number in range(CHANNELS)]
    command = [sys.executable, "-c", READ, str(folder), *channels]
    taken: list[float] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        yield taken
        answer, _ = reader.communicate("end\n")
    assert reader.returncode == 0, "a read failed"
    taken += json.loads(answer)


def _multiplied(folder: Path) -> DuckDBWarehouse:
    settings = Settings(home=folder, warehouse_url=f"duckdb:///{folder}/w.duckdb", registry_url="")
    warehouse = open_warehouse(settings)
    assert isinstance(warehouse, DuckDBWarehouse)
    fill(warehouse, CHANNELS, LEADS)
    transform(warehouse)
    _double(warehouse.path, "latest")
    _double(warehouse.published_path, STORAGE_VERSION)
    return warehouse


def _double(path: Path, storage_version: str) -> None:
    """Double the channels in every table of a file, again and again. A file of the old format keeps it."""
    with duckdb.connect() as connection:
        connection.execute("set memory_limit = '3GB'; set TimeZone = 'UTC'; set disabled_compression_methods = 'fsst'")
        connection.execute(f"set temp_directory = '{path}.spill'")
        options = f"(storage_version '{storage_version}', recovery_mode 'no_wal_writes')"
        connection.execute(f"attach '{path}' as big {options}")
        tables = (
            "select schema_name, table_name from duckdb_columns() where database_name = 'big' and not internal"
            " and column_name = 'channel_id' and table_name in (select table_name from duckdb_tables())"
        )
        for schema, table in connection.execute(tables).fetchall():
            for turn in range(DOUBLINGS):
                named = f"'{chr(ord('a') + turn)}' || channel_id as channel_id"
                into = f'big."{schema}"."{table}"'
                connection.execute(f"insert into {into} select * replace ({named}) from {into}")
        connection.execute("checkpoint big")

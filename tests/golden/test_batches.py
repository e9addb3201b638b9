"""The shipped models over golden, odd and random channels and companies: batches give the cells of one batch."""

from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.golden.companies.company_ledgers import companies
from tests.golden.insight.edge_channels import edge_world
from tests.golden.insight.random_channels import random_channel, raw_of
from tests.golden.pairs.csv_pairs import BUILD_AT, given
from tests.golden.sql_lab import Row, write_raw
from tests.transform.twins import HUGE, TINY, Twins
from zoho_pipeline.transform.run.duckdb_session import OUTSIDE
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse


def write(home: Path, *worlds: dict[str, Any]) -> DuckDBWarehouse:
    """Write the rows of several worlds into one warehouse."""
    together: dict[str, list[Row]] = defaultdict(list)
    for world in worlds:
        for table, rows in world.items():
            together[table] += rows.to_pylist() if isinstance(rows, pa.Table) else rows
    home.mkdir()
    warehouse = DuckDBWarehouse.from_url(f"duckdb:///{home}/warehouse.duckdb")
    with warehouse.connect(read_only=False) as connection:
        write_raw(connection, together)
    return warehouse


@pytest.mark.long
def test_two_batches_of_random_and_odd_channels(tmp_path: Path) -> None:
    write(tmp_path / "home", raw_of([random_channel(seed) for seed in range(12)]).rows, companies(range(2)).raw())
    report, batches = Twins(tmp_path / "home", HUGE, OUTSIDE + 2_000_000).run(build_at=BUILD_AT)
    assert (len(report.channels), batches) == (14, 2)


@pytest.mark.long
def test_many_batches_of_every_golden_channel(tmp_path: Path) -> None:
    home = tmp_path / "home"
    random = raw_of([random_channel(seed) for seed in range(40)]).rows
    warehouse = write(home, given(), edge_world().rows, random, companies(range(6)).raw())
    report, batches = Twins(home, HUGE, OUTSIDE + 8_000_000, OUTSIDE + 2_000_000).run(build_at=BUILD_AT)
    assert len(report.channels) > 120
    assert batches > 4
    with warehouse.connect(read_only=False) as connection:
        for channel in ("s00001", "deals", "touches"):
            connection.execute("update zoho_raw.leads set lead_status = 'Changed' where channel_id = ?", (channel,))
    later = BUILD_AT + timedelta(hours=1)
    report, batches = Twins(home, HUGE, TINY).run(build_at=later)
    assert len(report.channels) == batches
    assert 3 <= batches < 60
    for options in ({"as_of": "2026-03-01T00:00:00Z"}, {"weekly": True}):
        _, batches = Twins(home, HUGE, OUTSIDE + 4_000_000).run(build_at=later, **options)
        assert batches > 1

"""A first load of a million leads: bounded memory, few credits, no row missing."""

from pathlib import Path

import duckdb
import pytest

from benchmarks._simulator_process import running_simulator
from benchmarks._sync_process import run

ROWS = 1_000_000


@pytest.mark.long
def test_a_million_leads_stay_under_a_gigabyte(tmp_path: Path) -> None:
    with running_simulator(ROWS) as zoho:
        first = run(tmp_path / "home", zoho.url, zoho.token)
        assert (first["rows"], first["route"]) == (ROWS, "bulk")
        assert first["peak_mb"] < 1_024
        assert first["credits"] <= 60 * ROWS // 100_000
        second = run(tmp_path / "home", zoho.url, zoho.token)
        assert (second["rows"], second["route"]) == (0, "unchanged")
        assert second["credits"] <= 3
    with duckdb.connect(str(tmp_path / "home" / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute("select count(*), count(distinct id), count(email) from zoho_raw.leads").fetchone()
    assert found == (ROWS, ROWS, ROWS)

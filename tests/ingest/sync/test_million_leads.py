"""A million leads on first load: bounded memory, few credits, nothing missing."""

from pathlib import Path

import duckdb
import pytest

from benchmarks._run import run
from benchmarks._serving import served

ROWS = 1_000_000


@pytest.mark.long
def test_a_million_leads_stay_under_a_gigabyte(tmp_path: Path) -> None:
    with served(ROWS) as zoho:
        told = run(tmp_path / "home", zoho.url, zoho.token)
        assert (told["rows"], told["route"]) == (ROWS, "bulk")
        assert told["peak_mb"] < 1_024
        assert told["credits"] <= 60 * ROWS // 100_000
        again = run(tmp_path / "home", zoho.url, zoho.token)
        assert (again["rows"], again["route"]) == (0, "unchanged")
        assert again["credits"] <= 3
    with duckdb.connect(str(tmp_path / "home" / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute("select count(*), count(distinct id), count(email) from zoho_raw.leads").fetchone()
    assert found == (ROWS, ROWS, ROWS)

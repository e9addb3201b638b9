"""The benchmark of the transform is fair: plain SQL gives the same rows that the transform publishes."""

import duckdb
import pytest

from benchmarks.plain_sql import build_with_plain_sql
from benchmarks.raw_world import fill, touch
from zoho_pipeline.reading import published
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse


@pytest.mark.long
def test_both_sides_end_with_the_same_marts(duckdb_warehouse: DuckDBWarehouse) -> None:
    fill(duckdb_warehouse, channels=3, leads=40)
    transform(duckdb_warehouse).require_complete()
    touch(duckdb_warehouse, "ch1", 1)
    assert transform(duckdb_warehouse).channels == ("ch1",)
    build_with_plain_sql(duckdb_warehouse)
    with (
        published.connect(duckdb_warehouse) as ours,
        duckdb.connect(str(duckdb_warehouse.path.with_suffix(".plain_sql.duckdb"))) as theirs,
    ):
        for mart in Project.load().marts:
            listed = f"select * from {mart} order by all"
            assert ours.fetch(listed)[1] == theirs.execute(listed).fetchall()
        assert ours.fetch("select count(*) from lead")[1] == [(120,)]

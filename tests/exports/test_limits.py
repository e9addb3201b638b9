"""A query whose answer goes into a file has limits, and one that reaches them leaves nothing."""

from pathlib import Path

import pytest

from zoho_pipeline.exports.export import export_query
from zoho_pipeline.reading.query import Limits, query_tables
from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.warehouse.warehouse import Warehouse

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select i from n"


@pytest.mark.parametrize(
    ("sql", "limits", "message"),
    [
        (f"select count(*) as n from ({ENDLESS}) as many", Limits(seconds=1), "took longer than 1 s"),
        ("select 1 as n union all select 2 union all select 3", Limits(rows=2), "more than 2 rows"),
        ("select repeat('x', 3000000) as t", Limits(answer_bytes=2**20), "have more than 1 MB"),
        ("select repeat('x', 2000000000) as t", Limits(memory_mb=64), "memory|have more than 256 MB|too large"),
        ("selec 1", Limits(), "syntax|not SELEC"),
    ],
)
def test_a_query_that_reaches_a_limit_leaves_nothing(
    marts: Warehouse, tmp_path: Path, sql: str, limits: Limits, message: str
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(QueryError, match=message):
        export_query(marts, sql, folder / "x.csv", limits=limits)
    assert list(folder.iterdir()) == []


def test_a_reader_may_leave_in_the_middle(marts: Warehouse) -> None:
    tables = query_tables(marts, "select a.id, b.id as other from lead as a, lead as b, lead as c, lead as d")
    assert next(tables).column_names == ["id", "other"]
    tables.close()


def test_the_parts_of_an_answer_have_the_same_types(marts: Warehouse) -> None:
    """On Postgres a numeric without a precision has other digits in each part."""
    many = " union all ".join(f"select {n} as n, cast({n} as decimal(9, 3)) / 7 as share" for n in range(40))
    cross = f"select a.n, a.share from ({many}) as a, ({many}) as b, ({many}) as c"
    parts = list(query_tables(marts, cross))
    assert sum(map(len, parts)) == 64_000
    assert len({str(part.schema) for part in parts}) == 1

"""A query of a person is read-only. It reads the published marts or the raw tables."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.params import choice
from tests.transform.conftest import Raw
from zoho_pipeline.reading.query import json_ready, query
from zoho_pipeline.reading.values import from_json, json_text
from zoho_pipeline.transform.errors import NotPublished, QueryError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse


def test_it_reads_the_marts_by_bare_name(marts: Warehouse) -> None:
    result = query(marts, "select channel_id, leads, amount, as_of_date from insight order by 1;")
    assert result.columns == ["channel_id", "leads", "amount", "as_of_date"]
    assert result.rows[0] == ["a", 2, 3.75, "2026-03-01"]


def test_it_reads_raw_in_the_warehouse(marts: Warehouse) -> None:
    assert query(marts, "select count(*) from zoho_raw.leads", raw=True).rows == [[3]]
    oldest = query(marts, "select min(synced_at) from leads", raw=True).rows
    assert oldest == [["2026-03-01T12:00:03+00:00"]]


WRITING = (
    "delete from lead",
    "drop table lead",
    "insert into lead select * from lead",
    "select 1; drop table lead",
    "create table x as select 1",
    "attach 'x.duckdb'",
    "copy lead to 'x.csv'",
    "set threads = 1",
    "",
    ";",
)


@pytest.mark.parametrize("on_raw", choice([False, True], [False]))
def test_anything_but_one_reading_statement_is_refused(marts: Warehouse, on_raw: bool) -> None:
    """`make test` asks the marts alone: `test_query_border` asks the raw tables for the same and for more."""
    for sql in WRITING:
        with pytest.raises(QueryError) as caught:
            query(marts, sql, raw=on_raw)
        assert caught.value.exit_code == 2
    assert query(marts, "select count(*) from lead").rows == [[3]]


def test_writing_behind_a_reading_word_is_refused_by_the_engine(marts: Warehouse) -> None:
    for on_raw, table in ((True, "zoho_raw.leads"), (False, "marts.lead")):
        with pytest.raises(QueryError):
            query(marts, f"with gone as (delete from {table} returning *) select * from gone", raw=on_raw)
        with pytest.raises(QueryError):
            query(marts, f"explain analyze delete from {table}", raw=on_raw)
    assert query(marts, "select count(*) from lead").rows == [[3]]


@pytest.mark.parametrize("on_raw", [False, True])
def test_no_other_file_can_be_reached(
    duckdb_warehouse: Warehouse, project: Callable[..., Project], tmp_path: Path, on_raw: bool
) -> None:
    Raw(duckdb_warehouse).channel("a")
    transform(duckdb_warehouse, project=project())
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(QueryError, match="disabled"):
        query(duckdb_warehouse, f"select * from read_csv('{tmp_path}/secret.csv')", raw=on_raw)


def test_a_query_before_the_first_transform_says_what_to_run(warehouse: Warehouse) -> None:
    with pytest.raises(NotPublished, match="zoho-pipeline transform"):
        query(warehouse, "select 1")
    with pytest.raises(QueryError, match="zoho-pipeline sync"):
        query(warehouse, "select 1", raw=True)


def test_the_error_of_the_engine_is_shown(marts: Warehouse) -> None:
    with pytest.raises(QueryError, match="laeds"):
        query(marts, "select laeds from insight")
    endless = (
        "with recursive n as (select 1 as i union all select i + 1 from n where i < 1000000000) select count(*) from n"
    )
    with pytest.raises(QueryError, match="longer than"):
        query(marts, endless, raw=True, timeout=0.2)


def test_a_query_on_raw_waits_for_a_load_and_one_on_marts_does_not(
    duckdb_warehouse: Warehouse, project: Callable[..., Project]
) -> None:
    raw = Raw(duckdb_warehouse)
    raw.channel("a")
    transform(duckdb_warehouse, project=project())
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(query(duckdb_warehouse, "select count(*) from leads", raw=True).rows)
    )
    with duckdb_warehouse.connect(read_only=False) as load:
        asking.start()
        assert query(duckdb_warehouse, "select count(*) from lead").rows == [[0]]
        load.execute("insert into zoho_raw.leads values ('a', '1', '1', 'web', now())")
        assert answers == []
    asking.join(timeout=30)
    assert answers == [[[1]]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Decimal("1.50"), 1.5),
        (Decimal(12345678901234567890), 12345678901234567890),
        (datetime.fromisoformat("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=5.5))), "2026-01-01T21:34:00+00:00"),
        (datetime(2026, 1, 2, tzinfo=UTC).date(), "2026-01-02"),
        (timedelta(minutes=2), 120.0),
        (float("nan"), None),
        (Decimal("NaN"), None),
        (Decimal("-Infinity"), None),
        (Decimal("1e400"), "1E+400"),
        (Decimal("1" + "0" * 5000), "1" + "0" * 5000),
        (Decimal("1234567890123456.78"), Decimal("1234567890123456.78")),
        ({"a": [Decimal("0.1")]}, {"a": [0.1]}),
        (None, None),
        (True, True),
        (b"\x00", "b'\\x00'"),
    ],
)
def test_values_are_json_ready(value: Any, shown: Any) -> None:
    assert json_ready(value) == shown


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15))
def test_a_decimal_keeps_its_digits_on_its_way(value: Decimal) -> None:
    text = json_text({"a": [json_ready(value)], "b": "x"})
    assert json.loads(text, parse_float=Decimal)["a"] == [value]
    (back,) = from_json(text)["a"]
    assert (back if isinstance(back, Decimal) else Decimal(repr(back))) == value


def test_a_value_without_json_is_refused() -> None:
    with pytest.raises(TypeError, match="set is no value"):
        json_text({1})


def test_a_query_gives_every_digit(marts: Warehouse) -> None:
    found = query(marts, "select cast('1234567890123456.78' as decimal(18, 2)) as n, 7212345678901234567 as i")
    assert found.rows == [[Decimal("1234567890123456.78"), 7212345678901234567]]


def test_a_semicolon_in_a_text_is_no_end(marts: Warehouse) -> None:
    for text in ("select ';' as a -- ; really\n;", "select ';' as a /* ; */ ; -- end"):
        assert query(marts, text).rows == [[";"]]
    with pytest.raises(QueryError):
        query(marts, "select 'open")


@pytest.mark.long
def test_no_thread_is_left_after_a_query(marts: Warehouse) -> None:
    """Python would end beside it, and DuckDB's library then prints a page about leaked functions."""
    before = set(threading.enumerate())
    for _ in range(5):
        with pytest.raises(QueryError):
            query(marts, "pragma nothing")
        assert set(threading.enumerate()) == before

"""Marts, queries and insights as frames: the same types on both engines, and nothing lost on the way."""

import json
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import zoho_pipeline
from scripts.dictionary import unit
from tests.web.world import AS_OF, publish_world
from zoho_pipeline import insight, read_mart, read_sql
from zoho_pipeline.reading.insight import read
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.errors import NotPublished, QueryError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

VALUES = """
select * from (
    select 1 as place, cast(7 as integer) as n, cast(9007199254740993 as bigint) as big, cast(12.30 as decimal(12, 2)) as amount,
      cast(0.5 as double precision) as rate, true as yes, cast('é' as varchar) as text, cast('2026-02-28' as date) as day,
      cast('2026-02-28 01:02:03.000004' as timestamp) as created_at,
      cast('2026-02-28 01:02:03' as timestamp) as created_local, cast('2026-02-28 01:02:03+02:00' as timestamptz) as instant
    union all
    select 2, null, null, cast(null as decimal(12, 2)), null, null, null, null, null, null, null
) as found order by place
"""  # noqa: E501
DTYPES = {
    "place": "Int64", "n": "Int64", "big": "Int64", "amount": "decimal128(12, 2)[pyarrow]", "rate": "float64",
    "yes": "boolean", "text": "str", "day": "datetime64[ms]", "created_at": "datetime64[us, UTC]",
    "created_local": "datetime64[us]", "instant": "datetime64[us, UTC]",
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a HOME with the published marts of the world of the web."""
    folder = tmp_path_factory.mktemp("frames")
    publish_world(folder)
    return Settings(home=folder, warehouse_url=f"duckdb:///{folder}/warehouse.duckdb", registry_url="")


def test_each_type_of_sql_has_one_type_of_pandas(marts: Warehouse) -> None:
    found = read_sql(VALUES, where=marts)
    assert {name: str(dtype) for name, dtype in found.dtypes.items()} == DTYPES
    first, second = found.iloc[0], found.iloc[1]
    assert (first.n, first.big, first.amount) == (7, 9007199254740993, Decimal("12.30"))
    assert (first.rate, first.yes, first.text) == (0.5, True, "é")
    assert first.created_at == pd.Timestamp("2026-02-28T01:02:03.000004Z")
    assert first.created_local == pd.Timestamp("2026-02-28T01:02:03")
    assert first.instant == pd.Timestamp("2026-02-27T23:02:03Z")
    assert first.day == pd.Timestamp("2026-02-28")
    assert second.drop("place").isna().all()


def test_arrow_and_polars_have_the_same_values(marts: Warehouse) -> None:
    table = read_sql(VALUES, frame="arrow", where=marts)
    assert isinstance(table, pa.Table)
    assert table["day"].to_pylist() == [date(2026, 2, 28), None]
    assert table["amount"].to_pylist() == [Decimal("12.30"), None]
    frame = read_sql(VALUES, frame="polars", where=marts)
    assert isinstance(frame, pl.DataFrame)
    assert frame.rows() == [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum(cast(9000000000000000000 as bigint)) from (values (1), (2)) as two(n)", Decimal("18000000000000000000")),
        ("sum(leads) from insight", 3),
        ("cast(1 as smallint)", 1),
        ("null", None),
        ("cast(null as decimal(5, 1))", None),
        ("cast(0.001 as decimal(20, 3))", Decimal("0.001")),
    ],
)
def test_numbers_keep_their_digits(marts: Warehouse, expression: str, expected: Any) -> None:
    assert read_sql(f"select {expression}", frame="arrow", where=marts).column(0).to_pylist() == [expected]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("cast('NaN' as numeric)", "NaN"),
        ("cast(10 as numeric) / 4", Decimal("2.5")),
        ("cast(1e-50 as numeric)", Decimal("1e-50")),
        ("cast(1e90 as numeric)", "1" + 90 * "0"),
        ("json_build_object('a', 1)", '{"a": 1}'),
        ("array[1, 2]", [1, 2]),
        ("array['x', null]", ["x", None]),
        ("interval '1 hour'", "1:00:00"),
    ],
)
def test_values_that_only_postgres_has(marts: Warehouse, expression: str, expected: Any) -> None:
    found = read_sql(f"select {expression} as n", frame="arrow", where=marts)["n"].to_pylist()[0]
    assert found == expected


def test_a_query_has_parameters(marts: Warehouse) -> None:
    found = read_sql("select channel_id from insight where channel_id = ? and 1 = ?", ["a", 1], where=marts)
    assert list(found.channel_id) == ["a"]


def test_repeated_names_are_told_apart(marts: Warehouse) -> None:
    found = read_sql("select 1 as n, 2 as n, 3 as n_2", frame="polars", where=marts)
    assert found.rows(named=True) == [{"n": 1, "n_3": 2, "n_2": 3}]


def test_the_raw_tables_are_read_on_request(marts: Warehouse) -> None:
    assert read_sql("select count(*) as n from zoho_raw.leads", raw=True, where=marts).n[0] == 3


WRITING = (
    "delete from lead",
    "drop table lead",
    "create table x as select 1",
    "selec",
    "select 1; drop table lead",
    "",
)


@pytest.mark.parametrize("sql", WRITING)
def test_what_does_not_read_is_refused(marts: Warehouse, sql: str) -> None:
    with pytest.raises(QueryError):
        read_sql(sql, where=marts)
    assert len(read_mart("lead", where=marts)) == 3


@pytest.mark.parametrize(
    "sql", ["select 1; select 2", "select ';' as a; select 1 as b;", "select 1 /* ; */; values (2)"]
)
def test_several_statements_are_refused_with_a_cure(marts: Warehouse, sql: str) -> None:
    """Both engines run all of them, and answer the last one."""
    with pytest.raises(QueryError, match=r"give one statement, .* call read_sql several times"):
        read_sql(sql, where=marts)


@pytest.mark.parametrize("sql", ["select ';' as a", "select 'x' as a; ;", "select $$;$$ as a -- ; select 2"])
def test_a_semicolon_within_one_statement_is_taken(marts: Warehouse, sql: str) -> None:
    assert len(read_sql(sql, where=marts)) == 1


def test_a_mart_of_some_channels_and_columns(marts: Warehouse) -> None:
    assert set(read_mart("lead", where=marts).channel_id) == {"a", "b"}
    found = read_mart("lead", channels=["b"], columns=["id", "channel_id"], where=marts)
    assert list(found.columns) == ["id", "channel_id"]
    assert set(found.channel_id) == {"b"}
    assert read_mart("lead", channels=[], where=marts).empty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mart": "leed"}, "there is no mart 'leed'. Did you mean 'lead'?"),
        ({"mart": "zzz"}, "there is no mart 'zzz'. There are: insight, lead."),
        ({"mart": 'lead" --'}, "there is no mart 'lead\" --'. "),
        ({"mart": "lead", "columns": ["chanel_id"]}, "lead has no column 'chanel_id'. Did you mean 'channel_id'?"),
        ({"mart": "lead", "channels": "acme"}, "channels='acme' is one text. Give a list: channels=['acme']"),
        ({"mart": "lead", "channels": ["aa"]}, "the marts have no channel 'aa'. Did you mean 'a'?"),
        ({"mart": "lead", "channels": ["' or true --"]}, 'the marts have no channel "\' or true --". There are: a, b.'),
        ({"mart": "lead", "columns": "id"}, "columns='id' is one text. Give a list: columns=['id']"),
        ({"mart": "lead", "columns": []}, "`columns` is empty. Leave it out to read all columns, or name some."),
        ({"mart": "lead", "frame": "spark"}, "frame='spark' is not known. Give one of: 'pandas', 'arrow', 'polars'."),
    ],
)
def test_a_wrong_argument_is_named_with_its_cure(marts: Warehouse, options: dict[str, Any], message: str) -> None:
    with pytest.raises(QueryError) as caught:
        read_mart(**options, where=marts)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_numbers_without_a_sign_and_nanoseconds_lose_nothing(marts: Warehouse) -> None:
    """Only DuckDB has these types."""
    sql = "select cast(18446744073709551615 as ubigint) as big, cast(7 as ubigint) as small"
    sql += ", cast('2026-01-01 00:00:00.123456789' as timestamp_ns) as fine"
    table = read_sql(sql, frame="arrow", where=marts)
    assert [table.column(name)[0].as_py() for name in ("big", "small")] == [18446744073709551615, 7]
    assert table.column("fine")[0].value == 1767225600123456789
    in_pandas, in_polars = read_sql(sql, where=marts), read_sql(sql, frame="polars", where=marts)
    assert [int(in_pandas[name][0]) for name in ("big", "small")] == [18446744073709551615, 7]
    assert in_pandas["fine"][0].value == in_polars["fine"].dt.epoch("ns")[0] == 1767225600123456789
    assert in_polars["big"][0] == 18446744073709551615


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
@pytest.mark.parametrize(("frame", "value"), [("pandas", "cast('24:00:00' as time)"), ("polars", "interval '1 month'")])
def test_a_value_that_a_frame_cannot_hold_is_named_with_its_cure(marts: Warehouse, frame: Any, value: str) -> None:
    with pytest.raises(QueryError, match=r"does not fit into frame=.*cast … as varchar.*frame='arrow'"):
        read_sql(f"select {value} as found", frame=frame, where=marts)


def test_before_the_first_transform_the_cure_is_named(tmp_path: Path) -> None:
    empty = Settings(home=tmp_path, warehouse_url=f"duckdb:///{tmp_path}/warehouse.duckdb", registry_url="")
    for ask in (lambda: read_mart("lead", where=empty), lambda: insight("acme", where=empty)):
        with pytest.raises(NotPublished, match="zoho-pipeline transform"):
            ask()


@pytest.mark.long
def test_every_shipped_mart_is_read_with_its_documented_types(shipped: Settings) -> None:
    """Each column has the type of the dictionary, also where all values are missing."""
    kinds = {
        "text": "str", "bigint": "Int64", "integer": "Int64", "boolean": "boolean", "double": "float64",
        "date": "datetime64[ms]", "timestamp": "datetime64[us",
    }  # fmt: skip
    for mart in Project.load().marts.values():
        found = read_mart(mart.name, where=shipped)
        assert list(found.columns) == [column.name for column in mart.docs.columns], mart.name
        for column in mart.docs.columns:
            kind, dtype = column.data_type, str(found[column.name].dtype)
            assert dtype.startswith(kinds.get(kind, "decimal128")), (mart.name, column.name, kind, dtype)
            if kind == "timestamp":
                assert dtype == ("datetime64[us, UTC]" if unit(mart.name, column) == "UTC" else "datetime64[us]"), (
                    column.name
                )


def test_a_mart_has_the_rows_that_sql_counts(shipped: Settings) -> None:
    warehouse = open_warehouse(shipped)
    with warehouse.published() as connection:
        assert connection is not None
        expected = connection.fetch("select n_leads from lead_volume where channel_id = 'acme' order by 1")[1]
    found = read_mart("lead_volume", channels=["acme"], where=warehouse)
    assert sorted(found.n_leads) == [row[0] for row in expected]
    assert found.n_leads.sum() == sum(row[0] for row in expected)
    instants = read_mart("channel_insight", channels=["acme"], columns=["as_of_utc"], where=warehouse).as_of_utc
    assert instants[0] == pd.Timestamp(AS_OF)


def test_an_insight_is_the_one_of_the_command_line(shipped: Settings) -> None:
    assert insight("acme", where=shipped) == read(open_warehouse(shipped), "acme")
    json.dumps(insight("acme", where=shipped))


def test_without_a_place_the_settings_of_the_environment_count(
    shipped: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(shipped.home))
    assert not read_mart("lead").empty
    assert read_sql("select count(*) as n from lead").n[0] > 100
    assert insight("acme")["data_status"] == "ok"


def test_the_package_is_imported_without_pandas() -> None:
    """Commands import the package, and a start of 1 s must not grow by the import of pandas."""
    code = "import sys, zoho_pipeline; assert not {'pandas', 'pyarrow', 'duckdb'} & set(sys.modules); zoho_pipeline.nix"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "AttributeError: module 'zoho_pipeline' has no attribute 'nix'" in ran.stderr
    assert zoho_pipeline.__all__ == ["insight", "read_mart", "read_sql", "run_in_steps", "zoho_crm"]

"""Parquet: the types of the columns are kept, and no number loses a digit."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exports.conftest import VALUES
from zoho_pipeline.exports.answer import Answer
from zoho_pipeline.exports.errors import ExportError
from zoho_pipeline.exports.export import export_query
from zoho_pipeline.exports.parquet_file import write_parquet
from zoho_pipeline.warehouse.connection import NUMBER_AS_TEXT
from zoho_pipeline.warehouse.warehouse import Warehouse


def test_each_type_is_kept(marts: Warehouse, tmp_path: Path) -> None:
    export_query(marts, VALUES, tmp_path / "values.parquet")
    table = pq.read_table(tmp_path / "values.parquet")
    assert {field.name: str(field.type) for field in table.schema} == {
        "place": "int64", "n": "int64", "big": "int64", "amount": "decimal128(12, 2)", "tiny": "decimal128(38, 20)",
        "rate": "double", "yes": "bool", "text": "string", "nothing": "string", "day": "date32[day]",
        "created_at": "timestamp[us, tz=UTC]", "created_local": "timestamp[us]", "instant": "timestamp[us, tz=UTC]",
    }  # fmt: skip
    first, second = table.to_pylist()
    assert (first["big"], first["amount"], first["nothing"]) == (9007199254740993, Decimal("12.30"), "")
    assert first["day"] == date(2026, 2, 28)
    assert first["created_at"] == datetime.fromisoformat("2026-02-28T01:02:03.000004+00:00")
    assert first["instant"] == datetime.fromisoformat("2026-02-27T23:02:03+00:00")
    assert set(second.values()) == {2, None}


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("sum(leads)", "int64", 3),
        ("sum(cast(9000000000000000000 as bigint))", "decimal128(38, 0)", Decimal("18000000000000000000")),
        ("sum(amount)", None, Decimal("5.25")),
    ],
)
def test_a_sum_has_the_type_that_its_values_need(
    marts: Warehouse, tmp_path: Path, expression: str, kind: str | None, value: Any
) -> None:
    export_query(marts, f"select {expression} as n from insight", tmp_path / "x.parquet")
    found = pq.read_table(tmp_path / "x.parquet").column("n")
    assert found.to_pylist() == [value]
    assert kind is None or str(found.type) == kind
    assert [path.name for path in tmp_path.glob("*.part")] == []


@given(st.lists(st.none() | st.decimals(allow_nan=True, allow_infinity=False).filter(lambda d: not d.is_snan())))
def test_numbers_of_any_size_come_back(tmp_path_factory: pytest.TempPathFactory, values: list[Decimal | None]) -> None:
    path = tmp_path_factory.mktemp("parquet") / "x.parquet"
    texts = [None if value is None else format(value, "f") for value in values if value is None or len(str(value)) < 90]
    field = pa.field("n", pa.string(), metadata=NUMBER_AS_TEXT)
    tables = [pa.table([pa.array(texts[place::2], pa.string())], schema=pa.schema([field])) for place in (0, 1)]
    write_parquet(path, Answer("x", iter(tables)))
    found = pq.read_table(path).column("n").to_pylist()
    for text, value in zip([*texts[0::2], *texts[1::2]], found, strict=True):
        if text is None:
            assert value is None
        elif "n" in text.lower():
            assert value.lower().lstrip("-") == "nan"
        else:
            assert Decimal(value) == Decimal(text)


def test_a_span_with_months_is_refused_with_a_cure(tmp_path: Path) -> None:
    spans = pa.table({"span": pa.array([(1, 0, 0)], pa.month_day_nano_interval())})
    with pytest.raises(ExportError, match=r'cast\("span" as varchar\)'):
        write_parquet(tmp_path / "x.parquet", Answer("x", [spans]))


@pytest.mark.parametrize(
    "value", [pa.array([0, 2**63 - 1], pa.timestamp("us", "UTC")), pa.array([None, -(2**31 - 1)], pa.date32())]
)
def test_an_infinite_time_is_refused_with_a_cure(tmp_path: Path, value: pa.Array) -> None:
    with pytest.raises(ExportError, match=r'cast\("at" as varchar\)\. Or export to \.csv'):
        write_parquet(tmp_path / "x.parquet", Answer("x", [pa.table({"at": value})]))


def test_many_tables_become_few_row_groups(tmp_path: Path) -> None:
    tables = [pa.table({"n": pa.array(range(10_000))}) for _ in range(25)]
    assert write_parquet(tmp_path / "x.parquet", Answer("x", iter(tables))) == 250_000
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups == 3


def test_an_answer_without_rows_has_its_columns(marts: Warehouse, tmp_path: Path) -> None:
    export_query(marts, "select * from lead where 1 = 0", tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet").schema.names == ["channel_id", "id", "amount", "source"]

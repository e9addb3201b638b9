"""Rows of small tables: each type of the catalogue arrives as it was, on both engines."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.ingest.conftest import SyncBench
from tests.params import both_engines
from zoho_pipeline.ingest.catalog.model import CHANNEL, Column, RawTable
from zoho_pipeline.ingest.raw.small_tables import insert_rows, rows_of_channels
from zoho_pipeline.warehouse.connection import SqlError

EVERY_TYPE = RawTable(
    "every_type",
    (
        CHANNEL,
        Column("id", "text", "id", nullable=False),
        Column("words", "text"),
        Column("number", "integer"),
        Column("part", "double"),
        Column("amount", "money"),
        Column("price", "rate"),
        Column("is_so", "boolean"),
        Column("instant", "timestamp"),
        Column("day", "date"),
        Column("document", "json"),
    ),
)
SQL = (
    "create table zoho_raw.every_type (channel_id varchar, id varchar, words varchar, number bigint,"
    " part double precision, amount decimal(27, 9), price decimal(18, 9), is_so boolean,"
    " instant timestamp with time zone, day date, document varchar)"
)
ODD = ["", " ", "\\N", "\\.", "a\tb\nc\rd\\e", 'it\'s "so"', "null", "नमस्ते 🙂", "\u202e\u0007", "=1+1", "?%s{}"]


def a_row(id_: str, **values: Any) -> dict[str, Any]:
    return {column.name: None for column in EVERY_TYPE.columns} | {"channel_id": "acme", "id": id_} | values


@both_engines("duckdb")
def test_each_value_arrives_as_it_was(bench: SyncBench) -> None:
    rows = [
        a_row("00 nothing"),
        a_row("01 small", number=-(2**63), part=-1e-7, amount=Decimal("-0.000000001"), is_so=False, day=date(1, 1, 1)),
        a_row("02 large", number=2**63 - 1, part=1.7e308, amount=Decimal("999999999999999999.999999999"), is_so=True),
        a_row("03 times", instant=datetime(2026, 5, 1, 12, 30, 15, 123456, tzinfo=UTC), day=date(9999, 12, 31)),
        a_row("04 rate", price=Decimal("83.1234567"), document='{"a": [1, "\\n", null]}'),
        *(a_row(f"1{n:02}", words=odd) for n, odd in enumerate(ODD)),
    ]
    with bench.warehouse.connect(read_only=False) as connection:
        connection.execute("create schema if not exists zoho_raw")
        connection.execute(SQL)
        insert_rows(connection, EVERY_TYPE, rows)
        insert_rows(connection, EVERY_TYPE, [])
    with bench.warehouse.connect() as connection:
        assert rows_of_channels(connection, EVERY_TYPE, ["acme"])["acme"] == rows


@both_engines("duckdb")
@pytest.mark.parametrize(("value", "error"), [("half \ud83d", SqlError), ({"a": 1}, TypeError), ([1], TypeError)])
def test_a_value_that_fits_no_cell_is_refused(bench: SyncBench, value: Any, error: type[Exception]) -> None:
    with bench.warehouse.connect(read_only=False) as connection:
        connection.execute("create schema if not exists zoho_raw")
        connection.execute(SQL)
    with (
        pytest.raises(error, match=r"not valid Unicode|no value of a cell"),
        bench.warehouse.connect(read_only=False) as connection,
    ):
        insert_rows(connection, EVERY_TYPE, [a_row("1", words=value)])
    with bench.warehouse.connect() as connection:
        assert rows_of_channels(connection, EVERY_TYPE, ["acme"])["acme"] == []

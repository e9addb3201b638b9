"""Numbers of lists and of bulk files: every digit, the same value by both routes, and one odd value is only one."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ingest.convert.test_json_to_arrow import NOW, convert
from zoho_pipeline.ingest.catalog.tables import DEALS, LEADS
from zoho_pipeline.ingest.convert.cell_values import CONVERT, MISFITS
from zoho_pipeline.ingest.convert.csv_to_arrow import csv_to_arrow
from zoho_pipeline.zoho.parsing import parse

TYPES = {"Score": "double", "Serial": "bigint", "Flag": "boolean"}


def by_list(**raw: str) -> dict[str, Any]:
    """The row of a record whose values are these pieces of JSON."""
    fields = "".join(f',"{name}":{value}' for name, value in raw.items())
    record = parse(f'{{"id":"1"{fields}}}'.encode())
    row: dict[str, Any] = convert(DEALS if "Amount" in raw else LEADS, record).table.to_pylist()[0]
    return row


def by_file(*rows: dict[str, str | None]) -> Any:
    names = dict.fromkeys(name for row in rows for name in row)
    texts = pa.table(
        {"Id": [str(n) for n in range(len(rows))]}
        | {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    )
    table = DEALS if "Amount" in names else LEADS
    return csv_to_arrow(table, texts, TYPES, channel_id="acme", synced_at=NOW)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9))
def test_an_amount_is_the_same_by_both_routes(value: Decimal) -> None:
    assert by_list(Amount=f"{value:f}")["amount"] == value
    assert by_file({"Amount": f"{value:f}"}).table["amount"][0].as_py() == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_whole_number_is_the_same_by_both_routes(value: int) -> None:
    assert by_list(No_of_Employees=str(value))["no_of_employees"] == value
    assert by_file({"No_of_Employees": str(value)}).table["no_of_employees"][0].as_py() == value


@pytest.mark.parametrize("text", ["7212345678901234567", "18446744073709551616", "1234567890123456.78", "12", "1.5"])
def test_a_custom_number_keeps_its_digits(text: str) -> None:
    for custom in (
        by_list(Score=text)["custom_fields"],
        by_file({"Score": text}).table["custom_fields"][0].as_py(),
        by_file({"Score": text, "Serial": "1"}).table["custom_fields"][0].as_py(),
    ):
        assert f'"Score":{text}' in custom
        assert orjson.loads(custom)


def test_one_odd_number_leaves_the_others_of_its_column_alone() -> None:
    rows = [{"Score": "1.5", "Serial": "7", "Flag": "true"}, {"Score": "²", "Serial": "x", "Flag": "maybe"}]
    first, second = (json.loads(text.as_py()) for text in by_file(*rows).table["custom_fields"])
    assert first == {"Flag": True, "Score": 1.5, "Serial": 7}
    assert second == {"Flag": "maybe", "Score": "²", "Serial": "x"}


@pytest.mark.parametrize("kind", ["integer", "double", "money", "rate"])
@pytest.mark.parametrize("text", ["1e400", "1E+999999999999", "-1e999999999999999999", "1e-999999999999", "Infinity"])
def test_a_number_beyond_every_column_fits_or_is_rejected(kind: Any, text: str) -> None:
    for value in (text, Decimal(text)):
        try:
            found = CONVERT[kind](value)
        except MISFITS:
            continue
        assert abs(found) < 1


def test_bytes_that_are_no_text_cost_one_cell() -> None:
    texts = pa.table(
        {
            "Id": ["1", "2"],
            "Last_Name": pa.array([b"good", b"\xff"], pa.binary()),
            "Tier": pa.array([b"caf\xe9", b"gold"], pa.binary()),
        }
    )
    found = csv_to_arrow(LEADS, texts, {}, channel_id="acme", synced_at=NOW)
    assert found.table["last_name"].to_pylist() == ["good", None]
    assert found.table["custom_fields"].to_pylist() == ["{}", '{"Tier":"gold"}']
    assert {(r.id, r.field, r.value) for r in found.rejected} == {
        ("2", "Last_Name", r'"\xff"'),
        ("1", "Tier", r'"caf\xe9"'),
    }


@pytest.mark.parametrize(
    "text", ["0000-01-01T00:00:00+00:00", "0001-01-01T00:00:00+05:30", "9999-12-31T23:59:59-11:00"]
)
def test_a_year_that_python_lacks_is_rejected_by_both_routes(text: str) -> None:
    found = by_file({"Created_Time": text, "Last_Name": "a"}, {"Created_Time": "2026-05-01T10:00:00+05:30"})
    assert [value is None for value in found.table["created_time"].to_pylist()] == [True, False]
    assert [r.field for r in found.rejected] == ["Created_Time"]
    assert by_list(Created_Time=f'"{text}"')["created_time"] is None
    assert by_list(Created_Time=f'"{text}"', Closing_Date='"0000-01-01"', Amount="1")["closing_date"] is None


@pytest.mark.parametrize(
    ("given", "stored", "said"),
    [
        ("0.0120301234567", "0.012030123", "rounded"),
        ("1.0000000001", "1", "rounded"),
        ("123456789.1234567891", "123456789.123456789", "rounded"),
        ("-0.0120301234567", "-0.012030123", "rounded"),
        ("0.0000000004", None, "nine decimals"),  # as zero it would divide by nothing
        ("0.0000000123", None, "nine decimals"),  # two digits would be left: a rate wrong by 2 %
        ("1e-30", None, "nine decimals"),
        ("1000000000", None, "digits before the point"),
        ("0.012", "0.012", ""),
        ("0.000000001", "0.000000001", ""),
        ("0", "0", ""),
    ],
)
def test_a_rate_is_not_rounded_without_a_word(given: str, stored: str | None, said: str) -> None:
    listed = convert(DEALS, parse(f'{{"id":"1","Exchange_Rate":{given}}}'.encode()))
    filed = csv_to_arrow(
        DEALS, pa.table({"Id": ["1"], "Exchange_Rate": [given]}), TYPES, channel_id="acme", synced_at=NOW
    )
    for found in (listed, filed):
        assert found.table["exchange_rate"][0].as_py() == (None if stored is None else Decimal(stored))
        assert [said in rejected.reason for rejected in found.rejected] == [True] * bool(said)
        assert not said or Decimal(found.rejected[0].value.strip('"')) == Decimal(given)

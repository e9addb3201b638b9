"""JSON and CSV → Arrow: every type, values that do not fit, and values that stay as they are."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoho_pipeline.ingest.catalog.tables import DEALS, EVENTS, LEADS, NOTES, RAW_TABLES, RawTable
from zoho_pipeline.ingest.convert.csv_to_arrow import csv_to_arrow
from zoho_pipeline.ingest.convert.json_to_arrow import ARROW_TYPES, Converted, schema_of, to_arrow
from zoho_pipeline.ingest.load.dlt_source import columns_of

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def convert(raw: RawTable, *rows: dict[str, Any]) -> Converted:
    return to_arrow(raw, rows, channel_id="acme", synced_at=NOW)


def first(raw: RawTable, **values: Any) -> dict[str, Any]:
    row: dict[str, Any] = convert(raw, {"id": "1", **values}).table.to_pylist()[0]
    return row


def test_a_record_becomes_a_typed_row() -> None:
    row = first(
        LEADS,
        Last_Name="Rao",
        Annual_Revenue=1234.5,
        No_of_Employees=7,
        Converted__s=True,
        Created_Time="2026-05-01T10:00:00+05:30",
        Owner={"id": "9", "name": "Asha", "email": "a@x"},
        Tag=[{"name": "vip", "id": "1"}, {"name": "new"}],
        UTM_Source1="go",
        Empty=None,
        **{"$approved": True},
    )
    assert (row["last_name"], row["annual_revenue"], row["no_of_employees"]) == ("Rao", Decimal("1234.50"), 7)
    assert (row["converted"], row["owner_id"], row["owner_name"], row["tag"]) == (True, "9", "Asha", "vip,new")
    assert row["created_time"] == datetime(2026, 5, 1, 4, 30, tzinfo=UTC)
    assert json.loads(row["custom_fields"]) == {"UTM_Source1": "go"}
    assert (row["channel_id"], row["synced_at"]) == ("acme", NOW)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("No_of_Employees", 2.5, "not a whole number"),
        ("No_of_Employees", "many", "not a number"),
        ("No_of_Employees", 2**70, "too large for 64 bits"),
        ("Annual_Revenue", 1e19, "more than 18 digits before the point"),
        ("Annual_Revenue", True, "not a number but a boolean"),
        ("Converted__s", "perhaps", "neither true nor false"),
        ("Created_Time", "2026-05-01T10:00:00", "a time without an offset"),
        ("Created_Time", "soon", "Invalid isoformat string: 'soon'"),
        ("City", {"id": "1"}, "not text but an object"),
    ],
)
def test_a_value_that_does_not_fit_is_kept_aside(field: str, value: Any, reason: str) -> None:
    converted = convert(LEADS, {"id": "1", "Last_Name": "A"}, {"id": "2", "Last_Name": "B", field: value})
    assert converted.table["last_name"].to_pylist() == ["A", "B"]
    (rejected,) = converted.rejected
    assert (rejected.id, rejected.field, rejected.reason) == ("2", field, reason)
    assert json.loads(rejected.value) == value


def test_a_changed_type_is_converted_if_it_is_unambiguous() -> None:
    row = first(LEADS, City=["Pune", "Goa"], State={"name": "MH", "id": "3"}, Country=91, No_of_Employees="12")
    assert (row["city"], row["state"], row["country"], row["no_of_employees"]) == ("Pune;Goa", "MH", "91", 12)


def test_a_record_without_id_is_rejected_whole() -> None:
    converted = convert(LEADS, {"Last_Name": "A"}, {"id": "2"})
    assert converted.table["id"].to_pylist() == ["2"]
    assert [r.reason for r in converted.rejected] == ["a record without a usable id"]


def test_nul_leaves_every_text() -> None:
    row = first(LEADS, City="a\0b", Extra="c\0d", Deep={"x": ["\0"]})
    assert row["city"] == "ab"
    assert json.loads(row["custom_fields"]) == {"Extra": "cd", "Deep": {"x": [""]}}


def test_parents_of_notes_and_participants_of_events() -> None:
    note = first(NOTES, Parent_Id={"id": "5", "name": "Rao", "module": {"api_name": "Leads", "id": "1"}})
    assert (note["parent_id"], note["parent_name"], note["parent_module"]) == ("5", "Rao", "Leads")
    assert json.loads(first(EVENTS, Participants=[{"type": "lead"}])["participants"]) == [{"type": "lead"}]


@settings(deadline=None)
@given(st.decimals(-(10**6), 10**6, places=9, allow_nan=False))
def test_money_keeps_every_digit(amount: Decimal) -> None:
    """Fifteen digits are what a JSON number holds in any reader; of a text, every digit stays."""
    assert first(DEALS, Amount=float(amount))["amount"] == amount
    assert first(DEALS, Amount=str(amount))["amount"] == amount
    csv = pa.table({"Id": ["1"], "Amount": [str(amount)]})
    assert csv_to_arrow(DEALS, csv, {}, channel_id="acme", synced_at=NOW).table["amount"].to_pylist() == [amount]


@pytest.mark.parametrize("amount", [1234.567, 123456789.12, 1e17, 10**17, "123456789012345678.123456789", "1e-9"])
def test_amounts_are_not_rounded(amount: float | str) -> None:
    assert first(DEALS, Amount=amount)["amount"] == Decimal(str(amount))


def test_a_number_of_many_digits_is_exact_in_amounts_and_a_float_in_custom_fields() -> None:
    many = Decimal("1234567890123.123456789")
    row = first(DEALS, Amount=many, Weight=many, Deal_Name=many)
    assert (row["amount"], row["deal_name"]) == (many, "1234567890123.123456789")
    assert json.loads(row["custom_fields"]) == {"Weight": float(many)}


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        (33.3333333333, "more than nine decimals"),
        ("0.0000000001", "more than nine decimals"),
        (1e18, "more than 18 digits before the point"),
        ("1" * 40, "more than 18 digits before the point"),
        ("NaN", "not a finite number"),
    ],
)
def test_an_amount_that_does_not_fit_is_kept_aside(amount: float | str, reason: str) -> None:
    got = convert(DEALS, {"id": "1", "Amount": amount}, {"id": "2", "Amount": 0.5})
    assert got.table["amount"].to_pylist() == [None, Decimal("0.5")]
    assert [(r.id, r.field, r.reason) for r in got.rejected] == [("1", "Amount", reason)]


@settings(deadline=None)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(-660, 840))  # noqa: DTZ001
def test_any_offset_becomes_utc(moment: datetime, minutes: int) -> None:
    local = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert first(LEADS, Created_Time=local.isoformat())["created_time"] == local


@pytest.mark.parametrize("raw", RAW_TABLES, ids=lambda raw: raw.name)
def test_the_declared_schema_is_what_dlt_receives(raw: RawTable) -> None:
    hints = columns_of(raw)
    assert [f.name for f in schema_of(raw)] == list(hints)
    assert all(hints[f.name]["nullable"] == f.nullable for f in schema_of(raw))
    assert [name for name, hint in hints.items() if hint.get("primary_key")] == [
        c.name for c in raw.columns if c.name in raw.key
    ]


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=8)
records = st.fixed_dictionaries(
    {
        "Last_Name": texts,
        "Company": st.none() | texts,
        "Annual_Revenue": st.none() | st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
        "No_of_Employees": st.none() | st.integers(-(2**40), 2**40),
        "Converted__s": st.none() | st.booleans(),
        "Score": st.none() | st.integers(-5, 5),
    }
)


@settings(deadline=None)
@given(st.lists(records, min_size=1, max_size=5))
def test_csv_gives_what_json_gives(rows: list[dict[str, Any]]) -> None:
    numbered = [{"id": str(n), **row} for n, row in enumerate(rows)]
    cells = {name: [_cell(row[name]) for row in numbered] for name in numbered[0]}
    cells["Id"] = cells.pop("id")
    csv = pa.table({name: pa.array(values, pa.string()) for name, values in cells.items()})
    by_csv = csv_to_arrow(LEADS, csv, {"Score": "integer"}, channel_id="acme", synced_at=NOW)
    assert by_csv.table.to_pylist() == convert(LEADS, *numbered).table.to_pylist()
    assert not by_csv.rejected


def _cell(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_csv_values_that_do_not_fit_are_kept_aside_too() -> None:
    csv = pa.table({"Id": ["1", "2"], "No_of_Employees": ["3", "x"], "Owner": ["9", None], "Tag": ["a, b", None]})
    got = csv_to_arrow(LEADS, csv, {}, channel_id="acme", synced_at=NOW)
    assert got.table["no_of_employees"].to_pylist() == [3, None]
    assert (got.table["owner_id"].to_pylist(), got.table["tag"].to_pylist()) == (["9", None], ["a,b", None])
    assert [(r.id, r.field) for r in got.rejected] == [("2", "No_of_Employees")]
    assert got.table.schema.field("annual_revenue").type == ARROW_TYPES["money"]


def test_csv_texts_lose_their_nul_as_json_texts_do() -> None:
    """Postgres does not accept NUL. One NUL in a name failed the load of a whole module."""
    csv = pa.table({"Id": ["1"], "Company": ["a\0b"], "Note_Of_Theirs": ["c\0d"]})
    got = csv_to_arrow(LEADS, csv, {"Note_Of_Theirs": "text"}, channel_id="acme", synced_at=NOW).table
    assert got["company"].to_pylist() == ["ab"]
    assert json.loads(got["custom_fields"].to_pylist()[0]) == {"Note_Of_Theirs": "cd"}

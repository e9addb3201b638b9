"""CSV: every value exact, a null is no empty text, and nothing that a reader would take apart."""

import csv
import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exports.conftest import VALUES
from tests.transform.conftest import Raw
from zoho_pipeline.exports.export import export_marts, export_query
from zoho_pipeline.transform import csv_lines
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse

Row = list[str | None]


def parsed(text: str) -> list[Row]:
    """The rows of a CSV by the grammar of RFC 4180; None where a field is empty without quotes."""
    rows: list[Row] = []
    at = 0
    row: Row = []
    while at < len(text):
        if text[at] == '"':
            field, at = "", at + 1
            while text[at] != '"' or text[at : at + 2] == '""':
                field += text[at]
                at += 2 if text[at] == '"' else 1
            at += 1
            row.append(field)
        else:
            end = min(place for mark in (",", "\r\n") if (place := text.find(mark, at)) >= 0)
            assert '"' not in text[at:end]
            row.append(text[at:end] or None)
            at = end
        if text[at] == ",":
            at += 1
            if text[at : at + 2] == "\r\n":
                row.append(None)
        if text[at : at + 2] == "\r\n":
            rows.append(row)
            row, at = [], at + 2
    return rows


def test_every_value_is_exact(marts: Warehouse, tmp_path: Path) -> None:
    written = export_query(marts, VALUES, tmp_path / "values.csv")
    assert written.rows == {"query": 2}
    lines = (tmp_path / "values.csv").read_bytes().decode()
    assert lines == (
        "place,n,big,amount,tiny,rate,yes,text,nothing,day,created_at,created_local,instant\r\n"
        '1,7,9007199254740993,12.30,0.00000000000000000000,0.1,true,"é,""x""","",2026-02-28,'
        "2026-02-28T01:02:03.000004+00:00,2026-02-28T01:02:03,2026-02-27T23:02:03+00:00\r\n"
        "2,,,,,,,,,,,,\r\n"
    )


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.text()), max_size=20))
def test_any_text_comes_back(rows: list[tuple[str | None, str | None]]) -> None:
    rows = [(a and a.encode("utf-8", "replace").decode(), b and b.encode("utf-8", "replace").decode()) for a, b in rows]
    table = pa.table([pa.array([row[place] for row in rows], pa.string()) for place in (0, 1)], names=["a", "b"])
    text = csv_lines.lines(table).decode()
    assert parsed(text) == [list(row) for row in rows]
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert read == [[a or "", b or ""] for a, b in rows]


@given(st.lists(st.none() | st.decimals(-(10**9), 10**9, places=9)))
def test_decimals_have_all_their_digits(values: list[object]) -> None:
    table = pa.table([pa.array(values, pa.decimal128(38, 9)), pa.array(values, pa.decimal128(38, 9))], names=["a", "b"])
    for value, row in zip(values, parsed(csv_lines.lines(table).decode()), strict=True):
        assert row[0] == (None if value is None else format(value, ".9f"))


def test_a_null_of_the_only_column_is_no_empty_line() -> None:
    table = pa.table([pa.array(["x", None, ""], pa.string())], names=["a"])
    assert csv_lines.lines(table) == b'x\r\n""\r\n""\r\n'


def test_texts_that_a_spreadsheet_would_compute_are_marked_only_on_request() -> None:
    hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "＝1", "plain", "a=1", ""]
    table = pa.table([pa.array(hostile), pa.array(range(-5, 5))], names=["=a", "b"])
    assert [row[0] for row in parsed(csv_lines.lines(table).decode())] == hostile
    marked = parsed(csv_lines.lines(table, for_spreadsheet=True).decode())
    assert [row[0] for row in marked] == [f"'{text}" for text in hostile[:7]] + hostile[7:]
    assert [row[1] for row in marked] == [str(n) for n in range(-5, 5)], "a negative number is no text"
    assert csv_lines.header(["=a", "b"], for_spreadsheet=True) == b"'=a,b\r\n"


def test_a_csv_for_excel_begins_with_a_mark(marts: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    export_query(marts, "select cast('=1+1' as varchar) as a, -1 as b, -1.5 as c", path, for_spreadsheet=True)
    assert path.read_bytes() == b"\xef\xbb\xbfa,b,c\r\n'=1+1,-1,-1.5\r\n"


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_values_that_only_postgres_has(marts: Warehouse, tmp_path: Path) -> None:
    sql = (
        "select cast(1e-30 as numeric) as a, cast('NaN' as numeric) as b, array[1, 2] as c,"
        " json_build_object('k', 1.10) as d, interval '1 hour' as e"
    )
    export_query(marts, sql, tmp_path / "x.csv")
    text = (tmp_path / "x.csv").read_bytes().decode()
    assert text.splitlines()[1] == f'0.{"0" * 29}1,NaN,"[1, 2]","{{""k"" : 1.10}}",1:00:00'


INFINITE = """
select cast('infinity' as timestamp) as a_at, cast('-infinity' as timestamptz) as b, cast('infinity' as date) as c,
    cast('-infinity' as timestamp_s) as d, cast('infinity' as timestamp_ms) as e, cast('-infinity' as timestamp_ns) as f
union all
select timestamp '40000-01-02 03:04:05.6', timestamptz '2026-01-01 00:00:00+00', date '50000-02-03',
    timestamp_s '2026-01-01', null, null
"""


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_infinite_and_far_times_stay_what_they_are(marts: Warehouse, tmp_path: Path) -> None:
    """Arrow has numbers for them, which other programs would read as instants."""
    export_query(marts, INFINITE, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes().decode().splitlines()[1:] == [
        "infinity,-infinity,infinity,-infinity,infinity,-infinity",
        "40000-01-02T03:04:05.600000+00:00,2026-01-01T00:00:00+00:00,50000-02-03,2026-01-01T00:00:00,,",
    ]
    again = duckdb.sql(
        f"select a_at, c from read_csv('{tmp_path}/x.csv', types = {{'a_at': 'timestamptz', 'c': 'date'}})"
    )
    assert again.filter("a_at = 'infinity' and c = 'infinity'").fetchall() != []


def test_an_answer_without_rows_has_its_header(marts: Warehouse, tmp_path: Path) -> None:
    export_query(marts, "select * from lead where 1 = 0", tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == b"channel_id,id,amount,source\r\n"


def test_marts_are_exported_also_where_a_channel_has_no_rows(marts: Warehouse, raw: Raw, tmp_path: Path) -> None:
    export_marts(marts, ["lead", "insight"], tmp_path / "all")
    lines = sorted((tmp_path / "all" / "lead.csv").read_text().splitlines())
    assert lines == ["a,1,1.50,Website", "a,2,2.25,Advert", "b,1,1.50,fair", "channel_id,id,amount,source"]
    raw.channel("empty")
    transform(marts, project=Project.load(tmp_path / "sql"))
    export_marts(marts, ["lead"], tmp_path / "empty.csv", channels=["empty"])
    assert (tmp_path / "empty.csv").read_text().splitlines() == ["channel_id,id,amount,source"]

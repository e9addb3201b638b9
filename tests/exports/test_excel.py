"""Workbooks: texts stay texts, numbers keep their digits, and a limit of Excel loses nothing in silence."""

import re
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from tests.exports.conftest import VALUES
from zoho_pipeline.exports.answer import Answer
from zoho_pipeline.exports.errors import ExportError
from zoho_pipeline.exports.excel_file import write_workbook
from zoho_pipeline.exports.export import export_marts, export_query
from zoho_pipeline.warehouse.warehouse import Warehouse

NAMESPACE = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
Cell = tuple[str, str]
"""The kind of a cell (`n` number, `s` text, `b` truth value) and its text."""


def sheets(path: Path) -> dict[str, list[dict[int, Cell]]]:
    """Name of a sheet → its rows; a row is column → cell, without empty cells."""
    found = {}
    with zipfile.ZipFile(path) as archive:
        book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
        for number, sheet in enumerate(book.iterfind("m:sheets/m:sheet", NAMESPACE), 1):
            tree = ElementTree.fromstring(archive.read(f"xl/worksheets/sheet{number}.xml"))
            assert tree.find(".//m:f", NAMESPACE) is None, "no formula"
            assert tree.find(".//m:hyperlink", NAMESPACE) is None, "no link"
            found[sheet.attrib["name"]] = [_row(row) for row in tree.iterfind(".//m:row", NAMESPACE)]
    return found


def _row(row: Any) -> dict[int, Cell]:
    cells = {}
    for cell in row.iterfind("m:c", NAMESPACE):
        column = 0
        for letter in re.match("[A-Z]+", cell.attrib["r"])[0]:  # type: ignore[index]
            column = 26 * column + ord(letter) - 64
        kind = cell.attrib.get("t", "n")
        text = "".join(part.text or "" for part in cell.iter() if part.tag.endswith(("}t", "}v")))
        cells[column - 1] = ("s" if kind == "inlineStr" else kind, text)
    return cells


def test_every_value_has_the_right_kind(marts: Warehouse, tmp_path: Path) -> None:
    export_query(marts, VALUES, tmp_path / "values.xlsx")
    (header, first, second) = sheets(tmp_path / "values.xlsx")["query"]
    names = [text for _, text in header.values()]
    assert names[10:] == ["created_at (UTC)", "created_local", "instant (UTC)"]
    cells = {names[place]: cell for place, cell in first.items()}
    assert cells["n"] == ("n", "7")
    assert cells["big"] == ("s", "9007199254740993"), "16 digits"
    assert cells["amount"] == ("n", "12.3")
    assert cells["yes"] == ("b", "1")
    assert cells["text"] == ("s", 'é,"x"')
    assert cells["nothing"] == ("s", "")
    assert float(cells["day"][1]) == 46081
    assert abs(float(cells["created_at (UTC)"][1]) - 46081.0430902778) < 1e-8
    assert abs(float(cells["instant (UTC)"][1]) - 46080.9597569444) < 1e-8
    assert second == {0: ("n", "2")}, "a null is an empty cell"


def test_a_hostile_text_is_no_formula_and_no_link(tmp_path: Path) -> None:
    hostile = ["=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@x"]
    hostile += ["http://example.com", "mailto:a@example.com", "internal:x!A1"]
    odd = ["\x00\x01\x1f", "_x0041_", " lead", "trail ", "a\r\nb", "\ufffe", "<b>&amp;", "123", "TRUE"]
    table = pa.table({"=a": hostile + odd})
    write_workbook(tmp_path / "x.xlsx", [Answer("x", [table])])
    rows = sheets(tmp_path / "x.xlsx")["x"]
    assert {kind for row in rows for kind, _ in row.values()} == {"s"}
    assert [row[0][1] for row in rows[1:9]] == hostile


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (pa.scalar(10**15 - 1), ("n", str(10**15 - 1))),
        (pa.scalar(10**15), ("s", str(10**15))),
        (pa.scalar(float("nan")), ("s", "nan")),
        (pa.scalar(float("-inf")), ("s", "-inf")),
    ],
)
def test_a_number_that_excel_would_change_is_text(tmp_path: Path, value: Any, cell: Cell) -> None:
    write_workbook(tmp_path / "x.xlsx", [Answer("x", [pa.table([pa.array([value.as_py()])], names=["n"])])])
    assert sheets(tmp_path / "x.xlsx")["x"][1][0] == cell


@pytest.mark.parametrize(
    ("digits", "kind"),
    [
        ("1234567890.12345", "n"),
        ("0.000000000000001", "n"),
        ("123456789012345000000", "n"),
        ("-1234567890.123456", "s"),
        ("0.1000000000000001", "s"),
    ],
)
def test_a_decimal_of_many_digits_is_text(marts: Warehouse, tmp_path: Path, digits: str, kind: str) -> None:
    export_query(marts, f"select cast('{digits}' as decimal(38, 16)) as n", tmp_path / "x.xlsx")
    found = sheets(tmp_path / "x.xlsx")["query"][1][0]
    assert (found[0], Decimal(found[1])) == (kind, Decimal(digits))


def test_times_that_python_or_excel_does_not_know_are_text(tmp_path: Path) -> None:
    """DuckDB has years beyond 9999, dates before Christ, and nanoseconds."""
    columns = {
        "day": pa.array([2_932_897, -719_163, 0], pa.date32()),
        "at": pa.array([253_402_300_800_000_000, 2**63 - 1, 1], pa.timestamp("us")),
        "fine": pa.array([1_767_225_600_123_456_789, None, 0], pa.timestamp("ns")),
    }
    write_workbook(tmp_path / "x.xlsx", [Answer("x", [pa.table(columns)])])
    _, first, second, third = sheets(tmp_path / "x.xlsx")["x"]
    assert first[0] == ("s", "10000-01-01")
    assert first[1] == ("s", "10000-01-01T00:00:00")
    assert first[2][0] == "n"
    assert (second[0][0], second[1]) == ("s", ("s", "infinity"))
    assert (third[0], third[1][0]) == (("n", "25569"), "n")


def test_more_rows_than_a_sheet_takes_go_on_a_further_sheet(tmp_path: Path) -> None:
    tables = [pa.table({"n": list(range(at, at + 4))}) for at in (0, 4, 8)]
    assert write_workbook(tmp_path / "x.xlsx", [Answer("mart", tables)], rows_per_sheet=6) == {"mart": 12}
    found = sheets(tmp_path / "x.xlsx")
    assert {name: len(rows) for name, rows in found.items()} == {"mart": 6, "mart (2)": 6, "mart (3)": 3}
    assert [row[0] for rows in found.values() for row in rows if row[0][0] == "n"] == [("n", str(n)) for n in range(12)]


def test_names_of_sheets_are_short_and_differ(tmp_path: Path) -> None:
    names = ["History", "a" * 40, "a" * 41, "x/y:z", "A" * 31]
    write_workbook(tmp_path / "x.xlsx", [Answer(name, [pa.table({"n": [1]})]) for name in names])
    found = list(sheets(tmp_path / "x.xlsx"))
    assert found == ["History (2)", "a" * 31, "a" * 27 + " (2)", "x_y_z", "A" * 27 + " (3)"]


@pytest.mark.parametrize("text", ["x" * 32_768, "\U0001f600" * 16_384])
def test_a_text_that_is_too_long_ends_the_export(tmp_path: Path, text: str) -> None:
    fits = text[:-1]
    write_workbook(tmp_path / "fits.xlsx", [Answer("x", [pa.table({"t": [fits]})])])
    assert sheets(tmp_path / "fits.xlsx")["x"][1][0][1] == fits
    with pytest.raises(ExportError, match=r"x, column t, row 2 of its sheet: .* 32,767\. Export to \.csv"):
        write_workbook(tmp_path / "x.xlsx", [Answer("x", [pa.table({"t": ["ok", text]})])])


def test_too_many_columns_end_the_export(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="16,385 columns"):
        write_workbook(tmp_path / "x.xlsx", [Answer("x", [pa.table({f"c{n}": [1] for n in range(16_385)})])])


def test_several_marts_are_sheets_of_one_workbook(marts: Warehouse, tmp_path: Path) -> None:
    (written,) = export_marts(marts, ["lead", "insight", "lead"], tmp_path / "both.xlsx")
    assert written.rows == {"lead": 3, "insight": 2}
    assert {name: len(rows) for name, rows in sheets(tmp_path / "both.xlsx").items()} == {"lead": 4, "insight": 3}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

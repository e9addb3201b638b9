"""Pairs of small CSV files, one folder per case: the raw rows that are given, and the rows of marts that are expected.

`leads.csv` and similar files hold rows of that raw table. `expect.<mart>.csv` holds all rows of a mart for the case, in
the columns of the file, and `expect_some.<mart>.csv` holds some of them. Each case is a channel of its own, so that one
transform serves all cases. If a file has a column channel_id, the case has several channels. An empty cell is null, and
'' is an empty text. Times are UTC. A rate may be written as a fraction. More than two decimals are a rounded value.
"""

import csv
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from zoho_pipeline.ingest.catalog.tables import BY_NAME

HERE = Path(__file__).parent
CASES = sorted(folder.name for folder in HERE.iterdir() if any(folder.glob("expect*.csv")))
BUILD_AT = datetime.fromisoformat("2026-06-30T13:00:00+00:00")
CHANNEL = {"timezone": "UTC", "currency": "INR", "last_complete_sync_at": "2026-06-30 12:00:00"}
Row = dict[str, Any]


@dataclass(frozen=True)
class Expectation:
    """The expected rows of a mart as text, each with its channel."""

    case: str
    mart: str
    rows: tuple[dict[str, str], ...]
    is_complete: bool


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, strict=True))
    assert rows, path
    for row in rows:
        assert None not in (*row, *row.values()), f"{path}: {row}"
        row["channel_id"] = _channel(path.parent.name, row.get("channel_id"))
    return rows


def _channel(case: str, channel: str | None) -> str:
    return f"{case}.{channel}" if channel else case


@cache
def given() -> dict[str, list[Row]]:
    """Return raw table → the rows of all cases."""
    tables: dict[str, list[Row]] = {"channels": []}
    for case in CASES:
        for path in sorted((HERE / case).glob("*.csv")):
            if not path.stem.startswith("expect"):
                columns = {column.name for column in BY_NAME[path.stem].columns}
                rows = _read(path)
                assert set(rows[0]) <= columns, f"{path}: {set(rows[0]) - columns}"
                tables.setdefault(path.stem, []).extend({k: _raw(v) for k, v in row.items()} for row in rows)
        if not (HERE / case / "channels.csv").exists():
            tables["channels"].append({"channel_id": case})
    defaults = CHANNEL | {"status": "active", "leads_readable": "true"}
    tables["channels"] = [{name: row.get(name, default) for name, default in defaults.items()} | row
                          for row in tables["channels"]]  # fmt: skip
    return tables


def _raw(cell: str) -> str | None:
    return "" if cell == "''" else cell or None


@cache
def expectations() -> tuple[Expectation, ...]:
    """Return what each case expects of each mart."""
    found = []
    for case in CASES:
        for path in sorted((HERE / case).glob("expect*.csv")):
            kind, mart = path.stem.split(".")
            assert kind in ("expect", "expect_some"), path
            found.append(Expectation(case, mart, tuple(_read(path)), kind == "expect"))
    return tuple(found)


def broken(expected: Expectation, rows: list[Row]) -> list[str]:
    """Return what is wrong with the rows of a mart: missing rows and unexpected rows."""
    left = [row for row in rows if str(row["channel_id"]).split(".")[0] == expected.case]
    wrong = []
    for wanted in expected.rows:
        match = next((row for row in left if all(agrees(row[name], cell) for name, cell in wanted.items())), None)
        if match is None:
            wrong.append(f"missing {wanted}, nearest {_nearest(wanted, left)}")
        else:
            left.remove(match)
    if expected.is_complete and left:
        names = expected.rows[0].keys()
        wrong += [f"unexpected { {name: row[name] for name in names} }" for row in left]
    return wrong


def broken_in(mart: str, rows: list[Row]) -> list[str]:
    """Return what is wrong with all rows of a mart, by every case that expects rows of it."""
    return [wrong for expected in expectations() if expected.mart == mart for wrong in broken(expected, rows)]


def _nearest(wanted: dict[str, str], rows: list[Row]) -> dict[str, Any]:
    """Return the differences of the row that agrees most."""
    nearest = max(rows, key=lambda row: sum(agrees(row[n], cell) for n, cell in wanted.items()), default={})
    return {name: nearest.get(name) for name, cell in wanted.items() if not agrees(nearest.get(name), cell)}


def agrees(got: Any, cell: str) -> bool:
    """Return whether a value is the one in the file."""
    if cell == "" or got is None:
        return got is None and cell == ""
    if cell == "''":
        return bool(got == "")
    if isinstance(got, bool):
        return cell == str(got).lower()
    if isinstance(got, datetime | date | str):
        return str(got) == cell
    if isinstance(got, int | Decimal):
        return Fraction(got) == Fraction(cell)
    digits = len(cell.partition(".")[2])
    return abs(Fraction(got) - Fraction(cell)) <= (0.5 * 10**-digits if digits > 2 else 1e-11)

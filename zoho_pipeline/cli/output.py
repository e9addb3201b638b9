"""What a command prints on stdout: a table for people, or only JSON or CSV for programs."""

import csv
import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import click

NUMBERS = (int, float, Decimal)
Row = Mapping[str, Any]

format_option = click.option(
    "--format",
    "output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="With json, standard output contains one JSON document and nothing else.",
)


def print_json(value: Any) -> None:
    """Print one JSON document. Timestamps are ISO 8601, decimals are numbers, NaN and infinities are null."""
    click.echo(json.dumps(_finite(value), default=plain, ensure_ascii=False, indent=2))


def plain(value: Any) -> Any:
    """A value that JSON cannot express (decimal, date, set …) as one that it can."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)


def _finite(value: Any) -> Any:
    """Replaces NaN and infinities by None: Python would write them as `NaN`, which is not JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def print_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print CSV (RFC 4180) with a header line. Null is an empty field, booleans are true and false."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_field(value) for value in row] for row in rows])
    click.echo(stream.getvalue(), nl=False)


def _field(value: Any) -> str:
    """The text of a CSV field."""
    return str(value).lower() if isinstance(value, bool) else shown(value)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """Print aligned columns, with numbers to the right. In a pipe or a file, no cell is cut to a width."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for number, column in enumerate(columns):
        numeric = any(isinstance(row[number], NUMBERS) and not isinstance(row[number], bool) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 10_000, highlight=False).print(table)


def print_rows(rows: Sequence[Row], columns: Sequence[str] | None = None, title: str | None = None) -> None:
    """Print dicts as a table. Without `columns`, the keys of the first row are the columns."""
    names = list(columns or (rows[0] if rows else ()))
    print_table(names, [[row.get(name) for name in names] for row in rows], title)


def shown(value: Any) -> str:
    """The text of a table cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, default=plain, ensure_ascii=False)
    return str(value)

"""What a command prints on stdout: a table for people, or only JSON or CSV for programs."""

import math
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import click

from zoho_pipeline.logs import printable
from zoho_pipeline.reading.values import json_text

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


_UNESCAPED = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that control a terminal or break a line, and that JSON does not escape by itself."""


def say(text: str, *, err: bool = False) -> None:
    """Print a line for people, on stdout or stderr, without control characters that would change their terminal.

    Every word that a command prints goes through here, because names and messages of Zoho, of a catalogue or of an
    engine are part of it.
    """
    click.echo(printable(text), err=err)


def print_json(value: Any) -> None:
    """Print one JSON document. Timestamps are ISO 8601, decimals are numbers, NaN and infinities are null."""
    text = json_text(_finite(value), default=plain, ensure_ascii=False, indent=2)
    click.echo(_UNESCAPED.sub(lambda found: f"\\u{ord(found.group()):04x}", text))


def plain(value: Any) -> Any:
    """A value that JSON cannot express (date, set …) as one that it can."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)


def _finite(value: Any) -> Any:
    """Replace NaN and infinities by None, because Python would write them as `NaN`, which is not JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def print_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print CSV (RFC 4180) with a header line. Null is an empty field, booleans are true and false.

    A file or a pipe gets every character as it is. A terminal gets no control characters.
    """
    lines = (",".join(_quoted(_field(value)) for value in row) or '""' for row in (columns, *rows))
    text = "".join(f"{line}\n" for line in lines)
    if sys.stdout.isatty():
        click.echo(printable(text), nl=False)
    else:  # `color`: else click leaves out escape sequences
        click.echo(text.encode("utf-8", "replace").decode(), nl=False, color=True)


def _quoted(field: str) -> str:
    """One field of CSV. Python's own writer does not quote a bare carriage return, where readers would end the row."""
    return '"' + field.replace('"', '""') + '"' if re.search(r'[",\r\n]', field) else field


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
        name = Text(printable(column, one_line=True))
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(shown(value), one_line=True)) for value in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else 10_000, highlight=False).print(table)


def print_rows(rows: Sequence[Row], columns: Sequence[str] | None = None, title: str | None = None) -> None:
    """Print dicts as a table. Without `columns`, the keys of the first row are the columns."""
    names = list(columns or (rows[0] if rows else ()))
    print_table(names, [[row.get(name) for name in names] for row in rows], title)


def print_list(rows: Sequence[Row], output: str, none: str, columns: Sequence[str] | None = None) -> None:
    """Print dicts as JSON or as a table, as the option `--format` says. `none` is said instead of an empty table."""
    if output == "json":
        print_json(rows)
    elif rows:
        print_rows(rows, columns)
    else:
        say(none)


def shown(value: Any) -> str:
    """The text of a table cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | tuple | dict):
        return json_text(value, default=plain, ensure_ascii=False)
    return str(value)

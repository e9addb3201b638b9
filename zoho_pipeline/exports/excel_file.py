"""Writes answers as a workbook of Excel, one sheet per answer, in bounded memory.

Excel has limits, and none of them loses anything here. A sheet takes 1,048,576 rows; the rest goes on a further
sheet. A cell takes 32,767 characters; a longer text ends the export with an error. A number has 15 digits; one with
more is text. A time has no zone; an instant is in UTC, and the header of its column says so. A date or a time that
Python or Excel does not know (before 1900, after 9999, infinity) is text, as in CSV. A text is always written
as text, so no value of Zoho becomes a formula or a link. The limits are those of Microsoft's page "Excel
specifications and limits".
"""

import math
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from zoho_pipeline.exports.answer import Answer, text_of
from zoho_pipeline.exports.errors import ExportError
from zoho_pipeline.exports.places import rows_of
from zoho_pipeline.transform.csv_lines import far_text, has_infinite, infinite_text
from zoho_pipeline.warehouse.connection import is_number_as_text

MOST_ROWS, MOST_COLUMNS, MOST_CHARACTERS, MOST_DIGITS = 1_048_576, 16_384, 32_767, 15
FIRST_YEAR = 1900
"""Excel knows no earlier day. An earlier one is written as text."""
_NAME = 31
"""The characters of the name of a sheet."""

Put = Callable[[int, Any], None]


def write_workbook(path: Path, answers: Sequence[Answer], *, rows_per_sheet: int = MOST_ROWS) -> dict[str, int]:
    """Write the workbook, and return name → rows of each answer.

    Args:
        rows_per_sheet: the rows of a sheet, with its header.

    Raises:
        ExportError: an answer has a text or more columns than Excel takes, or XlsxWriter is not installed.
    """
    try:
        import xlsxwriter
        from xlsxwriter.exceptions import FileCreateError, XlsxWriterException
    except ModuleNotFoundError as error:
        raise ExportError("XlsxWriter is not installed. Install it with: pip install XlsxWriter") from error
    # a row goes into a file of this folder as soon as the next one begins, so that one row is in memory
    with _folder(rows_of(path)) as folder:
        raw = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(folder)})
        book = _Book(raw, rows_per_sheet)
        try:
            rows = {answer.name: book.write(answer) for answer in answers}
            raw.close()
        except FileCreateError as error:
            raise OSError(str(error)) from error
        except XlsxWriterException as error:
            raise ExportError(f"the workbook cannot be written: {error}. Export to .csv or .parquet.") from error
    return rows


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A new folder that only the user can read, until the end of the block."""
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class _Book:
    """The workbook, its formats, and the names that its sheets have."""

    def __init__(self, raw: Any, rows_per_sheet: int) -> None:
        self._raw, self._rows_per_sheet, self._names = raw, rows_per_sheet, set[str]()
        self.bold = raw.add_format({"bold": True})
        self.day = raw.add_format({"num_format": "yyyy-mm-dd"})
        self.time = raw.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})

    def write(self, answer: Answer) -> int:
        """Write an answer on as many sheets as it needs; its number of rows."""
        rows, sheet = 0, None
        for table in answer.tables:
            sheet = sheet or self._sheet(answer, table.schema)
            for values in _rows(table):
                if sheet.rows == self._rows_per_sheet:
                    sheet = self._sheet(answer, table.schema)
                sheet.add(values)
                rows += 1
        return rows

    def _sheet(self, answer: Answer, schema: pa.Schema) -> "_Sheet":
        if len(schema) > MOST_COLUMNS:
            raise ExportError(
                f"{answer.name} has {len(schema):,} columns, and Excel takes {MOST_COLUMNS:,}. Select fewer, or export "
                "to .csv or .parquet."
            )
        name = _sheet_name(answer.name, self._names)
        self._names.add(name.lower())
        return _Sheet(self, self._raw.add_worksheet(name), answer.name, schema)


class _Sheet:
    """One sheet. Each column has a function that puts a value of its type into a cell of the row."""

    def __init__(self, book: _Book, raw: Any, answer: str, schema: pa.Schema) -> None:
        self._book, self._raw, self._answer, self._names = book, raw, answer, schema.names
        self.rows = 0
        self._puts = [self._put(field) for field in schema]
        raw.freeze_panes(1, 0)
        for place, field in enumerate(schema):
            is_instant = pa.types.is_timestamp(field.type) and field.type.tz
            self._text(place, f"{field.name} (UTC)" if is_instant else field.name, book.bold)
            if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type):
                raw.set_column(place, place, 20)  # else Excel shows ######
        self.rows = 1

    def add(self, values: Iterable[Any]) -> None:
        """Write a row. A null leaves its cell empty; an empty text is a cell with an empty text."""
        for place, value in enumerate(values):
            if value is not None:
                self._puts[place](place, value)
        self.rows += 1

    def _put(self, field: pa.Field) -> Put:
        kind = field.type
        if is_number_as_text(field):
            return lambda place, value: self._number(place, Decimal(value))
        if pa.types.is_decimal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return self._number
        if pa.types.is_boolean(kind):
            return lambda place, value: self._raw.write_boolean(self.rows, place, value)
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return self._when
        return lambda place, value: self._text(place, value if isinstance(value, str) else text_of(value))

    def _number(self, place: int, value: float | Decimal) -> None:
        if _is_short(value):
            self._raw.write_number(self.rows, place, float(value))
        else:
            self._text(place, format(value, "f") if isinstance(value, Decimal) else str(value))

    def _when(self, place: int, value: date | str) -> None:
        if isinstance(value, str):
            self._text(place, value)
        elif value.year < FIRST_YEAR:
            self._text(place, value.isoformat())
        else:
            format_ = self._book.time if isinstance(value, datetime) else self._book.day
            self._raw.write_datetime(self.rows, place, value, format_)

    def _text(self, place: int, value: str, format_: Any = None) -> None:
        if len(value) > MOST_CHARACTERS // 2 and len(value.encode("utf-16-le")) // 2 > MOST_CHARACTERS:
            raise ExportError(
                f"{self._answer}, column {self._names[place]}, row {self.rows} of its sheet: the text has "
                f"{len(value.encode('utf-16-le')) // 2:,} characters (an emoji counts as two or more), and a cell of "
                f"Excel takes {MOST_CHARACTERS:,}. Export to .csv or .parquet, or shorten the text in a query."
            )
        self._raw.write_string(self.rows, place, value, format_)


def _rows(table: pa.Table) -> Iterable[tuple[Any, ...]]:
    """The rows with Python's values; an instant is a time in UTC without its zone, because Excel has no zones."""
    return zip(*map(_values, table.columns), strict=True)


def _values(column: pa.ChunkedArray) -> list[Any]:
    if has_infinite(column):
        return [_value(value) for value in column]
    if not pa.types.is_timestamp(column.type):
        plain = column
    elif column.type.unit == "ns":  # a cell has no nanoseconds
        plain = column.cast(pa.timestamp("us"), safe=False)
    else:
        plain = column.cast(pa.timestamp("us"))
    try:
        return list(plain.to_pylist())
    except (OverflowError, ValueError):  # Python has the years 1 to 9999
        return [_value(value) for value in plain]


def _value(value: pa.Scalar) -> Any:
    if not value.is_valid:
        return None
    kind = value.type
    number = value.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64()).as_py()
    if infinite := infinite_text(kind, number):
        return infinite
    try:
        plain = value if pa.types.is_date32(kind) else value.cast(pa.timestamp("us"), safe=False)
        return plain.as_py()
    except (OverflowError, ValueError):
        return far_text(pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind, number)


def _is_short(value: float | Decimal) -> bool:
    """Whether Excel keeps the number as it is. It has 15 digits, no infinity and no NaN."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < 10**MOST_DIGITS
    return value.is_finite() and len("".join(map(str, value.as_tuple().digits)).strip("0")) <= MOST_DIGITS


def _sheet_name(name: str, taken: set[str]) -> str:
    """A name that Excel takes: at most 31 characters, none of []:*?/\\, no apostrophe at its ends, and not taken."""
    plain = re.sub(r"[\[\]:*?/\\\x00-\x1f]", "_", name).strip("'") or "answer"
    found, number = plain[:_NAME], 1
    while found.lower() in {*taken, "history"}:
        number += 1
        end = f" ({number})"
        found = plain[: _NAME - len(end)] + end
    return found

"""Arrow tables as lines of CSV (RFC 4180), column by column.

A null is an empty field, and an empty text is `""`, so that the two differ. In a table of one column a null is `""`
too, because readers skip empty lines. Decimals have all their digits, whole numbers and truth values are plain, dates
and times are in ISO 8601, and an instant ends with `+00:00`. DuckDB's infinite dates and times are `infinity` and
`-infinity`, which DuckDB and Postgres read. Postgres reads these lines by `copy … (format csv)`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.warehouse.connection import is_number_as_text

END = "\r\n"
_TEXT = pa.large_string()
_SPECIAL = r'[",\r\n]|^$|^\\\.$'
"""Fields that must be quoted. `\\.` alone on a line would end the data of a `copy`."""
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""The beginnings of a text that a spreadsheet may take as a formula (OWASP, CSV injection)."""

_FAR_YEAR = 32_000
"""From this year on, before and after Christ, Arrow writes other years or none, because its years have 16 bits."""
_YEAR_DAYS, _DAY_SECONDS = 365.2425, 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def infinite_text(kind: pa.DataType, number: int) -> str | None:
    """`infinity` or `-infinity`, where DuckDB means that by the number of a date or a timestamp in Arrow; else None."""
    most = 2**31 - 1 if pa.types.is_date32(kind) else 2**63 - 1
    return {most: "infinity", -most: "-infinity"}.get(number)


def far_text(kind: pa.DataType, number: int) -> str:
    """The text of the number of a date or a timestamp in Arrow, also of a year that Python or Arrow does not know."""
    if infinite := infinite_text(kind, number):
        return infinite
    if pa.types.is_date32(kind):
        return str(np.datetime64(number, "D"))
    return str(np.datetime64(number, kind.unit)).removesuffix(".000000") + ("+00:00" if kind.tz else "")


def has_infinite(column: pa.ChunkedArray | pa.Array) -> bool:
    """Whether a column of dates or timestamps has an infinite one."""
    kind = column.type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date32(kind)):
        return False
    found = pc.min_max(_numbers(column)).as_py().values()
    return any(number is not None and infinite_text(kind, number) for number in found)


def header(names: Sequence[str], *, for_spreadsheet: bool = False) -> bytes:
    """The first line: the names of the columns."""
    quoted = _quoted(pa.array(names, _TEXT), for_spreadsheet).to_pylist()
    return (",".join(quoted) + END).encode()


def lines(table: pa.Table, *, for_spreadsheet: bool = False, other: Callable[[Any], str] = str) -> bytes:
    """The rows of a table, each with its line end.

    Args:
        for_spreadsheet: put `'` before a text that a spreadsheet would take as a formula.
        other: the text of a value that is no plain one, such as a list.
    """
    if not table.num_rows:
        return b""
    fields = [
        _texts(field, column.combine_chunks(), for_spreadsheet, other)
        for field, column in zip(table.schema, table.columns, strict=True)
    ]
    if len(fields) == 1:
        joined = pc.fill_null(fields[0], _scalar('""'))
    else:
        joined = pc.binary_join_element_wise(*fields, _scalar(","), null_handling="replace", null_replacement="")
    return (END.join(joined.to_pylist()) + END).encode()


def _texts(field: pa.Field, column: pa.Array, for_spreadsheet: bool, other: Callable[[Any], str]) -> pa.Array:
    """The fields of a column; null where the value is null."""
    kind = field.type
    if is_number_as_text(field):
        return column.cast(_TEXT)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _quoted(column.cast(_TEXT), for_spreadsheet)
    if pa.types.is_timestamp(kind):
        return _times(column)
    if pa.types.is_decimal(kind):  # Arrow would write 0E-9
        return pa.array([None if value is None else format(value, "f") for value in column.to_pylist()], _TEXT)
    if pa.types.is_date32(kind):
        return _with_far(column, column.cast(pa.string()).cast(_TEXT))
    if any(is_(kind) for is_ in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)):
        return column.cast(pa.string()).cast(_TEXT)
    values = (None if v is None else v if isinstance(v, str) else other(v) for v in column.to_pylist())
    return _quoted(pa.array(values, _TEXT), for_spreadsheet)


def _times(column: pa.Array) -> pa.Array:
    zone = "+00:00" if column.type.tz else ""
    times = column.cast(pa.timestamp("ns" if column.type.unit == "ns" else "us"))
    text = pc.strftime(times, format="%Y-%m-%dT%H:%M:%S").cast(_TEXT)
    text = pc.replace_substring_regex(text, pattern=r"\.0+$", replacement="")
    return _with_far(column, pc.binary_join_element_wise(text, _scalar(zone), _scalar("")))


def _with_far(column: pa.Array, texts: pa.Array) -> pa.Array:
    """The texts of dates or times, where `far_text` replaces those of infinite and of far ones."""
    kind = column.type
    per_day = 1 if pa.types.is_date32(kind) else _DAY_SECONDS * _PER_SECOND[kind.unit]
    far = min(int((_FAR_YEAR - 1970) * _YEAR_DAYS * per_day), 2**63 - 2)
    numbers = _numbers(column)
    found = pc.min_max(numbers).as_py()
    if found["min"] is None or max(-found["min"], found["max"]) <= far:
        return texts
    pairs = zip(numbers.to_pylist(), texts.to_pylist(), strict=True)
    return pa.array([t if n is None or abs(n) <= far else far_text(kind, n) for n, t in pairs], _TEXT)


def _numbers(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    return column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())


def _quoted(texts: pa.Array, for_spreadsheet: bool) -> pa.Array:
    if for_spreadsheet:
        marked = pc.binary_join_element_wise(_scalar("'"), texts, _scalar(""))
        texts = pc.if_else(pc.match_substring_regex(texts, _FORMULA), marked, texts)
    special = pc.match_substring_regex(texts, _SPECIAL)
    if not pc.any(special).as_py():
        return texts
    doubled = pc.replace_substring(texts, pattern='"', replacement='""')
    return pc.if_else(special, pc.binary_join_element_wise(_scalar('"'), doubled, _scalar('"'), _scalar("")), texts)


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)

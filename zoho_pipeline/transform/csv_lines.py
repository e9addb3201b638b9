"""Arrow tables as lines of CSV (RFC 4180), column by column.

A null is an empty field, and an empty text is `""`, so that the two differ. In a table of one column a null is `""`
too, because readers skip empty lines. Decimals have all their digits, whole numbers and truth values are plain, dates
and times are in ISO 8601, and an instant ends with `+00:00`. Postgres reads these lines by `copy … (format csv)`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.warehouse.connection import is_number_as_text

END = "\r\n"
_TEXT = pa.large_string()
_SPECIAL = r'[",\r\n]|^$|^\\\.$'
"""Fields that must be quoted. `\\.` alone on a line would end the data of a `copy`."""
_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""The beginnings of a text that a spreadsheet may take as a formula (OWASP, CSV injection)."""


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
    if any(is_(kind) for is_ in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_date32)):
        return column.cast(pa.string()).cast(_TEXT)
    values = (None if v is None else v if isinstance(v, str) else other(v) for v in column.to_pylist())
    return _quoted(pa.array(values, _TEXT), for_spreadsheet)


def _times(column: pa.Array) -> pa.Array:
    zone = "+00:00" if column.type.tz else ""
    text = pc.strftime(
        column.cast(pa.timestamp("ns" if column.type.unit == "ns" else "us")), format="%Y-%m-%dT%H:%M:%S"
    ).cast(_TEXT)
    text = pc.replace_substring_regex(text, pattern=r"\.0+$", replacement="")
    return pc.binary_join_element_wise(text, _scalar(zone), _scalar(""))


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

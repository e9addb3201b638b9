"""Turns the rows of a Postgres query into an Arrow table with the types of its columns."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

_TYPES = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int64(), 23: pa.int64(), 26: pa.int64(),
    700: pa.float64(), 701: pa.float64(), 1082: pa.date32(),
    1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC"),
    1000: pa.list_(pa.bool_()), 1005: pa.list_(pa.int64()), 1007: pa.list_(pa.int64()), 1016: pa.list_(pa.int64()),
    1009: pa.list_(pa.string()), 1015: pa.list_(pa.string()), 1022: pa.list_(pa.float64()),
}  # fmt: skip
"""The numbers of types in `pg_type` → types of Arrow. Other values become text."""
_NUMERIC, _JSON = 1700, (114, 3802)
_MOST_DIGITS = 76


def table(description: Sequence[Any], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """An Arrow table of the rows that a psycopg2 cursor gave.

    A `numeric` without a precision gets the digits that its values need. One that Arrow has no decimal for (NaN, or
    more than 76 digits) is text.
    """
    names = [column.name for column in description]
    arrays = [_array(column, [row[place] for row in rows]) for place, column in enumerate(description)]
    return pa.Table.from_arrays(arrays, names=names)


def _array(column: Any, values: list[Any]) -> pa.Array:
    if column.type_code == _NUMERIC:
        return _decimals(column, values)
    if (kind := _TYPES.get(column.type_code)) is not None:
        return pa.array(values, kind)
    text: Callable[[Any], str] = json.dumps if column.type_code in _JSON else str
    return pa.array([None if v is None else v if isinstance(v, str) else text(v) for v in values], pa.string())


def _decimals(column: Any, values: list[Any]) -> pa.Array:
    if column.precision is not None and 0 < column.precision <= _MOST_DIGITS and 0 <= column.scale <= column.precision:
        kind = pa.decimal128 if column.precision <= 38 else pa.decimal256
        if all(value is None or value.is_finite() for value in values):
            return pa.array(values, kind(column.precision, column.scale))
    given = [value for value in values if value is not None]
    if all(value.is_finite() for value in given):
        scale = max((_scale(value) for value in given), default=0)
        digits = max((max(value.adjusted() + 1, 0) for value in given), default=0) + scale
        if digits <= 38:
            return pa.array(values, pa.decimal128(38, scale))
        if digits <= _MOST_DIGITS:
            return pa.array(values, pa.decimal256(_MOST_DIGITS, scale))
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _scale(value: Decimal) -> int:
    return max(-int(value.as_tuple().exponent), 0)

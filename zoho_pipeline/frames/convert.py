"""Turns an Arrow table of an engine into a frame whose types are the same on both engines."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.reading.values import distinct
from zoho_pipeline.transform.csv_lines import has_infinite, infinite_text
from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.warehouse.connection import is_instant

_UNSIGNED = pa.decimal128(20, 0)
"""It holds every whole number of 64 bits without a sign."""

_SURELY_WHOLE = 18
"""Every whole number of so many digits fits into 64 bits."""


def typed(table: pa.Table, *, in_batches: bool = False) -> pa.Table:
    """Whole numbers as 64 bits on both engines, and the zone of the instants that the marts keep without one.

    Args:
        in_batches: the table is a part of an answer, so no type may depend on its values. A sum of whole numbers stays
            a decimal of scale 0.
    """
    names = distinct(table.column_names)
    columns = [_column(n, column, in_batches) for n, column in zip(table.column_names, table.columns, strict=True)]
    fields = [
        pa.field(name, column.type, metadata=field.metadata)
        for name, column, field in zip(names, columns, table.schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _column(name: str, column: pa.ChunkedArray, in_batches: bool) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_timestamp(kind):
        zone = "UTC" if kind.tz or is_instant(name) else None
        wanted = pa.timestamp("ns" if kind.unit == "ns" else "us", zone)
        return (
            _with_infinite(column, wanted) if kind.unit in ("s", "ms") and has_infinite(column) else column.cast(wanted)
        )
    if pa.types.is_uint64(kind):
        column, kind = column.cast(_UNSIGNED), _UNSIGNED
    if pa.types.is_decimal(kind) and kind.scale == 0:  # the sum of whole numbers
        if in_batches and kind.precision > _SURELY_WHOLE:
            return column
        try:
            return column.cast(pa.int64())
        except pa.ArrowInvalid:
            return column
    if pa.types.is_integer(kind):
        return pc.cast(column, pa.int64(), safe=True)
    return column


def _with_infinite(column: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Seconds or milliseconds as microseconds. The number of an infinite one stays: it means infinity in any unit."""
    numbers, kind = column.cast(pa.int64()), column.type
    infinite = pa.array([n is not None and infinite_text(kind, n) is not None for n in numbers.to_pylist()])
    finite = pc.if_else(infinite, pa.scalar(None, kind), column).cast(wanted)
    return pc.if_else(infinite, numbers.cast(wanted), finite)


def _pandas(table: pa.Table) -> Any:
    import pandas as pd

    kinds: dict[pa.DataType, Any] = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}

    def dtype(kind: pa.DataType) -> Any:
        return kinds.get(kind) or (pd.ArrowDtype(kind) if pa.types.is_decimal(kind) else None)

    return table.to_pandas(types_mapper=dtype, date_as_object=False)


def _polars(table: pa.Table) -> Any:
    try:
        import polars as pl
    except ModuleNotFoundError as error:
        raise QueryError("polars is not installed. Install it with: pip install polars") from error
    try:
        return pl.from_arrow(table)
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error).partition(".")[0] + ".") from error


MAKERS: dict[str, Callable[[pa.Table], Any]] = {"pandas": _pandas, "arrow": lambda table: table, "polars": _polars}
"""Name of a kind of frame → what makes it from a typed table."""

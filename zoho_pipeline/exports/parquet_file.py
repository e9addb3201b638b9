"""Writes an answer as Parquet, with the types of its columns.

A file has one type per column, and some types are known only after the last row: those of a sum of whole numbers, and
of a `numeric` of Postgres without a precision. Where an answer has such a column, its rows wait in a file without a
name, which the system removes with this process. Then the column gets the type that holds all its values, as in
`read_sql`: a whole number of 64 bits, a decimal, or text where no decimal has so many digits.
"""

import tempfile
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from zoho_pipeline.exports.answer import Answer
from zoho_pipeline.exports.errors import ExportError
from zoho_pipeline.transform.csv_lines import has_infinite
from zoho_pipeline.warehouse.connection import is_number_as_text

GROUP_ROWS = 100_000
"""The rows of one row group. Readers work on groups side by side, and skip those that have no row for them."""
GROUP_BYTES = 64 * 2**20
"""A group ends before, if its rows have so many bytes in memory."""


def write_parquet(path: Path, answer: Answer) -> int:
    """Write the file, and return the number of its rows.

    Raises:
        ExportError: Parquet has no type for a column.
    """
    tables = iter(answer.tables)
    first = next(tables)
    tables = chain((first,), tables)
    opened = [place for place, field in enumerate(first.schema) if _is_open(field)]
    if not opened:
        return _write(path, first.schema, tables)
    with tempfile.TemporaryFile(dir=path.parent) as waiting:
        kinds = _store(waiting, first.schema, tables, opened)
        waiting.seek(0)
        schema = first.schema
        for place, kind in kinds.items():
            schema = schema.set(place, pa.field(schema.field(place).name, kind))
        return _write(path, schema, (_cast(table, schema) for table in _stored(waiting)))


def _write(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> int:
    for field in schema:
        if pa.types.is_interval(field.type):
            raise ExportError(
                f"{field.name} is a span of time with months, and Parquet has no type for it. Turn it into text in the "
                f'query: cast("{field.name}" as varchar). Or export to .csv.'
            )
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(tables):
            _require_finite(group)
            writer.write_table(group)
            rows += len(group)
    return rows


def _require_finite(table: pa.Table) -> None:
    """Refuse infinite times: other readers than DuckDB would find an instant in the year 294247."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if has_infinite(column):
            raise ExportError(
                f"{name} has an infinite time or date, and Parquet has none. Turn it into text in the query: "
                f'cast("{name}" as varchar). Or export to .csv.'
            )


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for table in tables:
        if len(table):
            waiting.append(table)
        if sum(map(len, waiting)) >= GROUP_ROWS or sum(part.nbytes for part in waiting) >= GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _is_open(field: pa.Field) -> bool:
    """Whether the type of the column in a file depends on its values."""
    return is_number_as_text(field) or (pa.types.is_decimal(field.type) and field.type.scale == 0)


def _store(
    waiting: IO[bytes], schema: pa.Schema, tables: Iterable[pa.Table], opened: list[int]
) -> dict[int, pa.DataType]:
    """Write the rows into the file, and return the types that the open columns need."""
    sizes = {place: _Digits() for place in opened}
    with pa.ipc.new_stream(waiting, schema) as stream:
        for table in tables:
            for place, digits in sizes.items():
                digits.see(table.column(place))
            stream.write_table(table)
    return {place: digits.kind for place, digits in sizes.items()}


def _stored(waiting: IO[bytes]) -> Iterator[pa.Table]:
    with pa.ipc.open_stream(waiting) as stream:
        for batch in stream:
            yield pa.Table.from_batches([batch])


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        column if column.type == field.type else _converted(column, field.type)
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _converted(column: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    values: list[Any] = column.to_pylist()
    if pa.types.is_string(kind):
        return pa.array([None if value is None else format(Decimal(value), "f") for value in values], kind)
    numbers = (None if value is None else Decimal(value) for value in values)
    if pa.types.is_integer(kind):
        return pa.array([None if number is None else int(number) for number in numbers], kind)
    return pa.array(list(numbers), kind)


class _Digits:
    """The digits before and after the point that the values of a column need."""

    def __init__(self) -> None:
        self._whole, self._scale, self._most, self._is_number = 0, 0, 0, True

    def see(self, column: pa.ChunkedArray) -> None:
        for value in column.to_pylist():
            number = None if value is None else Decimal(value)
            if number is None:
                continue
            if not number.is_finite():
                self._is_number = False
                continue
            self._scale = max(self._scale, -int(number.as_tuple().exponent), 0)
            self._whole = max(self._whole, number.adjusted() + 1, 0)
            if self._scale == 0:
                self._most = max(self._most, int(number) if number >= 0 else -int(number) - 1)

    @property
    def kind(self) -> pa.DataType:
        digits = self._whole + self._scale
        if not self._is_number or digits > 76:
            return pa.string()
        if self._scale == 0 and self._most < 2**63:
            return pa.int64()
        return pa.decimal128(38, self._scale) if digits <= 38 else pa.decimal256(76, self._scale)

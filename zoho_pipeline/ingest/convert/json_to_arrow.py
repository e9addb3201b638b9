"""From JSON records to Arrow tables of the catalogue's types, one column at a time.

A column is converted as a whole, and value by value only if it has a value of another type. A value that does not fit
becomes null, and a rejection says why: one odd value never loses a record, and no value is lost without a sign.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.catalog.model import Column, ColumnType, RawTable
from zoho_pipeline.ingest.convert.one_value import CONVERTERS

ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "double": pa.float64(),
    "money": pa.decimal128(27, 9),
    "rate": pa.decimal128(18, 9),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
    "json": pa.string(),
}
_MISFITS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, TypeError, ValueError)
_LONGEST_VALUE = 500

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rejection:
    """A value that did not fit. `value` is its JSON text, cut to 500 characters."""

    id: str
    field: str
    value: str
    reason: str


@dataclass(frozen=True)
class Converted:
    """An Arrow table of the declared schema, and the values that became null because they did not fit."""

    table: pa.Table
    rejected: list[Rejection] = field(default_factory=list)


def schema_of(raw: RawTable) -> pa.Schema:
    """The Arrow schema of a raw table: the catalogue's columns in their order, nullable as declared."""
    return pa.schema([pa.field(c.name, ARROW_TYPES[c.type], c.nullable) for c in raw.columns])


def to_arrow(
    raw: RawTable,
    rows: Sequence[Row],
    *,
    channel_id: str,
    synced_at: datetime,
    constants: Mapping[str, Any] | None = None,
) -> Converted:
    """A table of `raw`'s schema from Zoho's records.

    `constants` are the values of columns that no field fills (`basis`, `module`, …). `custom_fields` gets all keys that
    the catalogue does not read, except `$…` keys. A record without an id is rejected as a whole, because it cannot be
    merged.
    """
    rejected: list[Rejection] = []
    keyed = _with_id(raw, rows, rejected)
    ids = [str(row["id"]) for row in keyed] if _reads_id(raw) else [""] * len(keyed)
    fixed = {"channel_id": channel_id, "synced_at": synced_at, **(constants or {})}
    arrays = []
    for column in raw.columns:
        if column.name in fixed:
            arrays.append(_constant(fixed[column.name], column, len(keyed)))
        elif column.name == "custom_fields":
            arrays.append(pa.array(_custom_fields(raw, keyed), pa.string()))
        else:
            arrays.append(convert_column(column, _values(column, keyed), ids, rejected))
    return Converted(pa.Table.from_arrays(arrays, schema=schema_of(raw)), rejected)


def of_values(raw: RawTable, rows: Sequence[Row]) -> pa.Table:
    """A table of `raw`'s schema from rows with our own column names and types."""
    return pa.Table.from_pylist(
        [{name: row.get(name) for name in raw_names(raw)} for row in rows], schema=schema_of(raw)
    )


def raw_names(raw: RawTable) -> tuple[str, ...]:
    """The names of a raw table's columns, in their order."""
    return tuple(c.name for c in raw.columns)


def _reads_id(raw: RawTable) -> bool:
    return any(c.name == "id" and c.api_name == "id" for c in raw.columns)


def _with_id(raw: RawTable, rows: Sequence[Row], rejected: list[Rejection]) -> Sequence[Row]:
    if not _reads_id(raw) or all(row.get("id") for row in rows):
        return rows
    for row in rows:
        if not row.get("id"):
            rejected.append(Rejection("", "id", _shown(row), "a record without an id"))
    return [row for row in rows if row.get("id")]


def _constant(value: Any, column: Column, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, ARROW_TYPES[column.type]), length)


def _values(column: Column, rows: Sequence[Row]) -> list[Any]:
    name = column.api_name or column.name
    values = [row.get(name) for row in rows]
    if column.part == "id":
        return [v.get("id") if type(v) is dict else v for v in values]
    if column.part == "name":
        return [v.get("name") if type(v) is dict else None for v in values]
    if column.part == "names":
        return [_names(v) for v in values]
    if column.name == "parent_module":
        return [_parent_module(row, value) for row, value in zip(rows, values, strict=True)]
    return values


def _names(value: Any) -> Any:
    """The names of tags, joined by a comma; None if there are none. Zoho sends objects or a joined text."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return value
    names = [str(v.get("name", "")) if isinstance(v, dict) else str(v) for v in value]
    return ",".join(stripped for name in names if (stripped := name.strip())) or None


def _parent_module(row: Row, value: Any) -> Any:
    """The module of a note's parent: v7 names it in Parent_Id, older answers in `$se_module`."""
    module = value.get("module") if isinstance(value, dict) else None
    if isinstance(module, dict):
        return module.get("api_name")
    return module or row.get("$se_module")


def _custom_fields(raw: RawTable, rows: Sequence[Row]) -> list[str | None]:
    """One JSON object per record, with sorted keys, without nulls and empty lists: equal records have equal texts."""
    keys: set[str] = set()
    for row in rows:
        keys.update(row)
    read = {c.api_name for c in raw.columns} | {"id"}
    extras = sorted(key for key in keys if key not in read and not key.startswith("$"))
    if not extras:
        return ["{}"] * len(rows)
    given = ({key: row[key] for key in extras if row.get(key) is not None and row[key] != []} for row in rows)
    return [as_json(fields) for fields in given]


def as_json(value: Any) -> str:
    """The JSON text for a raw table, without NUL."""
    text = orjson.dumps(value, default=_as_float).decode()
    # Postgres refuses a NUL in a text, even one that JSON escapes
    return orjson.dumps(_without_nul(value)).decode() if "\\u0000" in text else text


def _as_float(value: Any) -> float:
    if isinstance(value, Decimal):  # a number with more digits than a float holds
        return float(value)
    raise TypeError


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return [_without_nul(item) for item in value] if isinstance(value, list) else value


def convert_column(column: Column, values: list[Any], ids: Sequence[str], rejected: list[Rejection]) -> pa.Array:
    """The Arrow array of one column. A value that does not fit becomes null, and is added to `rejected`."""
    try:
        array = _FAST[column.type](values)
    except _MISFITS:
        array = pa.array(_one_by_one(column, values, ids, rejected), ARROW_TYPES[column.type])
    if column.type == "text" and pc.any(pc.match_substring(array, "\0")).as_py():
        array = pc.replace_substring(array, "\0", "")
    return array


_NONE = type(None)


def _only(values: list[Any], *kinds: type) -> list[Any]:
    """The values, if all have these types or are null. Arrow would cut 2.5 to 2 and read True as 1."""
    if not set(map(type, values)) <= {_NONE, *kinds}:
        raise TypeError
    return values


def _decimal(type_: pa.DataType) -> Callable[[list[Any]], pa.Array]:
    return lambda values: pa.array(_only(values, int, float), pa.float64()).cast(type_)


def _money(values: list[Any]) -> pa.Array:
    """Exact: a float is read as the shortest text that means it, which is what Zoho sent. Arrow refuses more digits."""
    texts = [None if v is None else str(v) for v in _only(values, int, float)]
    return pa.array(texts, pa.string()).cast(ARROW_TYPES["money"])


def _instants(values: list[Any]) -> pa.Array:
    return pa.array(values, pa.string()).cast(ARROW_TYPES["timestamp"])


_FAST: Mapping[ColumnType, Callable[[list[Any]], pa.Array]] = {
    "text": lambda values: pa.array(values, pa.string()),
    "integer": lambda values: pa.array(_only(values, int), pa.int64()),
    "double": lambda values: pa.array(_only(values, int, float), pa.float64()),
    "money": _money,
    "rate": _decimal(ARROW_TYPES["rate"]),
    "boolean": lambda values: pa.array(values, pa.bool_()),
    "timestamp": _instants,
    "date": lambda values: pa.array(values, pa.string()).cast(pa.date32()),
    "json": lambda values: pa.array([None if v is None else as_json(v) for v in values], pa.string()),
}


def _one_by_one(column: Column, values: Iterable[Any], ids: Sequence[str], rejected: list[Rejection]) -> list[Any]:
    fitted = []
    for id_, value in zip(ids, values, strict=True):
        try:
            fitted.append(None if value is None else _SLOW[column.type](value))
        except (ValueError, TypeError, InvalidOperation, OverflowError) as misfit:
            fitted.append(None)
            reason = str(misfit) or "does not fit"
            rejected.append(Rejection(id_, column.api_name or column.name, _shown(value), reason))
    return fitted


def _shown(value: Any) -> str:
    try:
        text = orjson.dumps(value, default=str).decode()
    except TypeError:  # an integer beyond 64 bits
        text = str(value)
    return text.replace("\\u0000", "")[:_LONGEST_VALUE]


_SLOW: Mapping[ColumnType, Callable[[Any], Any]] = {**CONVERTERS, "json": as_json}

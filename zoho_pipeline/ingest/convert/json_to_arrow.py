"""From JSON records to Arrow tables of the catalogue's types, one column at a time.

A column is converted as a whole, and value by value only if it has a value of another type. A value that does not fit
becomes null, and a rejection says why: one odd value never loses a record, and no value is lost without a sign.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.catalog.model import Column, ColumnType, RawTable
from zoho_pipeline.ingest.convert import cell_values
from zoho_pipeline.ingest.convert.cell_values import CONVERT, FIRST_TIME, LAST_TIME, as_json, shown
from zoho_pipeline.zoho.parsing import ODD, is_digits, odd_values
from zoho_pipeline.zoho.read.pages import SENT_ID

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
_LONGEST_KEY = 100
UNNAMED = "zoho"
"""The id that we give to the one row of a table if Zoho gives it none."""
_MISFITS = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, *cell_values.MISFITS)
_BOUNDS = {"timestamp": (FIRST_TIME, LAST_TIME), "date": (date.min, date.max)}

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

    `constants` are the values of columns that no field fills (`basis`, `module`, …). The column of the part `others`
    gets all keys that the catalogue does not read, except `$…` keys. A record without an id, or with one that no record
    of Zoho can have, is rejected as a whole: it cannot be merged, and a changed id would be another record's.
    """
    rejected: list[Rejection] = []
    keyed = _with_id(raw, rows, rejected)
    ids = [str(row["id"]) for row in keyed] if _reads_id(raw) else [""] * len(keyed)
    for id_, row in zip(ids, keyed, strict=True):
        rejected += (Rejection(id_, name, odd.shown, odd.reason) for name, odd in odd_values(row).items())
    fixed = {"channel_id": channel_id, "synced_at": synced_at, **raw.constants, **(constants or {})}
    arrays = []
    for column in raw.columns:
        if column.name in fixed:
            arrays.append(_constant(fixed[column.name], column, len(keyed)))
        elif column.part == "others":
            arrays.append(pa.array(_other_fields(raw, keyed, ids, rejected), pa.string()))
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
    if not _reads_id(raw):
        return _with_key(raw, rows, rejected)
    if all(type(row.get("id")) is str and is_digits(row["id"]) for row in rows):
        return rows
    kept: list[Row] = []
    for row in rows:
        if SENT_ID in row or not row.get("id"):
            sent = {name: value for name, value in row.items() if name not in (SENT_ID, ODD)}
            value = shown(sent | {"id": row.get(SENT_ID)})
            rejected.append(Rejection(str(row.get("id") or ""), "id", value, "a record without a usable id"))
            continue
        id_ = row["id"]
        if is_digits(str(id_)) or id_ == UNNAMED:
            kept.append(row)
        else:
            rejected.append(Rejection(_visible(id_), "id", shown(row), "the id has other characters than digits"))
    return kept


def _with_key(raw: RawTable, rows: Sequence[Row], rejected: list[Rejection]) -> Sequence[Row]:
    """The rows without those whose key has a NUL: without it, the key would be another row's."""
    names = [c.api_name or c.name for c in raw.columns if c.name in raw.key]
    odd = [any("\0" in row[name] for name in names if isinstance(row.get(name), str)) for row in rows]
    if not any(odd):
        return rows
    for row, is_odd in zip(rows, odd, strict=True):
        if is_odd:
            key = "/".join(_visible(row.get(name)) for name in names if row.get(name))
            rejected.append(Rejection(key, names[-1], shown(row), "the key has a NUL"))
    return [row for row, is_odd in zip(rows, odd, strict=True) if not is_odd]


def _visible(key: Any) -> str:
    """A key as text for a person, in which a NUL can be seen."""
    return str(key).replace("\0", "\\0")[:_LONGEST_KEY]


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
    names = [v.get("name") if isinstance(v, dict) else v for v in value]
    texts = (str(name).strip() for name in names if isinstance(name, str | int | float))
    return ",".join(text for text in texts if text) or None


def _parent_module(row: Row, value: Any) -> Any:
    """The module of a note's parent: v7 names it in Parent_Id, older answers in `$se_module`."""
    module = value.get("module") if isinstance(value, dict) else None
    if isinstance(module, dict):
        return module.get("api_name")
    return module or row.get("$se_module")


def _other_fields(
    raw: RawTable, rows: Sequence[Row], ids: Sequence[str], rejected: list[Rejection]
) -> list[str | None]:
    """One JSON object per record, with sorted keys, without nulls and empty lists: equal records have equal texts."""
    keys: set[str] = set()
    for row in rows:
        keys.update(row)
    read = {c.api_name for c in raw.columns} | {"id"}
    extras = sorted(key for key in keys if key not in read and not key.startswith("$"))
    if not extras:
        return ["{}"] * len(rows)
    given = ({key: row[key] for key in extras if row.get(key) is not None and row[key] != []} for row in rows)
    return [fields_as_json(id_, fields, rejected) for id_, fields in zip(ids, given, strict=True)]


def fields_as_json(id_: str, fields: Row, rejected: list[Rejection]) -> str:
    """The JSON object of a record's other fields, without those that JSON cannot hold. They are added to `rejected`."""
    try:
        return as_json(fields)
    except cell_values.MISFITS:
        kept = {}
    for name, value in fields.items():
        try:
            as_json(value)
            kept[name] = value
        except cell_values.MISFITS as misfit:
            rejected.append(Rejection(id_, name, shown(value), str(misfit)))
    return as_json(kept)


def convert_column(column: Column, values: list[Any], ids: Sequence[str], rejected: list[Rejection]) -> pa.Array:
    """The Arrow array of one column. A value that does not fit becomes null (a rate may be rounded instead), and is
    added to `rejected`."""
    try:
        array = within(_FAST[column.type](values), column.type)
    except _MISFITS:
        array = pa.array(_one_by_one(column, values, ids, rejected), ARROW_TYPES[column.type])
    return without_nul(column, array, ids, rejected) if column.type == "text" else array


def without_nul(column: Column, texts: pa.Array, ids: Sequence[str], rejected: list[Rejection]) -> pa.Array:
    """Texts without NUL, which Postgres refuses. An id with a NUL becomes null and is added to `rejected`: without
    the NUL it would be another id."""
    odd = pc.fill_null(pc.match_substring(texts, "\0"), False)
    if not pc.any(odd).as_py():
        return texts
    if not (column.part == "id" or column.name.endswith("_id")):
        return pc.replace_substring(texts, "\0", "")
    for id_, value, is_odd in zip(ids, texts.to_pylist(), odd.to_pylist(), strict=True):
        if is_odd:
            rejected.append(Rejection(id_, column.api_name or column.name, shown(_visible(value)), "an id with a NUL"))
    return pc.if_else(odd, pa.scalar(None, pa.string()), texts)


def within(array: pa.Array, type_: ColumnType) -> pa.Array:
    """The array, if all its times are in years that Python has; else ValueError. Arrow has other years too."""
    if type_ in _BOUNDS and array.null_count < len(array):
        found = pc.min_max(array)
        low, high = (pa.scalar(bound, array.type) for bound in _BOUNDS[type_])
        if not (pc.less_equal(low, found["min"]).as_py() and pc.less_equal(found["max"], high).as_py()):
            raise ValueError("not in the years 1 to 9999")
    return array


_NONE = type(None)


def _only(values: list[Any], *kinds: type) -> list[Any]:
    """The values, if all have these types or are null. Arrow would cut 2.5 to 2 and read True as 1."""
    if not set(map(type, values)) <= {_NONE, *kinds}:
        raise TypeError
    return values


def _decimal(type_: pa.DataType) -> Callable[[list[Any]], pa.Array]:
    """By its digits: Arrow would round 1.005 as the binary number that is nearest to it, which is smaller."""
    return lambda values: pa.array(_only(values, int, float), pa.float64()).cast(pa.string()).cast(type_)


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
            fitted.append(None if value is None else CONVERT[column.type](value))
        except cell_values.MISFITS as misfit:
            fitted.append(misfit.fitted if isinstance(misfit, cell_values.Rounded) else None)
            reason = str(misfit) or "does not fit"
            rejected.append(Rejection(id_, column.api_name or column.name, shown(value), reason))
    return fitted

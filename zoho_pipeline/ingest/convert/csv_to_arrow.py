"""From Bulk Read's CSV to the same Arrow tables as from JSON.

In the CSV everything is text: a lookup is only an id, booleans are words, null and '' are the same. A column is cast as
a whole, and value by value only if that fails. The names of lookups are filled in the warehouse afterwards
(`lookup_names`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.catalog.model import Column, RawTable
from zoho_pipeline.ingest.convert.json_to_arrow import (
    ARROW_TYPES,
    Converted,
    Rejection,
    convert_column,
    fields_as_json,
    schema_of,
    within,
    without_nul,
)
from zoho_pipeline.zoho.parsing import NOT_TEXT, number_of, shown

_NUMBER = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][+-]?[0-9]{1,3})?")
_NUMBERS = {"integer", "bigint", "double", "currency", "percent", "decimal"}
_LISTS = {"multiselectpicklist"}
_LOOKUPS = {"lookup", "ownerlookup", "userlookup"}


def csv_to_arrow(
    raw: RawTable, texts: pa.Table, types: Mapping[str, str], *, channel_id: str, synced_at: datetime
) -> Converted:
    """A table of `raw`'s schema from a batch of CSV columns, which are text or null and have Zoho's names.

    A column with bytes that are not UTF-8 is binary: these values are rejected, and the others are used.
    `types` are Zoho's data types by API name, for the fields of the column of the part `others`.
    """
    columns = {name: texts[name].combine_chunks() for name in texts.column_names}
    columns["id"] = columns.pop("Id", columns.get("id"))
    length = texts.num_rows
    ids: list[str] = columns["id"].to_pylist()
    rejected: list[Rejection] = []
    for name, array in columns.items():
        if pa.types.is_binary(array.type):
            columns[name] = _decoded(name, array, ids, rejected)
    arrays = []
    for column in raw.columns:
        if column.name == "channel_id":
            arrays.append(pa.repeat(pa.scalar(channel_id), length))
        elif column.name == "synced_at":
            arrays.append(pa.repeat(pa.scalar(synced_at, ARROW_TYPES["timestamp"]), length))
        elif column.name in raw.constants:
            arrays.append(pa.repeat(pa.scalar(raw.constants[column.name]), length))
        elif column.part == "others":
            arrays.append(pa.array(_other_fields(raw, columns, types, ids, rejected), pa.string()))
        else:
            arrays.append(_cast(column, columns.get(column.api_name or ""), length, ids, rejected))
    return Converted(pa.Table.from_arrays(arrays, schema=schema_of(raw)), rejected)


def _cast(
    column: Column, texts: pa.Array | None, length: int, ids: Sequence[str], rejected: list[Rejection]
) -> pa.Array:
    wanted = ARROW_TYPES[column.type]
    if texts is None or column.part == "name" or column.name == "parent_module":
        return pa.nulls(length, wanted)
    if column.part == "names":
        return pc.replace_substring_regex(texts, r"\s*,\s*", ",")
    if wanted == pa.string():
        return without_nul(column, texts, ids, rejected)
    try:
        return within(texts.cast(wanted), column.type)
    except ValueError:  # ArrowInvalid too
        return convert_column(column, texts.to_pylist(), ids, rejected)


def _decoded(name: str, column: pa.Array, ids: Sequence[str], rejected: list[Rejection]) -> pa.Array:
    """A column of bytes as text. Values that are not UTF-8 become null, and are added to `rejected`."""
    values: list[str | None] = []
    for id_, value in zip(ids, column.to_pylist(), strict=True):
        try:
            values.append(None if value is None else value.decode())
        except UnicodeDecodeError:
            values.append(None)
            rejected.append(Rejection(id_, name, shown(value.decode("utf-8", "surrogateescape")), NOT_TEXT))
    return pa.array(values, pa.string())


def _other_fields(
    raw: RawTable,
    columns: Mapping[str, pa.Array],
    types: Mapping[str, str],
    ids: Sequence[str],
    rejected: list[Rejection],
) -> list[str]:
    length = len(ids)
    read = {c.api_name for c in raw.columns} | {"id"}
    others = sorted(name for name in columns if name not in read and not name.startswith("$"))
    names = [name for name in others if columns[name].null_count < length]  # most are completely empty
    if not names:
        return ["{}"] * length
    values = [_typed(columns[name], types.get(name, "text")) for name in names]
    return [
        fields_as_json(id_, {n: v for n, v in zip(names, row, strict=True) if v is not None}, rejected)
        for id_, row in zip(ids, zip(*values, strict=True), strict=True)
    ]


def _typed(texts: pa.Array, type_: str) -> list[Any]:
    """The values in the form that JSON has. A value that is no number (no boolean) stays text, and only that one."""
    shape = _SHAPES.get(type_)
    plain = texts.to_pylist()
    return plain if shape is None else [None if v is None else shape(v) for v in plain]


def _number(text: str) -> Any:
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-").isdigit() else number_of(text)


def _boolean(text: str) -> Any:
    return {"true": True, "false": False, "1": True, "0": False}.get(text.lower(), text)


_SHAPES: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(_NUMBERS, _number),
    "boolean": _boolean,
    **dict.fromkeys(_LISTS, lambda text: [part.strip() for part in text.split(";")]),
    **dict.fromkeys(_LOOKUPS, lambda text: {"id": text}),
}

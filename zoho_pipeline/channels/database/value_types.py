"""The types of stored values. SQLite keeps a value of every type in every column, and gives it back as it is."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Boolean, Float, Integer, String, Table

Types = tuple[tuple[str, tuple[type, ...]], ...]

_KINDS: tuple[tuple[type[Any], tuple[type, ...]], ...] = (
    (String, (str,)),  # `Text` is one too
    (Boolean, (bool,)),
    (Integer, (int,)),
    (Float, (int, float)),
)


def types_of(table: Table) -> Types:
    """Column → the types of its values in Python, without the columns that check their values themselves."""
    return tuple((c.name, types) for c in table.c for kind, types in _KINDS if isinstance(c.type, kind))


def require_types(row: Mapping[Any, Any], types: Types) -> None:
    """TypeError: a value has another type than its column. Null is a value of each type."""
    for name, known in types:
        if row[name] is not None and not isinstance(row[name], known):
            raise TypeError(f"{name} has a value of another type")

"""Reads rows of which some may be damaged: one of them must not hide all others."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Row, Select

log = logging.getLogger(__name__)
T = TypeVar("T")


def whole_rows(
    transaction: Connection,
    query: Select[Any],
    key: Column[Any],
    make: Callable[[Row[Any]], T],
    values: Mapping[str, Any] | None = None,
    *,
    most: int | None = None,
) -> tuple[list[T], list[str]]:
    """What the rows of a query hold, and the keys of those that are damaged. Rows are read one by one only if one is.

    Args:
        key: the primary key of the table of the query.
        make: what a row holds. ValueError, TypeError: the row is damaged.
        values: of the parameters of the query.
        most: the limit of the query. Rows after it take the place of damaged ones, so that a page that is not full is
            the last one.
    """
    try:
        return [make(row) for row in transaction.execute(query, values or {})], []
    except (ValueError, TypeError):
        endless = query if most is None else query.limit(None)
        keys = transaction.scalars(endless.with_only_columns(key), values or {}).all()
    found: list[T] = []
    damaged: list[str] = []
    for one in keys:
        if len(found) == most:
            break
        try:
            found += [make(row) for row in transaction.execute(endless.where(key == one), values or {})]
        except (ValueError, TypeError):
            log.error("the row %s of %s is damaged; it is left out", one, key.table.name)
            damaged.append(one)
    return found, damaged

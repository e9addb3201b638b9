"""One read-only statement of a person, on the published marts or (`raw=True`) on the raw tables.

Read-only three times over: the text must be a query; DuckDB opens the file read-only, may reach no
other file and keeps its configuration; Postgres runs it in a read-only transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlglot
from sqlglot.errors import SqlglotError

from zoho_pipeline.reading import published
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection, SqlError
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

RAW_SECONDS = 30.0
"""A query on raw holds the warehouse file; a load waits behind it no longer than this."""
_READING = frozenset({"select", "with", "from", "values", "table", "describe", "show", "summarize", "explain"})


@dataclass(frozen=True)
class QueryResult:
    """Column names and rows; every value is JSON-ready (decimals as numbers, times in ISO 8601)."""

    columns: list[str]
    rows: list[list[Any]]


def query(where: Settings | Warehouse, sql: str, *, raw: bool = False, timeout: float = RAW_SECONDS) -> QueryResult:
    """Run one query.

    Args:
        raw: read `zoho_raw` in the warehouse itself: waits for a load in progress, at most `timeout`
            seconds for the query.

    Raises:
        QueryError: not one read-only statement, or the engine refused it.
        NotPublished: no transform has run yet.
    """
    warehouse = open_warehouse(where) if isinstance(where, Settings) else where
    check_reading(sql, warehouse.dialect)
    try:
        with _session(warehouse, raw=raw, timeout=timeout) as connection:
            columns, rows = connection.fetch(sql)
    except SqlError as error:
        if error.kind in ("InterruptException", "QueryCanceled"):
            message = f"the query took longer than {timeout:g} s and was stopped; read less, or the marts."
            raise QueryError(message) from error
        raise QueryError(str(error)) from error
    return QueryResult(columns, [[json_ready(value) for value in row] for row in rows])


def check_reading(sql: str, dialect: str) -> None:
    """QueryError unless the text is one statement that begins as reading ones do; the engine sees to the rest."""
    try:
        tokens = sqlglot.tokenize(sql, dialect=dialect)
    except SqlglotError as error:
        raise QueryError(f"this is not SQL: {error}") from error
    while tokens and _ends(tokens[-1]):
        tokens.pop()
    if not tokens or any(_ends(token) for token in tokens):
        raise QueryError("give one statement, such as: select * from channel_insight")
    first = next((token.text.lower() for token in tokens if token.text != "("), "")
    if first not in _READING:
        raise QueryError(f"only reading is allowed here: a SELECT, not {first.upper()}.")


def _ends(token: Any) -> bool:
    return str(token.token_type.name) == "SEMICOLON"


@contextmanager
def _session(warehouse: Warehouse, *, raw: bool, timeout: float) -> Iterator[Connection]:
    if not raw:
        with published.connect(warehouse) as connection:
            yield connection
        return
    with warehouse.connect(read_only=True) as connection:
        if not connection.tables(RAW_SCHEMA):
            raise QueryError("there are no raw tables yet. Run `zoho-pipeline sync`.")
        with connection.limited_reading(RAW_SCHEMA, timeout):
            yield connection


def json_ready(value: Any) -> Any:
    """A database value as JSON has it: decimals and numbers as numbers, times as ISO text, others as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else None
        case Decimal():
            return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
        case datetime():
            return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case dict():
            return {str(k): json_ready(v) for k, v in value.items()}
        case list() | tuple():
            return [json_ready(v) for v in value]
        case UUID():
            return str(value)
        case _:
            return str(value)

"""Read-only sessions for `sql`: the published marts, or for 30 seconds the raw tables themselves."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Timer
from typing import Any

from zoho_pipeline.settings import PipelineError
from zoho_pipeline.warehouse import RAW_SCHEMA, Connection, SqlError, Warehouse

RAW_SECONDS = 30.0
"""How long a question may keep the warehouse file from a load that waits for it."""


def read_marts(warehouse: Warehouse, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query on the published marts."""
    from zoho_pipeline.transform import published

    statement = one_question(query, warehouse.dialect)
    with published.connect(warehouse) as connection:
        return connection.fetch(statement)


def read_raw(warehouse: Warehouse, query: str, seconds: float = RAW_SECONDS) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a query on `zoho_raw`; waits for a load in progress.

    PipelineError: the query took longer than `seconds`, or there are no raw tables yet.
    """
    statement = one_question(query, warehouse.dialect)
    with warehouse.connect(read_only=True) as connection:
        if not connection.tables(RAW_SCHEMA):
            raise PipelineError("there are no raw tables yet. Load some with `zoho-pipeline sync`.")
        limited = _postgres if connection.dialect == "postgres" else _duckdb
        with limited(connection, seconds):
            return connection.fetch(statement)


def one_question(query: str, dialect: str) -> str:
    """The query, unless it writes.

    A read-only session would do on DuckDB (what sqlglot cannot read is left to it); on Postgres a second
    statement could make the session writable again, so there it must be one plain query.
    QueryError: it writes, or cannot be told.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    from zoho_pipeline.transform.errors import QueryError

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # "falling back to Command" is our business
    try:
        found = [statement for statement in sqlglot.parse(query, read=dialect) if statement is not None]
    except SqlglotError as error:
        if dialect == "duckdb":
            return query
        raise QueryError(f"the query cannot be read: {str(error).splitlines()[0]}") from error
    plain = len(found) == 1 and isinstance(found[0], exp.Query | exp.Values | exp.Describe | exp.Show)
    writes = any(any(statement.find_all(exp.DML, exp.DDL, exp.Drop, exp.Copy)) for statement in found)
    if not found or writes or (dialect != "duckdb" and not plain):
        raise QueryError("sql takes one statement that reads (select …): it cannot write.")
    return query


@contextmanager
def _duckdb(connection: Connection, seconds: float) -> Iterator[None]:
    for statement in _sealed():
        connection.execute(statement)
    late = Event()

    def stop() -> None:
        late.set()
        connection.raw.interrupt()

    timer = Timer(seconds, stop)
    timer.start()
    try:
        yield
    except SqlError as error:
        raise _too_long(seconds) if late.is_set() else error from error
    finally:
        timer.cancel()


@contextmanager
def _postgres(connection: Connection, seconds: float) -> Iterator[None]:
    connection.execute(f"set local statement_timeout = {int(seconds * 1000)}")
    connection.execute(f"set local search_path to {RAW_SCHEMA}")
    try:
        yield
    except SqlError as error:
        raise _too_long(seconds) if error.kind == "QueryCanceled" else error from error


def _sealed() -> Sequence[str]:
    """A question reads tables, never files or the network."""
    return (f"set schema = '{RAW_SCHEMA}'", "set enable_external_access = false", "set lock_configuration = true")


def _too_long(seconds: float) -> PipelineError:
    return PipelineError(
        f"the query took longer than {seconds:g} s and was stopped, so that loads need not wait for it. Narrow it, or "
        "ask the published marts (without --raw), where time does not matter."
    )

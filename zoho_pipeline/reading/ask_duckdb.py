"""Runs a query of a person on a DuckDB file, in the process of the sandbox."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from zoho_pipeline.reading.limits import BATCH, ONE_STATEMENT, Limits
from zoho_pipeline.reading.values import json_ready
from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.warehouse.connection import BATCH_ROWS, SqlError
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile, open_instance

if TYPE_CHECKING:
    import pyarrow as pa

OPEN_SECONDS = 10.0
_READING = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI)
"""MULTI is PIVOT, which first reads its columns. DESCRIBE, SHOW, SUMMARIZE, VALUES and TABLE are SELECT here."""


def ask(request: dict[str, Any], limits: Limits) -> Iterator[Any]:
    """Yield an empty list when the file is open, then the column names, then batches of rows; or tables for a file.

    Args:
        request: `sql`; `as_tables`: whether to yield Arrow tables instead of names and rows; `path` of the file;
            `published`: whether it is the published file; `name` of its catalogue;
            `schema` whose tables need no prefix.
    """
    connection = _opened(request, limits)
    yield []
    try:
        statement = _one_reading(connection, request["sql"])
        if request.get("as_tables"):
            yield from _tables(connection, statement, limits)
            return
        result = connection.execute(statement)
        yield [str(column[0]) for column in result.description or ()]
        while rows := result.fetchmany(BATCH):
            yield [[json_ready(value) for value in row] for row in rows]
    except duckdb.OutOfMemoryException as error:
        raise QueryError(limits.out_of_memory) from error
    except duckdb.Error as error:
        file = DuckDBFile(Path(request["path"]), published=request["published"])
        raise file.damage(str(error)) or QueryError(str(error).strip()) from error


def _tables(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, limits: Limits) -> Iterator["pa.Table"]:
    from zoho_pipeline.warehouse.duckdb_connection import tables_of  # it imports Arrow, which other queries do not need

    found = connection.sql(statement)
    if found is None:
        raise QueryError("the statement gives no rows. Give a SELECT.")
    try:
        yield from tables_of(found.to_arrow_reader(BATCH_ROWS))
    except SqlError as error:
        raise QueryError(limits.out_of_memory if error.kind == "OutOfMemoryException" else str(error)) from error


def _opened(request: dict[str, Any], limits: Limits) -> duckdb.DuckDBPyConnection:
    """An instance in memory that has the file read-only. It writes no temporary file, and its settings are locked."""
    path, name = Path(request["path"]), request["name"].replace('"', '""')
    name = f"{name}_db" if name.lower() in ("memory", "temp", "system") else name  # an instance has catalogues so named
    file = DuckDBFile(path, published=request["published"])
    file.open(read_only=True, timeout=OPEN_SECONDS).close()  # one clear line if it cannot be opened
    connection = open_instance()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"set memory_limit = '{limits.memory_mb}MiB'")
    connection.execute(f"set threads = {limits.threads}")
    quoted = str(path).replace("'", "''")
    connection.execute(f"attach '{quoted}' as \"{name}\" (read_only)")
    connection.execute(f'use "{name}".{request["schema"]}')
    for setting, value in {
        "temp_directory": "''",
        "max_temp_directory_size": "'0 bytes'",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",  # otherwise a name may be a variable of this program
        "enable_external_access": "false",
        "lock_configuration": "true",
    }.items():
        connection.execute(f"set {setting} = {value}")
    connection.execute("begin transaction read only")  # otherwise a query could write to the instance in memory
    return connection


def _one_reading(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one statement of the text. QueryError: there is another number of statements, or this one does not read."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(ONE_STATEMENT)
    if statements[0].type not in _READING:
        raise QueryError(f"only reading is allowed here: a SELECT, not {statements[0].type.name}.")
    return statements[0]

"""One model over tables that a test writes, without the models before it: a thousand channels take a second."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection

Row = dict[str, Any]
_TYPES = {
    "int64": "bigint",
    "double": "double precision",
    "bool": "boolean",
    "string": "text",
    "timestamp[us]": "timestamp",
}
_CHUNK = 500
PROJECT = Project.load()


@contextmanager
def duckdb_session() -> Iterator[Connection]:
    """A DuckDB in memory."""
    raw = duckdb.connect()
    raw.execute("set threads = 1")
    try:
        yield DuckDBConnection(raw)
    finally:
        raw.close()


def run_model(
    connection: Connection, name: str, tables: Mapping[str, pa.Table], mutant: tuple[str, str] | None = None
) -> list[Row]:
    """Return the rows of a model over `tables`, which are kept in the session.

    Args:
        mutant: a part of the SQL that occurs exactly once, and the text that replaces it.
    """
    for table, rows in {**tables, **_numbers(connection, name)}.items():
        _write(connection, table, rows)
    model = PROJECT.models[name]
    if mutant is None:
        return connection.rows(model.body if connection.dialect == "duckdb" else model.sql("postgres"))
    assert connection.dialect == "duckdb"
    assert model.body.count(mutant[0]) == 1, f"{name} does not contain {mutant[0]!r} exactly once"
    return connection.rows(model.body.replace(*mutant))


def _numbers(connection: Connection, name: str) -> dict[str, pa.Table]:
    if "int_numbers" not in PROJECT.models[name].depends_on:
        return {}
    return {"int_numbers": pa.table({"n": range(10_000)})}


def _write(connection: Connection, table: str, rows: pa.Table) -> None:
    columns = ", ".join(f"{field.name} {_TYPES[str(field.type)]}" for field in rows.schema)
    connection.execute(f"drop table if exists {table}")
    connection.execute(f"create temporary table {table} ({columns})")
    if connection.dialect == "duckdb":
        connection.raw.register("given_rows", rows)
        connection.execute(f"insert into {table} select * from given_rows")
        connection.raw.unregister("given_rows")
        return
    one = "(" + ", ".join("?" * rows.num_columns) + ")"
    for batch in rows.to_batches(max_chunksize=_CHUNK):
        values = [value for row in batch.to_pylist() for value in row.values()]
        connection.execute(f"insert into {table} values {', '.join([one] * batch.num_rows)}", values)

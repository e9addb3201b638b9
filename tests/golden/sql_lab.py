"""A laboratory for the SQL: the models built in a DuckDB session of its own, and again with a mutant of one of them.

A mutant is tried in a transaction: the model and all models that read it are built again, compared and rolled back. So
one raw world serves all mutants, and only the affected models run.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from zoho_pipeline.ingest.catalog.tables import RAW_TABLES, RawTable
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.dictionary_tables import create_dictionary
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection

Row = dict[str, Any]
_TYPES = {
    "text": "varchar",
    "json": "varchar",
    "integer": "bigint",
    "double": "double precision",
    "money": "decimal(27, 9)",
    "rate": "decimal(18, 9)",
    "boolean": "boolean",
    "timestamp": "timestamp with time zone",
    "date": "date",
}
_CHUNK = 200


Rows = Mapping[str, list[Row] | pa.Table]


def write_raw(connection: Connection, rows: Rows) -> None:
    """Make every raw table of the catalogue in an empty schema, and write the rows, cast to the types of the columns.

    Arrow tables work on DuckDB only.
    """
    connection.execute("create schema if not exists zoho_raw")
    for table in RAW_TABLES:
        columns = ", ".join(f"{c.name} {_TYPES[c.type]}" for c in table.columns)
        connection.execute(f"create table zoho_raw.{table.name} ({columns})")
        given = rows.get(table.name, [])
        if connection.dialect == "duckdb":
            _copy(connection, table, given if isinstance(given, pa.Table) else _texts(given))
        else:
            for start in range(0, len(given), _CHUNK):
                connection.execute(*_insert(table, given[start : start + _CHUNK]))


def _names(rows: list[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _texts(rows: list[Row]) -> pa.Table:
    texts = {n: [None if row.get(n) is None else str(row[n]) for row in rows] for n in _names(rows)}
    return pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()})


def _copy(connection: Connection, table: RawTable, given: pa.Table) -> None:
    if given.num_rows:
        connection.raw.register("given_rows", given)
        values = ", ".join(f"cast({name} as {_TYPES[table.column(name).type]})" for name in given.column_names)
        connection.execute(
            f"insert into zoho_raw.{table.name} ({', '.join(given.column_names)}) select {values} from given_rows"
        )
        connection.raw.unregister("given_rows")


def _insert(table: RawTable, rows: list[Row]) -> tuple[str, list[Any]]:
    names = _names(rows)
    one = ", ".join(f"cast(? as {_TYPES[table.column(name).type]})" for name in names)
    marks = ", ".join([f"({one})"] * len(rows))
    sql = f"insert into zoho_raw.{table.name} ({', '.join(names)}) values {marks}"
    return sql, [row.get(name) for row in rows for name in names]


class SqlLab:
    """The models over one raw world, as tables of an in-memory session."""

    def __init__(self, rows: Rows, build_at: datetime, as_of: datetime | None = None) -> None:
        self.project = Project.load()
        session = duckdb.connect()
        session.execute("set TimeZone = 'UTC'")
        session.execute("set threads = 1")
        self.connection = DuckDBConnection(session)
        write_raw(self.connection, rows)
        self.connection.execute("create table run_channels as select distinct channel_id from zoho_raw.channels")
        self.connection.execute(
            "create table run_parameters as select cast(? as timestamp) as build_at,"
            " cast(? as timestamp) as as_of_requested, false as is_weekly",
            [instant and instant.astimezone(UTC).replace(tzinfo=None) for instant in (build_at, as_of)],
        )
        for seed in self.project.seeds.values():
            self.connection.execute(
                f"create table {seed.name} as select * from read_csv('{seed.path}', all_varchar = true)"
            )
        for _ in self._build(self.project.models, {}):
            pass

    def _build(self, names: Iterable[str], texts: Mapping[str, str]) -> Iterator[str]:
        wanted = set(names)
        for model in self.project.models.values():
            if model.name in wanted:
                text = texts.get(model.name, model.text)
                if model.dictionary:
                    create_dictionary(self.connection, model, f"table {model.name}", text)
                else:
                    self.connection.execute(f"create table {model.name} as {text}")
                yield model.name

    def rows(self, mart: str) -> list[Row]:
        """Return every row of a model."""
        return self.connection.rows(f"select * from {mart}")

    def marts(self) -> dict[str, list[Row]]:
        """Return every row of every mart, in a fixed order."""
        return {mart: sorted(self.rows(mart), key=repr) for mart in self.project.marts}

    def failing(self) -> list[str]:
        """Return the names of the singular tests that return rows."""
        return [name for name, test in self.project.tests.items() if self.connection.rows(test.text)]

    @contextmanager
    def mutated(self, model: str, text: str, mutant: str) -> Iterator[Iterator[str]]:
        """Replace `text` of a model by `mutant` inside the context, and yield the names of the marts that may differ.

        Each name is yielded as soon as its mart is built, so that a test can stop at the first difference."""
        right = self.project.models[model].text
        assert right.count(text) == 1, f"{model} no longer contains {text!r} exactly once"
        affected = self.project.descendants([model])
        self.connection.execute("begin")
        try:
            for name in affected:
                self.connection.execute(f"drop table {name}")
            built = self._build(affected, {model: right.replace(text, mutant)})
            yield (name for name in built if name in self.project.marts)
        finally:
            self.connection.execute("rollback")

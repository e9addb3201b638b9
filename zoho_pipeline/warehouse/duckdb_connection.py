"""A session in DuckDB."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from zoho_pipeline.warehouse.connection import TEXTS_PER_LIST, Connection, Dialect, SqlError


class DuckDBConnection(Connection):
    """A session in a DuckDB file or in memory; `raw` is a `duckdb.DuckDBPyConnection`."""

    dialect: ClassVar[Dialect] = "duckdb"

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        with _translated():
            result = self.raw.execute(sql, list(params) or None)
            changed = result.fetchone() if sql.lstrip()[:6].lower() in ("insert", "delete", "update") else None
        return int(changed[0]) if changed else -1

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        with _translated():
            result = self.raw.execute(sql, list(params) or None)
            return [column[0] for column in result.description or ()], result.fetchall()

    def texts(self, sql: str) -> Iterator[list[str]]:
        with _translated():
            # as a whole, because the session cannot insert while it still reads
            found = self.raw.sql(sql).to_arrow_table().column(0).drop_null()
        for start in range(0, len(found), TEXTS_PER_LIST):
            yield found.slice(start, TEXTS_PER_LIST).to_pylist()

    def append(self, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | None]]) -> None:
        given = pa.table([pa.array(texts, pa.string()) for texts in zip(*rows, strict=True)], [n for n, _ in columns])
        values = ", ".join(f'cast("{name}" as {data_type})' for name, data_type in columns)
        with _translated():
            self.raw.register("appended_rows", given)
            try:
                self.raw.execute(f"insert into {table} select {values} from appended_rows")  # noqa: S608
            finally:
                self.raw.unregister("appended_rows")

    def confine(self, schema: str) -> None:
        """Read `schema` by bare names; reach no other file; refuse to change this configuration again."""
        self.execute(f"use {schema}")
        self.execute("set enable_external_access = false")
        self.execute("set lock_configuration = true")


@contextmanager
def closing_duckdb(raw: duckdb.DuckDBPyConnection) -> Iterator[DuckDBConnection]:
    """The session of `raw`, which is closed at the end; closing rolls back what was not committed."""
    try:
        yield DuckDBConnection(raw)
    finally:
        raw.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
        raise SqlError(
            str(error).strip(),
            line=int(line.group(1)) if line else None,
            kind=type(error).__name__,
            of_data=isinstance(error, (duckdb.DataError, duckdb.InvalidInputException)),
        ) from error

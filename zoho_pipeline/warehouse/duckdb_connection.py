"""A session in DuckDB."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import duckdb

from zoho_pipeline import stopping
from zoho_pipeline.warehouse.connection import Connection, Dialect, SqlError


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

    def confine(self, schema: str) -> None:
        """Read `schema` by bare names; reach no other file; refuse to change this configuration again."""
        self.execute(f"use {schema}")
        self.execute("set enable_external_access = false")
        self.execute("set lock_configuration = true")


@contextmanager
def closing_duckdb(raw: duckdb.DuckDBPyConnection) -> Iterator[DuckDBConnection]:
    """The session of `raw`, which is closed at the end; closing rolls back what was not committed.

    Ctrl-C interrupts the statement that runs in it.
    """
    try:
        with stopping.interruptible(raw.interrupt):
            yield DuckDBConnection(raw)
    finally:
        raw.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (duckdb.InterruptException, RuntimeError) as error:  # RuntimeError: DuckDB saw Ctrl-C before us
        if isinstance(error, duckdb.InterruptException) or "interrupt" in str(error).lower():
            raise KeyboardInterrupt from error
        raise
    except duckdb.Error as error:
        line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
        raise SqlError(
            str(error).strip(),
            line=int(line.group(1)) if line else None,
            kind=type(error).__name__,
            of_data=isinstance(error, (duckdb.DataError, duckdb.InvalidInputException)),
        ) from error

"""A session in DuckDB."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import duckdb
import pyarrow as pa

from zoho_pipeline import stopping
from zoho_pipeline.warehouse.connection import BATCH_ROWS, TEXTS_PER_LIST, Connection, DamagedFile, Dialect, SqlError
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile


class DuckDBConnection(Connection):
    """A session in a DuckDB file or in memory; `raw` is a `duckdb.DuckDBPyConnection`.

    Args:
        files: the files that the session reads or writes; an error that shows damage names one of them.
    """

    dialect: ClassVar[Dialect] = "duckdb"
    has_packed_rows = True

    def __init__(self, raw: duckdb.DuckDBPyConnection, files: Sequence[DuckDBFile] = ()) -> None:
        super().__init__(raw)
        self._files = tuple(files)

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        with self._translated():
            result = self.raw.execute(sql, list(params) or None)
            changed = result.fetchone() if sql.lstrip()[:6].lower() in ("insert", "delete", "update") else None
        return int(changed[0]) if changed else -1

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        with self._translated():
            result = self.raw.execute(sql, list(params) or None)
            return [column[0] for column in result.description or ()], result.fetchall()

    def arrow(self, sql: str, params: Sequence[Any] = ()) -> pa.Table:
        with self._translated():
            found = self.raw.sql(sql, params=list(params) or None)
            if found is None:
                raise SqlError("the statement gives no rows. Give a SELECT.")
            return found.to_arrow_table()

    def batches(self, sql: str, params: Sequence[Any] = ()) -> Iterator[pa.Table]:
        with self._translated():
            found = self.raw.sql(sql, params=list(params) or None)
            if found is None:
                raise SqlError("the statement gives no rows. Give a SELECT.")
            yield from tables_of(found.to_arrow_reader(BATCH_ROWS))

    def commit(self) -> None:
        with self._translated():
            self.raw.commit()

    def texts(self, sql: str) -> Iterator[list[str]]:
        with self._translated():
            # as a whole, because the session cannot insert while it still reads
            found = self.raw.sql(sql).to_arrow_table().column(0).drop_null()
        return (found.slice(start, TEXTS_PER_LIST).to_pylist() for start in range(0, len(found), TEXTS_PER_LIST))

    def append(self, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | None]]) -> None:
        given = pa.table([pa.array(texts, pa.string()) for texts in zip(*rows, strict=True)], [n for n, _ in columns])
        listed = ", ".join(f'"{name}"' for name, _ in columns)
        values = ", ".join(f'cast("{name}" as {data_type})' for name, data_type in columns)
        with self._translated():
            self.raw.register("appended_rows", given)
            try:
                self.raw.execute(f"insert into {table} ({listed}) select {values} from appended_rows")  # noqa: S608
            finally:
                self.raw.unregister("appended_rows")

    def interrupt(self) -> None:
        self.raw.interrupt()

    def confine(self, schema: str) -> None:
        """Read `schema` by bare names; reach no other file; refuse to change this configuration again."""
        self.execute(f"use {schema}")
        self.execute("set enable_external_access = false")
        self.execute("set lock_configuration = true")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (duckdb.InterruptException, RuntimeError) as error:  # RuntimeError: DuckDB saw Ctrl-C before us
            if isinstance(error, duckdb.InterruptException) or "interrupt" in str(error).lower():
                raise KeyboardInterrupt from error
            raise
        except duckdb.Error as error:
            if damaged := self._damage(str(error)):
                raise damaged from error
            line = re.search(r"^LINE (\d+):", str(error), re.MULTILINE)
            raise SqlError(
                str(error).strip(),
                line=int(line.group(1)) if line else None,
                kind=type(error).__name__,
                of_data=isinstance(error, (duckdb.DataError, duckdb.InvalidInputException)),
            ) from error

    def _damage(self, message: str) -> DamagedFile | None:
        """The error of the damaged file. If the message names none of several files, it can be each of them."""
        named = [file for file in self._files if str(file.path) in message] or self._files
        found = [damage for file in named if (damage := file.damage(message))]
        return DamagedFile(" Or ".join(map(str, found))) if found else None


def tables_of(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """What a reader gives, as tables; the first one has no rows, so that the columns of an empty answer are known too.

    Raises:
        SqlError: the query failed between two tables. Arrow passes DuckDB's message on as an error of its own.
    """
    try:
        yield reader.schema.empty_table()
        for batch in reader:
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        stopping.raise_if_requested()
        raise SqlError(str(error).strip(), kind=_kind_of(str(error))) from error


def _kind_of(message: str) -> str:
    return "OutOfMemoryException" if "Out of Memory" in message else ""


@contextmanager
def closing_duckdb(raw: duckdb.DuckDBPyConnection, *files: DuckDBFile) -> Iterator[DuckDBConnection]:
    """The session of `raw`, which is closed at the end; closing rolls back what was not committed.

    Ctrl-C interrupts the statement that runs in it.
    """
    try:
        with stopping.interruptible(raw.interrupt):
            yield DuckDBConnection(raw, files)
    finally:
        raw.close()

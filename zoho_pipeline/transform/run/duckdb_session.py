"""The settings of DuckDB's session in a transform: its time zone, its way of writing, and its memory.

The memory is limited by the budget of the settings (ZOHO_PIPELINE_TRANSFORM_MEMORY), so that a machine has room for
other processes. What does not fit is spilled. A statement that cannot run within the limit gets more.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import duckdb

from zoho_pipeline.warehouse.connection import SqlError
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection, closing_duckdb
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile, open_instance
from zoho_pipeline.warehouse.duckdb_warehouse import TRANSFORM_MEMORY

OUTSIDE = 450_000_000
"""The bytes that a process has outside of DuckDB's limit: Python with its packages, texts of dictionaries, and what
DuckDB does not count."""
LEAST = 100_000_000
"""The smallest limit. Below it, statements that cannot spill fail and run twice."""

T = TypeVar("T")
_LIMIT = "select current_setting('memory_limit')"
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class TransformConnection(DuckDBConnection):
    """A session in which a statement that needs more memory than the limit gets DuckDB's default, as do all later ones
    until `limit_memory` is called.

    Args:
        budget: the bytes that the process may use. DuckDB's limit is what the rest of the process leaves of it, or
            DuckDB's default, 80 % of the machine, where that is less.

    Every method raises SqlError where a statement fails with the default too. A transaction must begin and end in one
    call of `execute`: a call is run again as a whole.
    """

    def __init__(
        self, raw: duckdb.DuckDBPyConnection, files: Sequence[DuckDBFile] = (), budget: int = TRANSFORM_MEMORY
    ) -> None:
        super().__init__(raw, files)
        default = _bytes(super().fetch(_LIMIT)[1][0][0])
        self.limit = int(min(default, max(budget - OUTSIDE, LEAST)))
        self.batch_memory = max(0, int(min(default, budget - OUTSIDE)))

    def limit_memory(self) -> None:
        """Set DuckDB's limit. It stays as it is where more than that is in use and cannot be spilled."""
        with suppress(SqlError):
            super().execute(f"set memory_limit = '{self.limit}B'")

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        return self._with_memory(lambda: super(TransformConnection, self).execute(sql, params))

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        return self._with_memory(lambda: super(TransformConnection, self).fetch(sql, params))

    def texts(self, sql: str) -> Iterator[list[str]]:
        return self._with_memory(lambda: super(TransformConnection, self).texts(sql))

    def append(self, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | None]]) -> None:
        self._with_memory(lambda: super(TransformConnection, self).append(table, columns, rows))

    def _with_memory(self, run: Callable[[], T]) -> T:
        try:
            return run()
        except SqlError as error:
            if error.kind != "OutOfMemoryException":
                raise
            with suppress(SqlError):  # a transaction that the call began accepts no other statement
                super().execute("rollback")
            super().execute("reset memory_limit")
            return run()


@contextmanager
def open_session(files: Sequence[DuckDBFile], budget: int = TRANSFORM_MEMORY) -> Iterator[TransformConnection]:
    """A session in memory for a transform that reads and writes `files`, in a process that may use `budget` bytes."""
    raw = open_instance()
    with closing_duckdb(raw):
        connection = TransformConnection(raw, files, budget)
        set_up(connection)
        yield connection


def set_up(connection: TransformConnection) -> None:
    """Give a session the settings of a transform."""
    connection.execute("set TimeZone = 'UTC'")
    # trying FSST on every text column took an eighth of the time of writing, for a file that is 4 % smaller
    connection.execute("set disabled_compression_methods = 'fsst'")
    connection.limit_memory()


def _bytes(setting: str) -> float:
    """`2.7 GiB` as a number."""
    number, unit = setting.split()
    return float(number) * float(1024 ** _UNITS.index(unit))

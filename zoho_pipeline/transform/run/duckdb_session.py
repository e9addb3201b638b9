"""The settings of DuckDB's session in a transform: its time zone, its way of writing, and its memory.

The memory is limited, so that a machine has room for other processes, but it is never too small.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from zoho_pipeline.warehouse.connection import Connection, SqlError
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection, closing_duckdb
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile, open_instance

MEMORY = "3GB"
"""The memory that DuckDB may use for a transform; what does not fit is spilled. A million leads took 4.7 GB without
this limit, and 3.2 GB in the same CPU seconds with it."""

T = TypeVar("T")
_LIMIT = "select current_setting('memory_limit')"
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class TransformConnection(DuckDBConnection):
    """A session in which a statement that needs more memory than the limit gets DuckDB's default, as do all later ones.

    Every method raises SqlError where a statement fails with the default too. A transaction must begin and end in one
    call of `execute`: a call is run again as a whole.
    """

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
def open_session(files: Sequence[DuckDBFile]) -> Iterator[TransformConnection]:
    """A session in memory for a transform that reads and writes `files`."""
    raw = open_instance()
    with closing_duckdb(raw):
        connection = TransformConnection(raw, files)
        set_up(connection)
        yield connection


def set_up(connection: Connection) -> None:
    """Give a session the settings of a transform."""
    connection.execute("set TimeZone = 'UTC'")
    # trying FSST on every text column took an eighth of the time of writing, for a file that is 4 % smaller
    connection.execute("set disabled_compression_methods = 'fsst'")
    _limit_memory(connection)


def _limit_memory(connection: Connection) -> None:
    """Limit a session to MEMORY. A machine for which DuckDB's default, 80 % of it, is less keeps the default."""
    default = _bytes(connection.fetch(_LIMIT)[1][0][0])
    connection.execute(f"set memory_limit = '{MEMORY}'")
    if default < _bytes(connection.fetch(_LIMIT)[1][0][0]):
        connection.execute("reset memory_limit")


def _bytes(setting: str) -> float:
    """`2.7 GiB` as a number."""
    number, unit = setting.split()
    return float(number) * float(1024 ** _UNITS.index(unit))

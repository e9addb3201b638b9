"""The memory of DuckDB in a transform: limited, so that a machine has room for other processes, but never too small."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import duckdb

from zoho_pipeline.warehouse.connection import Connection, SqlError
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection

MEMORY = "3GB"
"""The memory that DuckDB may use for a transform; what does not fit is spilled. A million leads took 4.7 GB without
this limit, and 3.2 GB in the same CPU seconds with it."""

_LIMIT = "select current_setting('memory_limit')"
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def limit_memory(connection: Connection) -> None:
    """Limit a session to MEMORY. A machine for which DuckDB's default, 80 % of it, is less keeps the default."""
    default = _bytes(connection.fetch(_LIMIT)[1][0][0])
    connection.execute(f"set memory_limit = '{MEMORY}'")
    if default < _bytes(connection.fetch(_LIMIT)[1][0][0]):
        connection.execute("reset memory_limit")


class RoomyConnection(DuckDBConnection):
    """A session whose statements get DuckDB's default if they need more than the limit, and so do all later ones.

    This holds for each statement of a transform: also checks and the publication can need more than a model.
    """

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        try:
            return super().execute(sql, params)
        except SqlError as error:
            self._make_room(error)
            return super().execute(sql, params)

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        try:
            return super().fetch(sql, params)
        except SqlError as error:
            self._make_room(error)
            return super().fetch(sql, params)

    def _make_room(self, error: SqlError) -> None:
        if error.kind != "OutOfMemoryException":
            raise error
        with suppress(duckdb.Error):  # a text of several statements may have begun a transaction: it begins anew
            self.raw.rollback()
        self.raw.execute("reset memory_limit")


def _bytes(setting: str) -> float:
    """`2.7 GiB` as a number."""
    number, unit = setting.split()
    return float(number) * float(1024 ** _UNITS.index(unit))

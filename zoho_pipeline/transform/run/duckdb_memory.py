"""The memory of DuckDB in a transform: limited, so that a machine has room for other processes, but never too small."""

from typing import Any

from zoho_pipeline.warehouse.connection import Connection, SqlError

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


def fetch_with_memory(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement. One that needs more than the limit gets DuckDB's default, and so do all later ones.

    Raises:
        SqlError: the statement failed, also with the default.
    """
    try:
        return connection.fetch(statement)[1]
    except SqlError as error:
        if error.kind != "OutOfMemoryException":
            raise
        connection.execute("reset memory_limit")
        return connection.fetch(statement)[1]


def _bytes(setting: str) -> float:
    """`2.7 GiB` as a number."""
    number, unit = setting.split()
    return float(number) * float(1024 ** _UNITS.index(unit))

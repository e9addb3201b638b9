"""A session in the warehouse, the names of its schemas, and what can go wrong there.

WarehouseError
├── UnknownWarehouse   the URL names no engine that we know (wrong use, exit code 2)
├── WarehouseBusy      another process holds the warehouse
├── DamagedFile        a DuckDB file is damaged; the message says how to replace it
├── ConnectionLost     the session ended in the middle of its work
└── SqlError           the engine refused or broke off a statement
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from zoho_pipeline.settings import PipelineError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

RAW_SCHEMA = "zoho_raw"
MARTS_SCHEMA = "marts"
STATE_SCHEMA = "pipeline_state"
"""Where the marts keep `channel_state` (fingerprint per channel) and `published_marts` (names)."""
LOCK_SECONDS = 600.0
"""The seconds that a writer waits for another one. The longest measured load step (1 M rows, merged) is far shorter."""

BATCH_ROWS = 10_000
"""Rows of one table of `Connection.batches`. With 50 columns, as Python objects, they take some 30 MB."""
TEXTS_PER_LIST = 100_000
"""A list of URLs of this length, and what is computed of it, take some 100 MB."""

NUMBER_AS_TEXT = {b"sql_type": b"numeric"}
"""The metadata of an Arrow column of texts whose values are numbers. A `numeric` of Postgres without a precision has
any number of digits, so a table that is read in batches has no type of Arrow for it."""

Dialect = Literal["duckdb", "postgres"]
"""The SQL that an engine speaks, under sqlglot's name."""


def is_number_as_text(field: "pa.Field") -> bool:
    """Whether an Arrow column of texts holds numbers (NUMBER_AS_TEXT)."""
    return bool((field.metadata or {}).get(b"sql_type") == b"numeric")


def is_instant(column: str) -> bool:
    """Whether a timestamp of a mart, which is stored without a zone, is in UTC. Its name says so, and a name that ends
    with `_local` says that it is local time."""
    return column.endswith(("_at", "_utc"))


def grants(user: str, *schemas: str) -> str:
    """The statements of Postgres that let a user read all tables of some schemas. `user` is written as it is given."""
    named = ", ".join(schemas)
    return f"grant usage on schema {named} to {user}; grant select on all tables in schema {named} to {user}"


class WarehouseError(PipelineError):
    """The warehouse cannot be used; the message says what to do."""


class UnknownWarehouse(WarehouseError, UsageError):
    """The URL names no engine that we know, or lacks a part that the engine needs."""


class WarehouseBusy(WarehouseError):
    """Another process holds the warehouse."""


class DamagedFile(WarehouseError):
    """A DuckDB file is damaged, or something else is in its place."""


class ConnectionLost(WarehouseError):
    """The session with the server ended in the middle of its work. What was not committed is gone."""


class SqlError(WarehouseError):
    """The engine refused or broke off a statement.

    Attributes:
        line: 1-based line within the statement, where the engine names it.
        near: the word at that place, or a name that the message quotes; None where there is none.
        position: 0-based offset of that word in the statement, where the engine names it (Postgres does).
        kind: the engine's class of error, e.g. `ConversionException`, `UndefinedColumn`.
        of_data: the statement is sound, but it met a value that it could not handle (a cast, a division).
    """

    def __init__(
        self,
        message: str,
        *,
        line: int | None = None,
        near: str | None = None,
        position: int | None = None,
        kind: str = "",
        of_data: bool = False,
    ) -> None:
        super().__init__(message)
        quoted = re.search(r"[\"'](\w+)[\"']", message)
        self.line, self.near = line, near or (quoted.group(1) if quoted else None)
        self.position, self.kind, self.of_data = position, kind, of_data


class Connection(ABC):
    """A session in the warehouse, in time zone UTC. `?` marks a parameter on every engine.

    Attributes:
        raw: the driver's own connection.
        has_packed_rows: a publication has rows once more for its readers (see `transform/packed_rows.py`).
    """

    dialect: ClassVar[Dialect]
    has_packed_rows: ClassVar[bool] = False

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    @abstractmethod
    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run one statement and return the number of rows it changed (-1 where the engine does not say).

        Raises:
            SqlError: the engine refused the statement.
            DamagedFile, ConnectionLost: the file or the session cannot be used any more.
        """

    @abstractmethod
    def fetch(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one query. SqlError: the engine refused it."""

    @abstractmethod
    def arrow(self, sql: str, params: Sequence[Any] = ()) -> "pa.Table":
        """The answer of one query as an Arrow table, with the types of its columns. SqlError: the engine refused it."""

    @abstractmethod
    def batches(self, sql: str, params: Sequence[Any] = ()) -> "Iterator[pa.Table]":
        """The answer of one query as tables of up to BATCH_ROWS rows, with the same types in all of them.

        There is at least one table, which may be empty. The process holds one at a time. A `numeric` of Postgres
        without a precision is text with the mark NUMBER_AS_TEXT. The session runs nothing else meanwhile.

        Raises:
            SqlError: the engine refused the query, or broke it off between two tables.
        """

    @abstractmethod
    def commit(self) -> None:
        """End the transaction. It raises what `execute` raises."""

    @abstractmethod
    def texts(self, sql: str) -> Iterator[list[str]]:
        """The values of the one text column of a query, in lists of up to TEXTS_PER_LIST, without nulls.

        Raises:
            SqlError: the engine refused the query.
        """

    @abstractmethod
    def append(self, table: str, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str | None]]) -> None:
        """Add rows of texts to a table, in bulk. `columns` are (name, type); the engine casts the texts to the types.

        Raises:
            SqlError: a text does not fit its type.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Break off the statement that another thread runs in this session; that thread gets an error."""

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """One dict per row. Timestamps have zone UTC where the column has a zone, decimals are `Decimal`."""
        names, rows = self.fetch(sql, params)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def tables(self, schema: str = RAW_SCHEMA) -> dict[str, dict[str, str]]:
        """Table → column → type (by the engine's name) of a schema; empty where the schema does not exist."""
        found: dict[str, dict[str, str]] = {}
        query = (
            "select table_name, column_name, data_type from information_schema.columns"
            " where table_schema = ? order by table_name, ordinal_position"
        )
        for table, column, data_type in self.fetch(query, (schema,))[1]:
            found.setdefault(str(table), {})[str(column)] = str(data_type)
        return found

    def has_tables(self, schema: str, role: str | None = None) -> bool:  # noqa: ARG002
        """Whether a schema has tables.

        Args:
            role: the role that will read them, where the engine knows roles. None: the user of the session.

        Raises:
            WarehouseError: it has some, and the role may read none of them.
        """
        return bool(self.tables(schema))


class Server(Protocol):
    """A database server to which the marts can be copied."""

    @property
    def url(self) -> str:
        """The URL, safe to print: a password in it is replaced by `***`."""

    def connect(self, read_only: bool = True, timeout: float = LOCK_SECONDS) -> AbstractContextManager[Connection]:
        """A session; with `read_only=False` the block is one transaction, rolled back on an exception."""

    def hide(self, text: str) -> str:
        """A message of the server, with the password replaced by `***` however it is written there."""


class PublishedPool(ABC):
    """Kept connections to the published marts, for a process that reads them again and again. Threads share it.

    `looks_cheaply`: `publication` costs microseconds, and no query.
    """

    looks_cheaply = False

    @abstractmethod
    def publication(self) -> str | None:
        """A text that changes with each publication; None before the first one. It costs next to nothing.

        Raises:
            WarehouseError: the warehouse cannot be reached.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[Connection | None]:
        """A read-only connection on one publication for the whole block, also if another one comes meanwhile.

        The names of the marts need no schema. None: nothing was published yet. One block reads at least the
        publication that `publication` named before it.

        Raises:
            WarehouseError: the warehouse cannot be reached.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the idle connections. A block that runs keeps its own until it ends."""

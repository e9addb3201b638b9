"""The protocol of a warehouse engine (`Warehouse`), and the function that opens the engine of a URL.

A new engine is a file with a class of these methods, a line in `open_warehouse`, and a file beside
`transform/run/engine.py` that builds and publishes marts there.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.connection import (
    LOCK_SECONDS,
    Connection,
    DamagedFile,
    Dialect,
    PublishedPool,
    UnknownWarehouse,
)
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.postgres_warehouse import PostgresWarehouse
from zoho_pipeline.work_folders import TEMPORARY

if TYPE_CHECKING:
    from dlt.common.destination import Destination


class Warehouse(Protocol):
    """A warehouse with raw tables and marts. `open_warehouse` makes one."""

    @property
    def url(self) -> str:
        """The URL, safe to print: a password in it is replaced by `***`."""

    @property
    def dialect(self) -> Dialect:
        """The SQL that the engine speaks, under sqlglot's name."""

    @property
    def publishing_copies(self) -> bool:
        """Whether each publication copies all marts, so that it should not follow the one before at once."""

    @property
    def takes_parquet(self) -> bool:
        """Whether dlt can load Parquet files into it; if not, rows go in as SQL."""

    def destination(self, channel_id: str | None = None) -> "Destination[Any, Any]":
        """The dlt destination. It carries its credentials, so that dlt takes none from the environment.

        With `channel_id`, rows are staged in `staging_schema(channel_id)`.
        """

    def lend(
        self, destination: "Destination[Any, Any]", *, limit_memory: bool = True
    ) -> AbstractContextManager[Connection | None]:
        """Lock the warehouse for one step of dlt with `destination`, which `destination()` made.

        It yields the session in which dlt works, or None where dlt opens sessions of its own.

        Args:
            limit_memory: the engine may use only the memory of an ordinary load, where it runs in our process.

        Raises:
            WarehouseBusy: another process holds the warehouse.
            WarehouseError: the warehouse cannot be reached.
        """

    def kept_open(self) -> AbstractContextManager[None]:
        """A block of many short sessions, in several threads: they share what is dear to open.

        Other processes still get their turn, after two seconds at the latest.
        """

    def connect(self, read_only: bool = True, timeout: float = LOCK_SECONDS) -> AbstractContextManager[Connection]:
        """A session; with `read_only=False` the block is one transaction, rolled back on an exception.

        If the engine allows one writer only, the block holds the lock of the writer. A warehouse that does not
        exist yet reads as an empty one.

        Raises:
            WarehouseBusy: another process has held the warehouse for `timeout` seconds.
            WarehouseError: the warehouse cannot be reached.
        """

    def published(self) -> AbstractContextManager[Connection | None]:
        """A read-only session in the published marts, whose names need no schema; None before the first transform."""

    def published_pool(self) -> PublishedPool:
        """Kept connections to the published marts, for a process that reads them again and again."""

    def query_place(self, raw: bool) -> AbstractContextManager[dict[str, Any] | None]:
        """How the process that runs a query of a person opens the marts (or the raw tables, with `raw`).

        None: there are no such tables yet. The raw tables cannot be written while the block lasts where the engine
        takes one writer. The dict may hold a password: it goes through a pipe, never into an argument list.
        """

    def creating_tables(self) -> AbstractContextManager[None]:
        """A block in which no other process creates raw tables."""

    def index_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Index the keys of raw tables (table → columns), where the engine needs that to merge rows."""

    def staging_schema(self, channel_id: str) -> str:
        """The schema in which dlt stages the rows of a channel before it merges them."""

    def drop_staging(self, connection: Connection, channel_id: str) -> None:
        """Drop what `staging_schema` keeps of the channel, in a transaction of `connect`."""

    def erase_deleted(self) -> None:
        """Make deleted rows unreadable in the files of the raw tables, where the engine leaves that to us.

        Raises:
            WarehouseBusy: another process has held the warehouse for LOCK_SECONDS.
        """

    def hide(self, text: str) -> str:
        """A message of the engine, with the password replaced by `***` however it is written there."""

    def damage(self, message: str) -> DamagedFile | None:
        """The error that says how to replace a damaged warehouse, if the engine's message shows that; else None."""


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse of `settings.warehouse_url`: `duckdb:///path` or `postgresql://…`.

    It does not connect and creates nothing.

    Raises:
        UnknownWarehouse: the URL is of another kind, or it lacks a path.
    """
    kind = settings.warehouse_url.partition("://")[0]
    if kind == "duckdb":
        work, memory, copy = settings.home / TEMPORARY, settings.transform_memory, settings.published_copy
        to = PostgresWarehouse.from_url(copy.reveal(), setting="ZOHO_PIPELINE_PUBLISHED") if copy else None
        return DuckDBWarehouse.from_url(settings.warehouse_url, settings.published, work, memory, to)
    if kind.partition("+")[0] in ("postgresql", "postgres"):
        return PostgresWarehouse.from_url(settings.warehouse_url, settings.sql_role)
    known = (
        f" ({kind!r})" if re.fullmatch(r"[a-z0-9+]{1,20}", kind) else ""
    )  # otherwise it may be anything, also a password
    raise UnknownWarehouse(
        f"ZOHO_PIPELINE_WAREHOUSE is of an unknown kind{known}. It takes duckdb:///path or postgresql://…"
    )

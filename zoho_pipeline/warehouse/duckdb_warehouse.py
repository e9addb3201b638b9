"""A warehouse in a DuckDB file: one writer at a time, and a published copy of the marts that people read.

No process can open the file while another one writes it (duckdb_file.py says why). So loads queue for the
file, and people read `published_path`, a file of its own that each transform replaces as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from zoho_pipeline.local_paths import duckdb_path
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.connection import (
    LOCK_SECONDS,
    MARTS_SCHEMA,
    RAW_SCHEMA,
    Connection,
    DamagedFile,
    Dialect,
    Server,
    UnknownWarehouse,
)
from zoho_pipeline.warehouse.duckdb_connection import closing_duckdb
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile, open_instance, remove_leftovers
from zoho_pipeline.warehouse.duckdb_kept import KeptOpen
from zoho_pipeline.warehouse.duckdb_published import DuckDBPublished, open_confined
from zoho_pipeline.warehouse.duckdb_rewrite import rewrite
from zoho_pipeline.work_folders import TEMPORARY, spill_folder, spill_statement

if TYPE_CHECKING:
    from dlt.common.destination import Destination

TRANSFORM_MEMORY = Settings.transform_memory
"""The bytes that a transform may use if nothing else is set."""
LOAD_MEMORY = "256MB"
"""The memory that DuckDB may use for a load. A load that needs more gets DuckDB's default, 80 % of the machine."""


class DuckDBWarehouse:
    """`duckdb:///path`. The methods are those of the protocol `Warehouse`.

    Attributes:
        path: the DuckDB file with raw tables.
        published_path: the DuckDB file that people read, replaced as a whole by each transform.
        work: the folder below which sessions spill rows that do not fit into memory.
        transform_memory: the bytes of memory that the process of a transform may use.
        default_published_path: its place beside the warehouse, where it is unless the settings name another one.
        copy: the server to which each transform copies the marts; None: there is none.
    """

    dialect: ClassVar[Dialect] = "duckdb"
    publishing_copies: ClassVar[bool] = True
    takes_parquet = True

    def __init__(
        self,
        url: str,
        path: Path,
        published: Path | None = None,
        work: Path | None = None,
        transform_memory: int = TRANSFORM_MEMORY,
        copy: Server | None = None,
    ) -> None:
        self.url, self.path = url, path
        self.default_published_path = path.with_name(f"{path.stem}.published.duckdb")
        self.published_path = published or self.default_published_path
        self.work = work or path.parent / TEMPORARY
        self.transform_memory, self.copy = transform_memory, copy
        self._file = DuckDBFile(path)
        self._published_file = DuckDBFile(self.published_path, published=True)

    @property
    def files(self) -> tuple[DuckDBFile, DuckDBFile]:
        """The warehouse file and the published file."""
        return self._file, self._published_file

    @classmethod
    def from_url(
        cls,
        url: str,
        published: Path | None = None,
        work: Path | None = None,
        transform_memory: int = TRANSFORM_MEMORY,
        copy: Server | None = None,
    ) -> "DuckDBWarehouse":
        """The warehouse of `duckdb:///path`; a relative path starts in the working folder.

        Args:
            published: the place of the published file; None: beside the warehouse.
            work: the folder for temporary files; None: `tmp` beside the warehouse.
            transform_memory: the bytes of memory that a transform may use.
            copy: the server to which each transform copies the marts.
        """
        try:
            path = duckdb_path(url)
        except ValueError as error:
            raise UnknownWarehouse(f"ZOHO_PIPELINE_WAREHOUSE {error}") from error
        if path is None:
            raise UnknownWarehouse(f"ZOHO_PIPELINE_WAREHOUSE is {url!r}: a DuckDB warehouse is a file, duckdb:///path.")
        return cls(url, path, published, work, transform_memory, copy)

    def __repr__(self) -> str:
        return f"DuckDBWarehouse({self.url})"

    def destination(self, channel_id: str | None = None) -> "Destination[Any, Any]":  # noqa: ARG002
        from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

        from zoho_pipeline.warehouse.dlt_duckdb import QuotingDuckDB

        self._file.make_folder()
        return QuotingDuckDB(credentials=DuckDbCredentials(str(self.path)))

    @contextmanager
    def exclusive(self, timeout: float = LOCK_SECONDS) -> Iterator[None]:
        """Lock the file, so that no other process or program has it open. WarehouseBusy after `timeout` seconds.

        The lock belongs to a thread: this thread may take it again (`connect` does), and another thread waits.
        """
        with self._file.hold(timeout):
            remove_leftovers(self.path)
            if self.path.exists():
                self._file.open(read_only=False, timeout=timeout).close()
            yield

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        file = self._file
        if file.kept is not None:
            yield
            return
        file.kept = kept = KeptOpen(
            self.path, file.lock, lambda timeout: file.open(read_only=False, timeout=timeout), self.work
        )
        try:
            yield
        finally:
            file.kept = None
            kept.end()

    @contextmanager
    def lend(self, destination: "Destination[Any, Any]", *, limit_memory: bool = True) -> Iterator[Connection | None]:
        # dlt would open and close the file for each part of a load, and each closing writes the staged rows
        # to disk once more: 4.4 of 28 s for 300,000 leads. So it works in a session that stays open.
        from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

        with self._file.hold(LOCK_SECONDS):
            by_path = destination.config_params["credentials"]
            remove_leftovers(self.path)
            opened = closing_duckdb(self._file.open(read_only=False, timeout=LOCK_SECONDS), self._file)
            with opened as connection, self.spilling(connection):
                if limit_memory:
                    connection.execute(f"set memory_limit = '{LOAD_MEMORY}'")
                destination.config_params["credentials"] = DuckDbCredentials(connection.raw)
                try:
                    yield connection
                finally:
                    destination.config_params["credentials"] = by_path
                    if limit_memory and self._file.kept is not None:
                        connection.execute("reset memory_limit")  # it is that of all sessions

    @contextmanager
    def connect(self, read_only: bool = True, timeout: float = LOCK_SECONDS) -> Iterator[Connection]:
        if read_only and not self._file.exists():
            with closing_duckdb(open_instance()) as connection, self.spilling(connection, reading=True):
                yield connection
            return
        with (
            self._file.hold(timeout, reading=read_only),
            closing_duckdb(self._file.open(read_only=read_only, timeout=timeout), self._file) as connection,
            self.spilling(connection, reading=read_only),
        ):
            if read_only:
                yield connection
                return
            connection.raw.begin()
            yield connection
            connection.commit()  # an exception leaves through close(), which rolls back

    @contextmanager
    def published(self) -> Iterator[Connection | None]:
        # The session reads the newest file at the time when it was opened, also if another one is published later.
        if not self._published_file.exists():
            yield None
            return
        with (
            spill_folder(self.work, reading=True) as spill,
            closing_duckdb(open_confined(self._published_file, spill), self._published_file) as connection,
        ):
            yield connection

    def published_pool(self) -> DuckDBPublished:
        return DuckDBPublished(self._published_file, self.work)

    @contextmanager
    def query_place(self, raw: bool) -> Iterator[dict[str, Any] | None]:
        if not raw:
            exists = self._published_file.exists()
            yield _place(self.published_path, "published", MARTS_SCHEMA, published=True) if exists else None
            return
        # The file stays open here, read-only, so that no load begins while the other process reads it.
        with self.connect(read_only=True) as connection:
            yield _place(self.path, self.path.stem, RAW_SCHEMA) if connection.tables(RAW_SCHEMA) else None

    def creating_tables(self) -> AbstractContextManager[None]:
        return nullcontext()  # loads queue for the file, so no two of them create tables at once

    def index_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Nothing: DuckDB merges by a hash join, which reads no index."""

    def staging_schema(self, channel_id: str) -> str:  # noqa: ARG002
        return f"{RAW_SCHEMA}_staging"  # loads queue for the file, so one schema is enough for all channels

    def drop_staging(self, connection: Connection, channel_id: str) -> None:
        """Nothing: all channels share the schema, and each load truncates the tables that it staged in."""

    @contextmanager
    def spilling(self, connection: Connection, *, reading: bool = False) -> Iterator[None]:
        """Let a session spill into a folder below HOME, which is removed at the end. See `spill_folder`."""
        if self._file.kept is not None:  # it has a folder for all sessions
            yield
            return
        with spill_folder(self.work, reading=reading) as folder:
            connection.execute(spill_statement(folder))
            yield

    def erase_deleted(self) -> None:
        with self.exclusive(), spill_folder(self.work) as spill:
            if self.path.exists():
                rewrite(self._file, spill)

    def hide(self, text: str) -> str:
        return text  # there is no password

    def damage(self, message: str) -> DamagedFile | None:
        return self._file.damage(message)


def _place(path: Path, name: str, schema: str, *, published: bool = False) -> dict[str, Any]:
    return {"engine": "duckdb", "path": str(path), "name": name, "schema": schema, "published": published}

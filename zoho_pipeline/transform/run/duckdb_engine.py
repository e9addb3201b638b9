"""DuckDB builds in memory and publishes a new file.

It spills to disk below HOME. The warehouse file is locked only while raw is read. The marts go into a
draft, which is a separate file that replaces the published one. If most channels are rebuilt, the draft begins empty
and the marts are built directly in it, because copying them from temporary tables cost a sixth of a full run.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import ClassVar

from filelock import FileLock, Timeout

from zoho_pipeline.transform.channel_pages import pack_pages
from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.docs import DocumentedColumn
from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.run.duckdb_session import open_session
from zoho_pipeline.transform.run.engine import (
    BUSY,
    Publication,
    RawColumns,
    in_order,
    quoted,
    raw_view,
    text_literal,
    time_columns,
)
from zoho_pipeline.transform.run.publish import GONE, MINE, Publisher
from zoho_pipeline.warehouse.connection import (
    LOCK_SECONDS,
    MARTS_SCHEMA,
    RAW_SCHEMA,
    STATE_SCHEMA,
    Connection,
    Dialect,
    WarehouseBusy,
)
from zoho_pipeline.warehouse.duckdb_connection import closing_duckdb
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile, open_instance, remove_leftovers, remove_with_wal
from zoho_pipeline.warehouse.duckdb_rewrite import rewrite
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.work_folders import spill_folder

WHOLE_ROWS = 200_000
"""Up to this number of rows, whole rows of a table are hashed, which also finds an edit by a person. Hashing
whole rows of a million leads took 0.2 s of a run of one channel."""

STORAGE_VERSION = "v1.0.0"
"""The format of the published file. Every DuckDB from 1.0 on opens it, and so does every BI tool. Files in DuckDB 2.0's
own format open in nothing older. 1.0 is the first version whose files DuckDB promises to read for ever, and it holds
all types of the marts."""


@contextmanager
def open_duckdb_engine(warehouse: DuckDBWarehouse, raw_columns: RawColumns) -> Iterator["DuckDBEngine"]:
    """Open the engine. Only one transform can have it at a time.

    Raises:
        WarehouseBusy: another transform has run for LOCK_SECONDS.
        TransformError: the folder cannot be written.
    """
    final = warehouse.published_path
    with _alone(warehouse):
        try:
            _prepare(warehouse.default_published_path, final)
            with open_session(warehouse.files) as connection, warehouse.spilling(connection):
                yield DuckDBEngine(connection, warehouse, raw_columns)
        finally:
            with suppress(OSError):  # the next run removes it first
                remove_with_wal(_draft_of(final))


def forget_in_published_files(warehouse: DuckDBWarehouse, channel_id: str) -> None:
    """Write the published file anew without the rows of a channel, so that no byte of them stays in it.

    The same is done with a file that an earlier setting of ZOHO_PIPELINE_PUBLISHED left beside the warehouse.

    Raises:
        WarehouseBusy: a transform has run for LOCK_SECONDS.
        TransformError: the folder cannot be written.
        DamagedFile: a published file is damaged.
    """
    final, beside = warehouse.published_path, warehouse.default_published_path
    with _alone(warehouse), spill_folder(warehouse.work) as spill:
        remove_with_wal(_draft_of(final))
        for path in dict.fromkeys((final, beside)):
            remove_leftovers(path)
            file = DuckDBFile(path, published=True)
            if path.exists() and _is_published(file):
                rewrite(file, spill, without=channel_id, storage_version=STORAGE_VERSION)


def _is_published(file: DuckDBFile) -> bool:
    """Whether a transform wrote the file: a person may have put a database where the published file goes."""
    file.require_readable()
    with closing_duckdb(open_instance(), file) as connection:
        connection.execute(f"attach {text_literal(str(file.path))} as published (read_only)")
        return bool(
            connection.fetch(
                "select 1 from duckdb_tables() where database_name = 'published' and schema_name = ?", (STATE_SCHEMA,)
            )[1]
        )


@contextmanager
def _alone(warehouse: DuckDBWarehouse) -> Iterator[None]:
    """Keep other transforms out."""
    beside = warehouse.default_published_path  # the published file may be elsewhere; the lock is not
    lock = FileLock(f"{beside}.lock", mode=0o600)
    try:
        beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout as error:
        raise WarehouseBusy(BUSY) from error
    except OSError as error:
        warehouse.files[1].require_lock_file(Path(lock.lock_file))
        raise TransformError(f"the folder {beside.parent} cannot be written: {error.strerror}.") from error
    try:
        shutil.rmtree(beside.with_name(f"{beside.name}.spill"), ignore_errors=True)  # of earlier releases
        yield
    finally:
        lock.release()


def _prepare(beside: Path, final: Path) -> None:
    """Remove the draft of a run that was killed, and move the published file to the place that the settings name."""
    try:
        if not os.access(final.parent, os.W_OK | os.X_OK):
            reason = "it does not exist" if not final.parent.exists() else "this user may not"
            raise TransformError(f"the folder {final.parent} cannot be written: {reason}.")
        remove_with_wal(_draft_of(final))
        _move(beside, final)
    except OSError as error:
        raise TransformError(f"the folder {final.parent} cannot be written: {error.strerror}.") from error


class DuckDBEngine:
    """Builds in memory; `warehouse`, `published` and `draft` are attached files. An `Engine`."""

    dialect: ClassVar[Dialect] = "duckdb"
    reads_files_verbatim = True

    def __init__(self, connection: Connection, warehouse: DuckDBWarehouse, raw_columns: RawColumns) -> None:
        self.connection, self._warehouse, self._raw_columns = connection, warehouse, raw_columns
        self._final = warehouse.published_path
        self._draft = _draft_of(self._final)
        self._marts_are_new = False
        self._shapes: dict[str, dict[str, str]] = {}
        self._published: dict[str, dict[str, dict[str, str]]] = {}
        self._has_published = self._final.exists()
        if self._has_published:
            warehouse.files[1].require_readable()
            self._attach_published()
            self._require_ours()
            self._convert_published()

    def _attach_published(self) -> None:
        self.connection.execute(f"attach {text_literal(str(self._final))} as published (read_only)")

    def _require_ours(self) -> None:
        """Refuse to replace a database that a person put where the published file goes."""
        is_placed = self._final != self._warehouse.default_published_path
        if is_placed and not self.published(STATE_SCHEMA):
            raise TransformError(
                f"{self._final} is a DuckDB database that no transform has written, and every transform replaces it. "
                "Move it away, or set ZOHO_PIPELINE_PUBLISHED to another file."
            )

    def _convert_published(self) -> None:
        """Rewrite a file of another format: a changed copy would keep the format, and so would a run with nothing to
        do. Releases up to 0.1 wrote the format of DuckDB 2.0."""
        tags = "select tags['storage_version'] from duckdb_databases() where database_name = 'published'"
        if str(self.connection.fetch(tags)[1][0][0]).rstrip("+") == STORAGE_VERSION:
            return
        self._attach_draft()
        self.connection.execute("copy from database published to draft")
        self.connection.execute("detach published")
        self._replace_published()
        self._attach_published()

    @contextmanager
    def raw(self) -> Iterator[None]:
        path = self._warehouse.path
        with self._warehouse.exclusive():
            there = path.exists()
            if there:
                self.connection.execute(f"attach {text_literal(str(path))} as warehouse (read_only)")
            present = self._tables("warehouse", RAW_SCHEMA) if there else {}
            self.connection.execute(f"create schema {RAW_SCHEMA}")
            for table, columns in self._raw_columns.items():
                source = f"warehouse.{RAW_SCHEMA}.{quoted(table)}"
                select = raw_view("duckdb", source, present.get(table), columns)
                self.connection.execute(f"create view {self.raw_name(table)} as {select}")
            try:
                yield
            finally:
                self.connection.execute(f"drop schema {RAW_SCHEMA} cascade")
                if there:
                    self.connection.execute("detach warehouse")

    def raw_name(self, table: str) -> str:
        return f"{RAW_SCHEMA}.{quoted(table)}"

    def model_sql(self, model: Model) -> str:
        order = in_order(model) if self._is_drafted(model) else ""
        # The bracket is on the first line, so that errors name the lines of the file.
        return f"select * from ({model.body}\n){order}" if order else model.body  # noqa: S608

    def _is_drafted(self, model: Model) -> bool:
        return self._marts_are_new and model.layer == "marts"

    def row_hash(self, alias: str, columns: tuple[DocumentedColumn, ...], rows: int) -> str:
        hashed = columns if rows <= WHOLE_ROWS else time_columns(columns) or columns
        return f"hash({', '.join(f'{alias}.{quoted(c.name)}' for c in hashed)})"

    def repeated(self, columns: Sequence[str]) -> str | None:
        # distinct numbers take half the time of groups of texts; equal hashes of unequal rows only cost a closer look
        return f"count(*) - count(distinct hash({', '.join(map(quoted, columns))}))"

    def start_new_marts(self) -> None:
        if not self._marts_are_new:  # in an empty draft; models find the marts by their bare names
            self._open_draft()
            self.connection.execute(f"set search_path = 'memory.main,draft.{MARTS_SCHEMA}'")
            self._marts_are_new = True

    def place(self, model: Model) -> str:
        return f"table {_drafted(model.name)}" if self._is_drafted(model) else f"temporary table {quoted(model.name)}"

    def create(self, statement: str) -> int:
        self._shapes = {}
        return int(self.connection.fetch(statement)[1][0][0])

    def analyze(self, relation: str) -> None:
        """Do nothing: DuckDB keeps its statistics by itself."""

    def guarded(self) -> AbstractContextManager[None]:
        return nullcontext()  # a failed statement leaves the session as it was

    def shape(self, relation: str) -> dict[str, str]:
        if relation not in self._shapes:
            drafted = self._tables("draft", MARTS_SCHEMA) if self._marts_are_new else {}
            self._shapes = self._tables("temp", "main") | drafted
        return self._shapes[relation]

    def published(self, schema: str) -> dict[str, dict[str, str]]:
        if schema not in self._published:
            self._published[schema] = self._tables("published", schema) if self._has_published else {}
        return self._published[schema]

    def published_views(self) -> set[str]:
        query = "select view_name from duckdb_views() where database_name = 'published' and schema_name = ?"
        return {str(name) for (name,) in self.connection.fetch(query, (MARTS_SCHEMA,))[1]}

    def previous(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        return f"published.{schema}.{quoted(name)}"

    def publish(self, publication: Publication) -> None:  # in the draft of the marts, or in a copy of the last one
        publisher = _DraftPublisher(self, publication)
        publisher.prepare()
        if self._marts_are_new:
            publisher.complete_new_marts()
        else:
            remove_with_wal(self._draft)
            if self._has_published:
                shutil.copyfile(self._final, self._draft)
            self._open_draft()
            publisher.change_marts()
        self.connection.execute("reset search_path")
        self._replace_published()

    def _replace_published(self) -> None:
        self.connection.execute("checkpoint draft")
        self.connection.execute("detach draft")
        self._draft.chmod(0o600 if self._final == self._warehouse.default_published_path else 0o640)
        os.replace(self._draft, self._final)

    def _attach_draft(self) -> None:
        options = f"(storage_version '{STORAGE_VERSION}')"
        self.connection.execute(f"attach {text_literal(str(self._draft))} as draft {options}")
        self._draft.chmod(0o600)

    def _open_draft(self) -> None:
        self._attach_draft()
        for schema in (MARTS_SCHEMA, STATE_SCHEMA):
            self.connection.execute(f"create schema if not exists draft.{schema}")

    def _tables(self, catalog: str, schema: str) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        query = (
            "select table_name, column_name, data_type from duckdb_columns()"
            " where database_name = ? and schema_name = ? order by table_name, column_index"
        )
        for table, column, data_type in self.connection.fetch(query, (catalog, schema))[1]:
            found.setdefault(table, {})[column] = data_type
        return found


class _DraftPublisher(Publisher):
    """Writes the marts in the draft."""

    lenient_cast = "try_cast"

    def target(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        return _drafted(name, schema)

    def write_view(self, model: Model) -> None:
        # DuckDB looks for the marts of a new view in the current schema
        self.connection.execute(f"use draft.{MARTS_SCHEMA}")
        super().write_view(model)
        self.connection.execute("use memory.main")

    def pack_pages(self) -> None:
        pack_pages(self.connection, "draft", self.names_after(), MINE, GONE)

    def run_together(self, statements: Sequence[str]) -> None:
        # each of 300 comments in a transaction of its own took twice the CPU, and waited 300 times for the disk
        super().run_together(["begin", *statements, "commit"])

    def comments(self) -> dict[tuple[str, str], str]:
        query = (
            "select table_name, '', comment from duckdb_tables() where database_name = 'draft' and schema_name = ?"
            " union all select view_name, '', comment from duckdb_views() where database_name = 'draft'"
            " and schema_name = ? union all select table_name, column_name, comment from duckdb_columns()"
            " where database_name = 'draft' and schema_name = ?"
        )
        rows = self.connection.fetch(query, (MARTS_SCHEMA,) * 3)[1]
        return {(table, column): text for table, column, text in rows if text is not None}


def _drafted(name: str, schema: str = MARTS_SCHEMA) -> str:
    return f"draft.{schema}.{quoted(name)}"


def _draft_of(published: Path) -> Path:
    return published.with_name(f"{published.name}.draft")


def _move(beside: Path, final: Path) -> None:
    """Take the published file to the place that the settings name, once: the marts that keep history are only there."""
    if beside == final or final.exists() or not beside.exists():
        return
    draft = _draft_of(final)
    shutil.copyfile(beside, draft)
    draft.chmod(0o640)
    os.replace(draft, final)
    beside.unlink()

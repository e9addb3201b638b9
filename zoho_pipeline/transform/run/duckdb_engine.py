"""DuckDB builds in memory and publishes a new file.

It spills to disk below HOME. The warehouse file is locked only while raw is read. The marts go into a
draft, which is a separate file that replaces the published one. If most channels are rebuilt, the draft begins empty
and the marts are built directly in it, because copying them from temporary tables cost a sixth of a full run. Else the
draft begins with the published rows (published_files/files.py says how).
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import ClassVar

from zoho_pipeline.transform import channel_pages, insight_rates, packed_insights
from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.docs import DocumentedColumn
from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.run.duckdb_session import TransformConnection, open_session
from zoho_pipeline.transform.run.engine import (
    Publication,
    RawColumns,
    in_order,
    quoted,
    raw_view,
    text_literal,
    time_columns,
)
from zoho_pipeline.transform.run.publish import GONE, MINE, Publisher
from zoho_pipeline.transform.run.published_files.catch_up import can_catch_up, catch_up, read_note, write_note
from zoho_pipeline.transform.run.published_files.file_marts import FileMarts, attach_batches
from zoho_pipeline.transform.run.published_files.files import STORAGE_VERSION, PublishedFiles
from zoho_pipeline.warehouse.connection import (
    MARTS_SCHEMA,
    RAW_SCHEMA,
    STATE_SCHEMA,
    DamagedFile,
    Dialect,
    SqlError,
)
from zoho_pipeline.warehouse.duckdb_file import NO_ROOM, remove_with_wal
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

log = logging.getLogger(__name__)

WHOLE_ROWS = 200_000
"""Up to this number of rows, whole rows of a table are hashed, which also finds an edit by a person. Hashing
whole rows of a million leads took 0.2 s of a run of one channel."""


@contextmanager
def open_duckdb_engine(warehouse: DuckDBWarehouse, raw_columns: RawColumns) -> Iterator["DuckDBEngine"]:
    """Open the engine. Only one transform can have it at a time.

    Raises:
        WarehouseBusy: another transform has run for LOCK_SECONDS.
        TransformError: the folder cannot be written.
    """
    files = PublishedFiles(warehouse)
    with files.alone():
        try:
            files.prepare()
            budget = warehouse.transform_memory
            with open_session(warehouse.files, budget) as connection, warehouse.spilling(connection):
                yield DuckDBEngine(connection, warehouse, files, raw_columns)
        finally:
            with suppress(OSError):  # the next run removes it first
                remove_with_wal(files.draft)


class DuckDBEngine:
    """Builds in memory; `warehouse`, `published` and `draft` are attached files. An `Engine`."""

    dialect: ClassVar[Dialect] = "duckdb"
    reads_files_verbatim = True

    def __init__(
        self,
        connection: TransformConnection,
        warehouse: DuckDBWarehouse,
        files: PublishedFiles,
        raw_columns: RawColumns,
    ) -> None:
        self.connection, self._warehouse, self._raw_columns = connection, warehouse, raw_columns
        self.batch_memory: int | None = connection.batch_memory
        self._files, self._final = files, files.final
        self._marts_are_new = False
        self._kept: FileMarts | None = None
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
        if self._files.is_elsewhere and not self.published(STATE_SCHEMA):
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
        self._detach_draft()
        self._files.replace()
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
        order = in_order(model) if self._marts_are_new and model.layer == "marts" else ""
        # The bracket is on the first line, so that errors name the lines of the file.
        return f"select * from ({model.body}\n){order}" if order else model.body  # noqa: S608

    def row_hash(self, alias: str, columns: tuple[DocumentedColumn, ...], rows: int) -> str:
        hashed = columns if rows <= WHOLE_ROWS else time_columns(columns) or columns
        return f"hash({', '.join(f'{alias}.{quoted(c.name)}' for c in hashed)})"

    def repeated(self, columns: Sequence[str]) -> str | None:
        # distinct numbers take half the time of groups of texts; equal hashes of unequal rows only cost a closer look
        return f"count(*) - count(distinct hash({', '.join(map(quoted, columns))}))"

    def place_marts(self, *, most: bool, in_batches: bool) -> None:
        if most:  # in an empty draft
            self._files.remove_standby()  # three files would need more room
            self._open_draft()
            self._marts_are_new = True
        if most or in_batches:
            catalog = "draft" if most else attach_batches(self.connection)
            self._kept = FileMarts(self.connection, catalog, in_batches)

    def statement(self, model: Model) -> str:
        select = self.model_sql(model)
        if self._kept and self._kept.has(model):
            return self._kept.statement(model, select)
        return f"create temporary table {quoted(model.name)} as {select}"

    def create(self, model: Model) -> int:
        self._shapes = {}
        statement = self.statement(model)
        if self._kept and self._kept.has(model):
            return self._kept.create(model, statement)
        return int(self.connection.fetch(statement)[1][0][0])

    def drop(self, model: Model) -> None:
        self._shapes = {}
        if self._kept and self._kept.has(model):
            self._kept.drop(model)
        else:
            kind = "view" if model.is_view else "table"
            self.connection.execute(f"drop {kind} if exists temp.main.{quoted(model.name)}")

    def start_batch(self) -> None:
        self.connection.limit_memory()

    def end_batch(self) -> None:
        self._shapes = {}
        if self._kept:
            self._kept.end_batch()

    def analyze(self, relation: str) -> None:
        """Do nothing: DuckDB keeps its statistics by itself."""

    def guarded(self) -> AbstractContextManager[None]:
        return nullcontext()  # a failed statement leaves the session as it was

    def shape(self, relation: str) -> dict[str, str]:
        if relation not in self._shapes:
            kept = self._tables(self._kept.catalog, MARTS_SCHEMA) if self._kept else {}
            self._shapes = self._tables("temp", "main") | kept
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

    def publish(self, publication: Publication) -> None:
        try:
            self._publish(publication)
        except (OSError, SqlError) as error:
            reason = error.strerror if isinstance(error, OSError) else NO_ROOM.search(str(error))
            if reason is None:
                raise
            folder = self._final.parent
            raise TransformError(
                f"the marts cannot be published in {folder}: {_first_line(error)}. If the disk is full, make room: a "
                "publication needs room for a second file of the marts. What is published is that of the last run."
            ) from error

    def _publish(self, publication: Publication) -> None:
        publisher = _DraftPublisher(self, publication)
        publisher.prepare()
        if self._marts_are_new:
            publisher.complete_new_marts()
        else:
            self._draft_published()
            publisher.change_marts()
        self.connection.execute("reset search_path")
        before = read_note(self.connection, "published") if self._has_published and not self._marts_are_new else None
        changed = "select channel_id from run__published union select channel_id from run__removed"
        number = write_note(self.connection, before.number if before else None, changed)
        self._detach_draft()
        # the rows of a removed channel must not stay in a standby, which may wait for months
        self._files.replace(number, keep=before is not None and not publication.removed)

    def _draft_published(self) -> None:
        """Make a draft with the rows of the published file: by its standby, or else by a copy."""
        if self._has_published and self._files.take_standby():
            try:
                published, standby = self._final.stat(), self._files.draft.stat()
                self._attach_draft()
                if can_catch_up(self.connection, published.st_mtime_ns, standby.st_mtime_ns, published.st_size):
                    catch_up(self.connection)
                    return
            except (OSError, SqlError, DamagedFile) as error:
                log.info("the published file is copied, because its standby cannot be used: %s", error)
            with suppress(SqlError):  # it may not be attached
                self.connection.execute("detach draft")
        self._files.copy_published()
        self._open_draft()

    def _detach_draft(self) -> None:
        self.connection.execute("checkpoint draft")
        self.connection.execute("detach draft")

    def _attach_draft(self) -> None:
        # Nobody needs the draft of a run that was killed, so it has no write-ahead log.
        options = f"(storage_version '{STORAGE_VERSION}', recovery_mode 'no_wal_writes')"
        self.connection.execute(f"attach {text_literal(str(self._files.draft))} as draft {options}")
        self._files.draft.chmod(0o600)

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

    def store_for_readers(self) -> None:
        changed = "true" if self.columns_changed else MINE
        for module in (channel_pages, insight_rates, packed_insights):
            module.STORED_TABLE.store(self.connection, "draft", self.names_after(), changed, GONE)

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


def _first_line(error: OSError | SqlError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0].rstrip(".")


def _drafted(name: str, schema: str = MARTS_SCHEMA) -> str:
    return f"draft.{schema}.{quoted(name)}"

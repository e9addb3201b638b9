"""The loader: one dlt pipeline per channel, and a chain of short runs. Each run is visible as a whole or not at all.

A run that is killed leaves nothing to resume. Its work folder is removed, and the state comes from the warehouse, where
a cursor becomes visible only with all rows before it. So an old package can never overwrite newer rows.

The pipeline is restored at the first load, because most syncs of a night load nothing. Threads take turns in dlt: it
keeps the active pipeline and the schema that it extracts in one place per process.
"""

import logging
import shutil
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.pipeline import LoadInfo
from dlt.pipeline.exceptions import PipelineStepFailed

from zoho_pipeline import stopping
from zoho_pipeline.channels.database.locks import HeldLock
from zoho_pipeline.ingest.catalog.tables import RAW_TABLES, RawTable
from zoho_pipeline.ingest.convert.json_to_arrow import schema_of
from zoho_pipeline.ingest.load.dlt_source import SOURCE_NAME, explicit_dlt, zoho_crm
from zoho_pipeline.ingest.raw.stored_state import read_state
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.work_folders import DLT, WorkFolder

log = logging.getLogger(__name__)

LOAD_WORKERS = 4
LOAD_ATTEMPTS = 3

_turn = RLock()
"""Held while dlt works. Who holds it may wait for the warehouse, so nobody may wait for it inside of a session."""


class LoadFailed(PipelineError):
    """A load failed. Nothing of it is visible, and the cursors did not move."""


class Loader:
    """Loads batches of one channel into the warehouse, and keeps the cursors that belong to them.

    `state` is the state of the source in the warehouse: change a copy of it and pass the copy to `load`. `name` is
    dlt's name of the pipeline.

    Args:
        lock: keeps out other loaders of this channel and purpose. Each load first checks that the lock still holds.
    """

    def __init__(
        self,
        settings: Settings,
        warehouse: Warehouse,
        channel_id: str,
        purpose: str = "zoho_crm",
        lock: HeldLock | None = None,
    ) -> None:
        self._lock = lock
        self._warehouse = warehouse
        self.name = pipeline_name(purpose, channel_id)
        self._parent = settings.home / DLT / self.name
        self._channel_id = channel_id
        self._folder: WorkFolder | None = None
        self._pipeline: dlt.Pipeline | None = None

    @property
    def state(self) -> dict[str, Any]:
        """A copy of the source's state after the last completed load."""
        if self._pipeline is None:
            with self._warehouse.connect() as connection:
                return read_state(connection, self.name, SOURCE_NAME)
        sources = self._pipeline.state.get("sources") or {}
        return dict(sources.get(SOURCE_NAME) or {})

    def load(
        self,
        tables: dict[str, list[pa.Table]],
        state: Mapping[str, Any] | None = None,
        new: Collection[str] = (),
    ) -> None:
        """Load these tables and this state. The state counts only when all of the tables are loaded.

        `tables` is empty once its rows are in the package, so that nothing keeps their memory while the engine loads.

        `new`: tables whose rows cannot be in the warehouse yet; their rows are appended.
        The warehouse is locked only for the load, and not while the package is written.

        Raises:
            LockLost: another process may be loading. Nothing of this load is visible.
            LoadFailed: several attempts failed. The package was removed.
        """
        self._ensure_alone()
        with _turn:
            self._load(tables, state, new)
        stopping.raise_if_requested()  # dlt ends a load in spite of Ctrl-C, and then forgets it

    def restore(self) -> dlt.Pipeline:
        """The pipeline, with the state of the warehouse. `load` calls it; the first call costs a third of a second.

        Raises:
            LoadFailed, WarehouseError: the warehouse or the work folder cannot be used.
        """
        with _turn:
            if self._pipeline is None:
                self._pipeline = self._restored()
            return self._pipeline

    def _load(self, tables: dict[str, list[pa.Table]], state: Mapping[str, Any] | None, new: Collection[str]) -> None:
        pipeline, staged = self.restore(), tables.keys() - set(new)
        try:
            # Postgres loads rows by binary COPY (ADBC), 20 times faster than as SQL; COPY accepts no empty file
            filled = any(part.num_rows for parts in tables.values() for part in parts)
            binary = filled and self._warehouse.takes_parquet
            pipeline.extract(zoho_crm(tables, state, new), loader_file_format="parquet" if binary else None)
            for parts in tables.values():
                parts.clear()
            tables.clear()
            pa.default_memory_pool().release_unused()  # Arrow keeps freed pages, and the engine needs memory now
            pipeline.normalize()
            self._load_package(pipeline, staged)
        except (PipelineStepFailed, OSError) as error:  # OSError: dlt's work folder is gone, or cannot be written
            stopping.raise_if_requested()
            self._pipeline = None  # the next load restores it
            if self._folder is not None:
                self._folder.clear()
            raise self._failed(error) from error

    def ensure_tables(self) -> None:
        """Create the raw tables that do not exist yet, and bring older ones to the columns of the catalogue."""
        widen_amounts(self._warehouse)
        if tables_complete(self._warehouse):
            return
        with self._warehouse.creating_tables():
            missing = missing_tables(self._warehouse)
            if missing:
                names = {table.name for table in missing}
                self.load({table.name: [schema_of(table).empty_table()] for table in missing}, new=names)
            self._warehouse.index_keys({table.name: table.key for table in missing})

    def _load_package(self, pipeline: dlt.Pipeline, staged: Iterable[str]) -> LoadInfo:
        limit_memory = True
        for attempt in range(1, LOAD_ATTEMPTS + 1):
            try:
                with self._warehouse.lend(self._destination, limit_memory=limit_memory) as session:
                    # the file is open here: another process with the lock cannot read it before this load ends
                    self._ensure_alone()
                    info: LoadInfo = pipeline.load(workers=LOAD_WORKERS, raise_on_failed_jobs=True)
                    if session is not None:
                        self._drop_staged(session, staged)
                self._drop_loaded(pipeline)
                return info
            except PipelineStepFailed as error:
                stopping.raise_if_requested()
                # a package whose jobs failed permanently is removed; one that found the file busy is still pending
                if attempt == LOAD_ATTEMPTS or not pipeline.list_normalized_load_packages():
                    raise
                log.warning(
                    "channel %s: the load met %s. Trying again.", self._channel_id, self._warehouse.hide(_cause(error))
                )
                limit_memory = limit_memory and "out of memory" not in _cause(error).lower()
                time.sleep(attempt)
        raise AssertionError("unreachable")

    def _ensure_alone(self) -> None:
        if self._lock is not None:
            self._lock.ensure_held()

    def _drop_staged(self, session: Connection, tables: Iterable[str]) -> None:
        """Drop the staged rows before the file is closed, which would write them to disk once more."""
        for table in tables:
            session.execute(f"truncate {self._warehouse.staging_schema(self._channel_id)}.{table}")

    @staticmethod
    def _drop_loaded(pipeline: dlt.Pipeline) -> None:
        """Remove the loaded package: a second copy would fill the disk, and a purge would not remove it."""
        loaded = Path(pipeline.working_dir) / "load" / "loaded"
        for package in loaded.iterdir() if loaded.is_dir() else ():
            shutil.rmtree(package, ignore_errors=True)

    def _restored(self) -> dlt.Pipeline:
        """A pipeline with an empty work folder and the state of the warehouse."""
        explicit_dlt()
        if self._folder is None:
            self._folder = _work_folder(self._parent)
        try:
            self._folder.clear()
            pipeline = self._open(self._folder)
            with self._warehouse.lend(self._destination):
                pipeline.sync_destination()
        except (PipelineStepFailed, OSError) as error:
            raise self._failed(error) from error
        return pipeline

    def _failed(self, error: Exception) -> PipelineError:
        """A failure of dlt in words for a person: a damaged warehouse has a cure of its own."""
        cause = _cause(error)
        if damaged := self._warehouse.damage(cause):
            return damaged
        if isinstance(error, OSError):
            return _unusable_folder(self._folder.path if self._folder else self._parent, error)
        return LoadFailed(
            f"channel {self._channel_id}: loading into {self._warehouse.url} failed: "
            f"{self._warehouse.hide(cause).rstrip('.')}. Nothing of this step was kept; the next sync reads it again."
        )

    def _open(self, folder: WorkFolder) -> dlt.Pipeline:
        self._destination = self._warehouse.destination(self._channel_id)
        pipeline: dlt.Pipeline = dlt.pipeline(
            self.name,
            pipelines_dir=str(folder.path),
            destination=self._destination,
            dataset_name=RAW_SCHEMA,
        )
        return pipeline


def _work_folder(parent: Path) -> WorkFolder:
    try:
        return WorkFolder(parent)
    except OSError as error:
        raise _unusable_folder(parent, error) from error


def _unusable_folder(path: Path, error: OSError) -> LoadFailed:
    cure = (
        "Let no other program remove it while a command runs."
        if isinstance(error, FileNotFoundError)
        else "Remove what is in its place: it holds nothing that is needed later. Check that this user may write "
        "there, and that the disk has room."
    )
    return LoadFailed(
        f"the work folder {path} cannot be used ({error.strerror or error}). {cure} Nothing of this step was kept; the "
        "next sync reads it again."
    )


def pipeline_name(purpose: str, channel_id: str) -> str:
    """dlt's name of a channel's pipeline: dlt refuses a dot, and a channel id has no tilde."""
    return f"{purpose}__{channel_id.replace('.', '~')}"


def widen_amounts(warehouse: Warehouse) -> None:
    """Give the amounts of older releases, which had two decimals, the type of the catalogue. dlt changes no type."""
    narrow = (
        "select table_schema, table_name, column_name from information_schema.columns where numeric_scale = 2"  # noqa: S608
        f" and (table_schema = '{RAW_SCHEMA}' or table_schema like '{RAW_SCHEMA}_staging%')"
    )
    amounts = {(table.name, c.name) for table in RAW_TABLES for c in table.columns if c.type == "money"}
    with warehouse.connect() as connection:
        found = [row for row in connection.fetch(narrow)[1] if (row[1], row[2]) in amounts]
    if found:
        with warehouse.connect(read_only=False) as connection:
            for schema, table, column in found:
                connection.execute(f"alter table {schema}.{table} alter column {column} type decimal(27, 9)")


def missing_tables(warehouse: Warehouse) -> list[RawTable]:
    """The raw tables that do not exist, or lack a column of the catalogue."""
    with warehouse.connect() as connection:
        there = connection.tables(RAW_SCHEMA)
    return [table for table in RAW_TABLES if {c.name for c in table.columns} - set(there.get(table.name, {}))]


def tables_complete(warehouse: Warehouse) -> bool:
    return not missing_tables(warehouse)


def _cause(error: BaseException) -> str:
    """The innermost reason, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__

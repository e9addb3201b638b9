"""Kept connections to the published file of a DuckDB warehouse.

Opening the file costs 50 ms. So one instance per file stays open, and each block
gets a session of its own in it. A transform puts another file in the place of the published one. Then the next block
opens an instance of the new file, and the old instance is closed when its last block has ended. So it is when a block
finds the file damaged: DuckDB answers nothing more in such an instance.

Where no block comes, a thread closes the old instance. A transform can write into an older publication only if nobody
has it open. Else it copies the whole file, which takes seconds for each GB.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Lock, Thread

import duckdb

from zoho_pipeline.warehouse.connection import (
    MARTS_SCHEMA,
    Connection,
    DamagedFile,
    PublishedPool,
    WarehouseBusy,
    WarehouseError,
)
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection
from zoho_pipeline.warehouse.duckdb_file import DuckDBFile, open_instance
from zoho_pipeline.work_folders import spill_folder, spill_statement

MEMORY = "512MB"
"""The memory of all reading blocks together. A page of a channel needs a few MB."""
IDLE_SESSIONS = 16
LOOK_SECONDS = 2.0
"""Between two looks whether the file was replaced. A worker publishes every 15 s at most."""
TRIES = 20


class _Instance:
    """An open published file and its idle sessions."""

    def __init__(self, file: DuckDBFile, publication: str, work: Path) -> None:
        self.publication, self.users, self.is_old = publication, 0, False
        self.idle: list[duckdb.DuckDBPyConnection] = []
        self._file = file
        with ExitStack() as opened:
            spill = opened.enter_context(spill_folder(work, reading=True))
            self._raw = open_confined(file, spill, MEMORY)
            opened.callback(self._raw.close)
            self._opened = opened.pop_all()

    def session(self) -> duckdb.DuckDBPyConnection:
        raw = self._raw.cursor()
        # a new session starts in the instance's empty database
        DuckDBConnection(raw, (self._file,)).execute(f"use published.{MARTS_SCHEMA}")
        return raw

    def close(self) -> None:
        for session in self.idle:
            session.close()
        self.idle.clear()
        self._opened.close()


class DuckDBPublished(PublishedPool):
    """The pool of one published file. Nothing is opened before the first block.

    Args:
        work: the folder below which the sessions spill rows that do not fit into memory.
    """

    looks_cheaply = True

    def __init__(self, file: DuckDBFile, work: Path) -> None:
        self._file, self._work = file, work
        self._lock, self._opening = Lock(), Lock()
        self._current: _Instance | None = None
        self._closed = Event()
        self._watcher: Thread | None = None

    def publication(self) -> str | None:
        try:
            found = os.stat(self._file.path)
        except FileNotFoundError:
            return None
        except OSError:
            self._file.exists()  # raises with a message that names the cure
            return None
        return f"{found.st_dev}.{found.st_ino}.{found.st_mtime_ns}.{found.st_size}"

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        instance = self._enter()
        if instance is None:
            yield None
            return
        session = None
        try:
            with self._lock:
                session = instance.idle.pop() if instance.idle else None
            session = session or instance.session()
            yield DuckDBConnection(session, (self._file,))
        except DamagedFile:
            self._retire(instance)
            raise
        finally:
            self._leave(instance, session)

    def close(self) -> None:
        self._replace(None)
        with self._lock:
            watcher, self._watcher = self._watcher, None
            self._closed.set()
        if watcher is not None:
            watcher.join()

    def _watch(self, closed: Event) -> None:
        """Close the instance of a file that is not the published one any more. The body of a thread."""
        while not closed.wait(LOOK_SECONDS):
            with self._lock:
                instance = self._current
            try:
                is_old = instance is not None and instance.publication != self.publication()
            except WarehouseError:
                is_old = True  # the next block says what is wrong with the file
            if instance is not None and is_old:
                self._retire(instance)

    def _enter(self) -> _Instance | None:
        """The instance of the newest file, counted as in use; None where there is no file."""
        for _ in range(TRIES):
            publication = self.publication()
            if (found := self._use(publication)) or publication is None:
                return found
            with self._opening:  # other threads wait here and find the instance that this one opened
                if found := self._use(publication):
                    return found
                opened = _Instance(self._file, publication, self._work)
                if self.publication() == publication:
                    self._replace(opened)
                else:
                    opened.close()  # another file came while this one was opened, so it is unclear which one it is
        raise WarehouseBusy(f"{self._file.path} was replaced {TRIES} times while it was opened. Try again.")

    def _use(self, publication: str | None) -> _Instance | None:
        with self._lock:
            found = self._current
            if found is None or found.publication != publication:
                return None
            found.users += 1
            return found

    def _replace(self, new: _Instance | None) -> None:
        with self._lock:
            old, self._current = self._current, new
            if old is not None:
                old.is_old = True
            if new is not None and self._watcher is None:
                self._closed = Event()
                self._watcher = Thread(target=self._watch, args=(self._closed,), name="published file", daemon=True)
                self._watcher.start()
            unused = old if old is not None and old.users == 0 else None
        if unused is not None:
            unused.close()

    def _retire(self, instance: _Instance) -> None:
        """Let the next block open the file again. The last block that uses the instance closes it."""
        with self._lock:
            if self._current is not instance:  # whoever replaced it closes it
                return
            self._current, instance.is_old = None, True
            unused = instance.users == 0
        if unused:
            instance.close()

    def _leave(self, instance: _Instance, session: duckdb.DuckDBPyConnection | None) -> None:
        with self._lock:
            instance.users -= 1
            is_last = instance.is_old and instance.users == 0
            if session is not None and not instance.is_old and len(instance.idle) < IDLE_SESSIONS:
                instance.idle.append(session)
                session = None
        if session is not None:
            session.close()
        if is_last:
            instance.close()


def open_confined(file: DuckDBFile, spill: Path | None, memory: str | None = None) -> duckdb.DuckDBPyConnection:
    """An instance in memory with the published file attached read-only. It reaches no other file, and its settings are
    locked.

    It is a new instance, because two openings of one path in one process would share the older file.

    Args:
        spill: the folder for rows that do not fit into memory; None: there is no such folder.
        memory: the most that DuckDB may use; None: its default, 80 % of the machine.

    Raises:
        DamagedFile: the file is damaged, or a folder is in its place.
        WarehouseError: this user may not read the file.
    """
    file.require_readable()
    raw = open_instance()
    connection = DuckDBConnection(raw, (file,))
    try:
        connection.execute("set global TimeZone = 'UTC'")  # for every session, also a later one
        connection.execute(spill_statement(spill))
        if memory:
            connection.execute(f"set memory_limit = '{memory}'")
            connection.execute("set threads = 1")  # the blocks run beside each other in threads of their own
            # It plans a second scan for each `order by … limit`: half of the time of a query on one channel.
            connection.execute("set disabled_optimizers = 'late_materialization'")
        quoted = str(file.path).replace("'", "''")
        connection.execute(f"attach '{quoted}' as published (read_only)")
        connection.confine(f"published.{MARTS_SCHEMA}")
    except BaseException:
        raw.close()
        raise
    return raw

"""What syncs share that run side by side in one process: the writer of their endings, and bounds on memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Semaphore

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.finish.group_writer import GroupWriter
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.warehouse.warehouse import Warehouse

NEW_AT_ONCE = 4
"""Channels without a complete sync that are read at the same time: nobody knows how many rows they have."""

LARGE_AT_ONCE = 2
"""Channels with many rows to load that are read at the same time. One alone takes up to 1 GB (1,000,000 leads)."""

LARGE_ROWS = 5_000
"""From so many rows in memory on, a channel counts as large."""


class SyncGroup:
    """Syncs of one process, also of one channel alone. Threads share it.

    Attributes:
        writer: writes the endings of its syncs.
        stop: once it is set, each sync ends at its next checkpoint.
    """

    def __init__(self, registry: Registry, warehouse: Warehouse) -> None:
        self.writer = GroupWriter(registry, warehouse)
        self.stop = Event()
        self._new, self._large = Semaphore(NEW_AT_ONCE), Semaphore(LARGE_AT_ONCE)
        self._guard, self._has_tables = Lock(), False

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """One sync of the group, from its begin to its end."""
        self.writer.begin()
        try:
            yield
        finally:
            self.writer.end()

    @contextmanager
    def turn(self, *, is_new: bool) -> Iterator["Turn"]:
        """The right to read. Who reads a new channel waits until few others do."""
        if is_new:
            self._new.acquire()
        turn = Turn(self._large)
        try:
            yield turn
        finally:
            turn.end()
            if is_new:
                self._new.release()

    def ensure_tables(self, loader: Loader) -> None:
        """Create the raw tables that are missing. The group looks once, and one thread at a time."""
        with self._guard:
            if not self._has_tables:
                loader.ensure_tables()
                self._has_tables = True


class Turn:
    """How much a sync may hold in memory: it becomes large with its rows, and waits then until few others are."""

    def __init__(self, large: Semaphore) -> None:
        self._large, self._is_large = large, False

    def holds(self, rows: int) -> None:
        """The sync has so many rows to load."""
        if rows >= LARGE_ROWS and not self._is_large:
            self._large.acquire()
            self._is_large = True

    def end(self) -> None:
        if self._is_large:
            self._large.release()
            self._is_large = False

"""What syncs share that run side by side in one process: how they read and write together, and bounds on memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Lock, Semaphore

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.extract.baseline import Baseline
from zoho_pipeline.ingest.extract.state import ChannelState
from zoho_pipeline.ingest.finish.ending import Ending, write
from zoho_pipeline.ingest.group_call import GATHER_SECONDS, GroupCall
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.raw.lookup_names import with_named
from zoho_pipeline.ingest.raw.read_baseline import BaselineRequest, read_baselines
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
        reader: reads the stored rows of its syncs, and marks no module any more whose rows all have their names. It
            waits for others no longer than a part of the lag, which each sync waits out anyway after that.
        writer: writes the endings of its syncs. LockLost, WarehouseError, RegistryError: an ending was not stored.
        stop: once it is set, each sync ends at its next checkpoint.
    """

    def __init__(self, registry: Registry, warehouse: Warehouse) -> None:
        self._registry, self._warehouse = registry, warehouse
        gather = min(GATHER_SECONDS, registry.settings.sync_lag_seconds / 2)
        self.reader: GroupCall[BaselineRequest, tuple[ChannelState, dict[str, Baseline]]]
        self.reader = GroupCall(self._read, gather)
        self.writer: GroupCall[Ending, None] = GroupCall(self._write)
        self.stop = Event()
        self._new, self._large = Semaphore(NEW_AT_ONCE), Semaphore(LARGE_AT_ONCE)
        self._guard, self._has_tables = Lock(), False

    @contextmanager
    def under_way(self, channel_id: str) -> Iterator[None]:
        """One sync of the group, from its begin to its end."""
        self.reader.expect(channel_id)
        self.writer.expect(channel_id)
        try:
            yield
        finally:
            self.reader.expect_no_more(channel_id)
            self.writer.expect_no_more(channel_id)

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

    def _read(
        self,
        requests: Sequence[BaselineRequest],
        again: bool,  # noqa: ARG002
    ) -> list[tuple[ChannelState, dict[str, Baseline]]]:
        with self._warehouse.connect() as connection:
            named = [replace(r, state=with_named(connection, r.channel_id, r.state)) for r in requests]
            found = read_baselines(connection, named)
        return [(request.state, baselines) for request, baselines in zip(named, found, strict=True)]

    def _write(self, endings: Sequence[Ending], again: bool) -> list[None]:
        write(self._registry, self._warehouse, endings, again=again)
        return [None for _ in endings]


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

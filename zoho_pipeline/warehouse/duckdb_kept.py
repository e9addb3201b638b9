"""A DuckDB file that stays open between the sessions of one process, for a batch of many short ones.

To open the file costs 12 ms of CPU, and a session of a quiet sync has a few queries of 1 ms. So the threads of a batch
share one opening. They take turns, as processes do. After HELD_SECONDS the file is closed for a moment, and it is
closed as soon as nobody uses it, so that other processes get their turn: a transform, a load, a query of a person.
An error closes it too: the next session finds a file that works, or the same error.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread

import duckdb

from zoho_pipeline.warehouse.connection import WarehouseBusy
from zoho_pipeline.work_folders import spill_folder, spill_statement

HELD_SECONDS = 2.0
IDLE_SECONDS = 0.3
PAUSE_SECONDS = 0.15
"""Longer than another process waits between two tries of the lock (0.05 s), or of the file (0.1 s)."""
CLOSING_MEMORY = "256MB"
"""The memory that DuckDB may use to close the file, which writes a checkpoint.

With its default, 80 % of the machine, the closing was the peak of a first load of a million leads: 700 MB, and 655 MB
with this limit. With 128 MB it was 611 MB, for 15 % more CPU.
"""


class KeptOpen:
    """The shared opening of a file.

    Args:
        path: the file.
        lock: locks the file against other processes and returns how to release it. It takes the seconds to wait.
        open_file: opens the file to write.
        work: the folder below which sessions spill rows that do not fit into memory.
    """

    def __init__(
        self,
        path: Path,
        lock: Callable[[float], Callable[[], None]],
        open_file: Callable[[float], duckdb.DuckDBPyConnection],
        work: Path,
    ) -> None:
        self._path, self._lock, self._open_file, self._work = path, lock, open_file, work
        self._turn, self._ended = Lock(), Event()
        self._opened = ExitStack()
        self._keeper: duckdb.DuckDBPyConnection | None = None
        self._opened_at, self._used_at = 0.0, 0.0
        self._closer = Thread(target=self._close_when_idle, name="closes the warehouse", daemon=True)
        self._closer.start()

    @contextmanager
    def turn(self, timeout: float) -> Iterator[None]:
        """Be the only thread of this process that uses the file, and have it open.

        Raises:
            WarehouseBusy: another thread or process has held it for `timeout` seconds.
        """
        if not self._turn.acquire(timeout=timeout):
            raise WarehouseBusy(f"{self._path} has been in use for {timeout:.0f} s. Let it finish, then try again.")
        must_close = True  # after an error too: DuckDB refuses every session in a file that met a full disk
        try:
            if self._keeper is None:
                self._open(timeout)
            yield
            must_close = time.monotonic() - self._opened_at >= HELD_SECONDS
        finally:
            try:
                self._used_at = time.monotonic()
                if self._keeper is not None and (must_close or self._ended.is_set()):
                    self._close()
                    self._ended.wait(PAUSE_SECONDS)
            finally:
                self._turn.release()

    def session(self) -> duckdb.DuckDBPyConnection | None:
        """A session in the file for the thread that has the turn. None: the file is not open.

        Another `duckdb.connect` to an open file costs 0.9 ms, and a session of the open one 0.01 ms.
        """
        return None if self._keeper is None else self._keeper.cursor()

    def end(self) -> None:
        """Close the file. A thread that still has a turn, after a stop, closes it at its end."""
        self._ended.set()
        if self._turn.acquire(timeout=IDLE_SECONDS):
            try:
                self._close()
            finally:
                self._turn.release()

    def _open(self, timeout: float) -> None:
        with ExitStack() as stack:
            stack.callback(self._lock(timeout))
            keeper = self._open_file(timeout)
            stack.callback(keeper.close)
            folder = stack.enter_context(spill_folder(self._work))
            keeper.execute(spill_statement(folder))
            self._opened = stack.pop_all()
        self._keeper, self._opened_at = keeper, time.monotonic()

    def _close(self) -> None:
        if self._keeper is not None:
            with suppress(duckdb.Error):  # more is in use, or the file met an error: it is closed all the same
                self._keeper.execute(f"set memory_limit = '{CLOSING_MEMORY}'")
        self._keeper = None
        self._opened.close()

    def _close_when_idle(self) -> None:
        while not self._ended.wait(IDLE_SECONDS / 2):
            if self._turn.acquire(blocking=False):
                try:
                    if self._keeper is not None and time.monotonic() - self._used_at >= IDLE_SECONDS:
                        self._close()
                finally:
                    self._turn.release()

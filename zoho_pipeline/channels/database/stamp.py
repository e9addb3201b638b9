"""Whether the registry changed since somebody last looked: what a long-lived process keeps in memory, and how long.

On SQLite, `PRAGMA data_version` on a connection that stays open changes with each commit of another connection, of
this process or of another one. It costs microseconds. Postgres has nothing like it, so there the stamp changes with
the clock, and what is kept is at most `POSTGRES_SECONDS` old.
"""

import sqlite3
import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

from zoho_pipeline.channels.database.database import BUSY_SECONDS, Database

POSTGRES_SECONDS = 1.0
MOST_KEPT = 2_000
"""How many values a cache keeps. When it is full, it begins again."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class RegistryStamp:
    """A value that differs after each change of the registry. Threads may share one stamp.

    >>> before = stamp()
    >>> registry.pause("acme")
    >>> stamp() == before
    False
    """

    def __init__(self, database: Database) -> None:
        self._path = database.path
        self._guard = Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._opened = 0

    def __call__(self) -> Hashable:
        """The present stamp. Read it before the values that it stands for, never after them."""
        if self._path is None:
            return int(time.monotonic() / POSTGRES_SECONDS)
        with self._guard:
            try:
                version = self._data_version()
                return self._opened, version
            except (sqlite3.Error, OSError):
                # no stamp is known, so nothing that was kept may be used
                self._forget()
                return self._opened, None

    def close(self) -> None:
        """Close the connection that is kept open. The next call opens it again."""
        with self._guard:
            self._forget()

    def _data_version(self) -> int:
        assert self._path is not None
        found = self._path.stat()
        if self._connection is None or self._file != (found.st_dev, found.st_ino):
            self._forget()  # somebody put another file in its place
            self._connection = sqlite3.connect(
                self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._file = (found.st_dev, found.st_ino)
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _forget(self) -> None:
        self._opened += 1  # a new connection counts from the beginning
        if self._connection is not None:
            self._connection.close()
        self._connection = self._file = None


class StampedCache(Generic[Key, Value]):
    """Values read from the registry, kept until the registry changes. Threads may share one cache.

    Args:
        stamp: see `RegistryStamp`.
    """

    def __init__(self, stamp: Callable[[], Hashable]) -> None:
        self._stamp = stamp
        self._guard = Lock()
        self._kept: dict[Key, tuple[Hashable, Value]] = {}

    def get(self, key: Key, read: Callable[[], Value]) -> Value:
        """The value of a key: the kept one if the registry did not change since it was read, else `read()`."""
        stamp = self._stamp()
        with self._guard:
            found = self._kept.get(key)
        if found is not None and found[0] == stamp:
            return found[1]
        value = read()
        with self._guard:
            if key not in self._kept and len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[key] = (stamp, value)
        return value

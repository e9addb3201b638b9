"""Values in memory, bounded by their bytes and their age."""

import time
from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

MOST_BYTES = 32 * 2**20
SECONDS = 10.0
"""How long an answer is kept when nothing changed: credits come back and data becomes stale as time passes."""

Value = TypeVar("Value")


class SizedCache(Generic[Value]):
    """Values by key; those that were not used for the longest time leave first. Threads share it."""

    def __init__(self, most_bytes: int = MOST_BYTES, seconds: float = SECONDS) -> None:
        self._most, self._seconds, self._size = most_bytes, seconds, 0
        self._guard = Lock()
        self._kept: OrderedDict[Hashable, tuple[float, Value, int]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """The value that is kept under this key; None if there is none, or if it is too old."""
        with self._guard:
            found = self._kept.get(key)
            if found is None:
                return None
            if time.monotonic() - found[0] > self._seconds:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return found[1]

    def put(self, key: Hashable, value: Value, size: int) -> None:
        """Keep a value of so many bytes. One that is larger than the whole cache is not kept."""
        if size > self._most:
            return
        with self._guard:
            if key in self._kept:
                self._drop(key)
            self._kept[key] = (time.monotonic(), value, size)
            self._size += size
            while self._size > self._most:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        self._size -= self._kept.pop(key)[2]

"""What a process looked up in the registry a moment ago: a lookup per request would wait for each commit on SQLite."""

import time
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

SECONDS = 60.0
"""How long a known value is not looked up again. The transaction that stores something for it asks again, so nothing is
stored for what was switched off meanwhile."""

MOST = 10_000


class Remembered(Generic[Key, Value]):
    """Remembers what was found, and nothing of what was not. Thread-safe.

    Args:
        seconds: how long a value is believed.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds, self._guard = seconds, Lock()
        self._known: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key) -> Value | None:
        """The value if it was looked up a moment ago. It waits for nothing."""
        kept = self._known.get(key)
        return kept[1] if kept is not None and time.monotonic() - kept[0] < self._seconds else None

    def keep(self, key: Key, found: Value | None, read_at: float) -> Value | None:
        """Remember what a lookup found, and return it; None forgets the key.

        Args:
            read_at: `time.monotonic()` before the lookup.
        """
        with self._guard:
            if found is None:
                self._known.pop(key, None)
            elif len(self._known) < MOST:
                self._known[key] = (read_at, found)
            else:
                self._known = {key: (read_at, found)}
        return found

    def forget(self, gone: Value) -> None:
        """Look up again what had this value."""
        with self._guard:
            self._known = {key: kept for key, kept in self._known.items() if kept[1] != gone}

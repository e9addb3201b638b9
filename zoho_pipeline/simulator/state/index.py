"""Sorted keys of the rows of a module. They make a page, a window or a keyset query cheap."""

from bisect import bisect_left, insort
from collections.abc import Iterable

ID_SPAN = 10**19
"""Higher than every id. A key is `instant × ID_SPAN + id`, so one integer orders by time, then by id."""


def key_of(instant: int, row_id: str) -> int:
    """The key of a row: `instant` in seconds since 1970, then its id."""
    return instant * ID_SPAN + int(row_id)


def id_of(key: int) -> str:
    """The id of the row that has this key."""
    return str(key % ID_SPAN)


class SortedKeys:
    """A sorted list of keys. Added keys are sorted in at the next read."""

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._pending: list[int] = []

    def add(self, key: int) -> None:
        self._pending.append(key)

    def extend(self, keys: Iterable[int]) -> None:
        self._pending.extend(keys)

    def remove(self, key: int) -> None:
        """Remove a key; raises KeyError when it is not there."""
        keys = self.keys
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            raise KeyError(key)
        del keys[at]

    @property
    def keys(self) -> list[int]:
        """All keys in ascending order. This is the list itself, not a copy."""
        if self._pending:
            if len(self._pending) <= 32:  # one insort moves memory, but a sort compares every key
                for key in self._pending:
                    insort(self._keys, key)
            else:
                self._keys.extend(self._pending)
                self._keys.sort()
            self._pending = []
        return self._keys

    def span(self, low: int | None, high: int | None) -> tuple[int, int]:
        """Positions (from, to) of the keys in [low, high); `None` leaves an end open."""
        keys = self.keys
        start = 0 if low is None else bisect_left(keys, low)
        return start, max(start, len(keys) if high is None else bisect_left(keys, high))

"""How many calls each caller made in the last seconds: a sliding window per key, in memory."""

import time
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

MOST_CALLERS = 50_000
"""How many callers are remembered whose time is not over. One more forgets the one that was silent for the longest
time. With 2,000, a client with many addresses made the process forget what it had sent from the first of them."""


class CallWindows:
    """Counts the calls of each key. Threads may share it.

    Args:
        clock: seconds that never go back.
        most_callers: how many keys are remembered.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most_callers: int = MOST_CALLERS) -> None:
        self._clock, self._most = clock, most_callers
        self._guard = Lock()
        self._windows: dict[float, OrderedDict[Hashable, array[float]]] = {}

    def take(self, key: Hashable, limit: int, seconds: float = 60.0) -> float | None:
        """Count one call. A refused one is not counted, so a caller that waits is served again.

        Returns:
            None if the call may go on; else how many seconds the caller must wait, because there were `limit` calls in
            the last `seconds`.
        """
        with self._guard:
            now = self._clock()
            callers = self._windows.setdefault(seconds, OrderedDict())
            times = callers.setdefault(key, array("d"))
            callers.move_to_end(key)
            del times[: bisect_right(times, now - seconds)]
            if len(times) >= limit:
                return times[0] + seconds - now
            times.append(now)
            self._forget(callers, now - seconds)
            return None

    def remembered(self) -> int:
        """How many callers are in memory."""
        with self._guard:
            return sum(map(len, self._windows.values()))

    def _forget(self, callers: "OrderedDict[Hashable, array[float]]", before: float) -> None:
        """Forget the callers whose window is over, a few at a time, and those that are too many."""
        for _ in range(3):
            first = next(iter(callers))
            if callers[first][-1] > before and len(callers) <= self._most:
                return
            del callers[first]

"""How many calls each caller made in the last seconds: a sliding window per key, in memory."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from threading import Lock

MOST_CALLERS = 2_000
"""How many keys are remembered. One more forgets the key that was silent for the longest time."""


class CallWindows:
    """Counts the calls of each key. Threads may share it.

    Args:
        clock: seconds that never go back.
        most_callers: how many keys are remembered.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, most_callers: int = MOST_CALLERS) -> None:
        self._clock, self._most = clock, most_callers
        self._guard = Lock()
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def take(self, key: Hashable, limit: int, seconds: float = 60.0) -> float | None:
        """Count one call. A refused one is not counted, so a caller that waits is served again.

        Returns:
            None if the call may go on; else how many seconds the caller must wait, because there were `limit` calls in
            the last `seconds`.
        """
        with self._guard:
            now = self._clock()
            times = self._times.setdefault(key, deque())
            self._times.move_to_end(key)
            while times and times[0] <= now - seconds:
                times.popleft()
            if len(times) >= limit:
                return times[0] + seconds - now
            times.append(now)
            while len(self._times) > self._most:
                self._times.popitem(last=False)
            return None

"""Rate limits in memory: how many requests a caller may send in a time.

Each process counts for itself: the limits protect the process. The limits that protect Zoho's own count are rows of
the registry. A key names the principal and the tenant, so nobody can use up what belongs to another tenant.
"""

import ipaddress
import math
import time
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from fastapi import Request
from starlette.types import Scope

from zoho_pipeline.web.http.problems import Problem

PER_MINUTE = 300
"""The requests of one principal in one minute."""

MOST_CALLERS = 50_000
"""How many callers are remembered whose time is not over. One more forgets the one that was silent for the longest
time. With 2,000, a client with many addresses made the process forget what it had sent from the first of them."""


class RateLimits:
    """Counts the requests of each key in a sliding window. Threads may share it.

    A key is remembered until its window is over, so the memory follows the number of recent requests.

    Args:
        clock: seconds that never go back.
        per_minute: the limit where a call names none.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        most_callers: int = MOST_CALLERS,
        per_minute: int = PER_MINUTE,
    ) -> None:
        self._clock, self._most, self._per_minute = clock, most_callers, per_minute
        self._guard = Lock()
        self._windows: dict[float, OrderedDict[Hashable, array[float]]] = {}

    def take(self, key: Hashable, limit: int | None = None, seconds: float = 60.0) -> None:
        """Count one request. A refused one is not counted, so a caller that waits is served again.

        Args:
            key: who asks, with the tenant.

        Raises:
            Problem: `rate_limited` with `Retry-After`; there were `limit` requests in the last `seconds`.
        """
        limit = self._per_minute if limit is None else limit
        with self._guard:
            now = self._clock()
            callers = self._windows.setdefault(seconds, OrderedDict())
            times = callers.setdefault(key, array("d"))
            callers.move_to_end(key)
            del times[: bisect_right(times, now - seconds)]
            if len(times) >= limit:
                raise too_many(times[0] + seconds - now)
            times.append(now)
            self._forget(callers, now - seconds)

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


def too_many(wait: float) -> Problem:
    """The refusal of a request that may come again in `wait` seconds."""
    after = max(1, math.ceil(wait))
    return Problem("rate_limited", f"Too many requests. Try again in {after} s.", headers={"Retry-After": str(after)})


def limits_of(request: Request) -> RateLimits:
    """The limits of the app."""
    found: RateLimits = request.app.state.rate_limits
    return found


def count_address(request: Request, what: str, limit: int = PER_MINUTE) -> None:
    """Count a request that needs no proof of who asks, by the client's address. Problem `rate_limited`."""
    limits_of(request).take((what, counted_address(request.scope)), limit)


def counted_address(scope: Scope) -> str | None:
    """The client's address as it is counted: of an IPv6 address its /64, because one line of a customer has 2^64."""
    address = scope["state"].get("client")
    if address is None or ":" not in address:
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], 64), strict=False))

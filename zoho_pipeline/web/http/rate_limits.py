"""Rate limits in memory: how many requests a caller may send in a time.

Each process counts for itself: the limits protect the process. The limits that protect Zoho's own count are rows of
the registry. A key names the principal and the tenant, so nobody can use up what belongs to another tenant.
"""

import ipaddress
import math
import time
from collections.abc import Callable, Hashable

from fastapi import Request
from starlette.types import Scope

from zoho_pipeline.channels.platform.call_windows import MOST_CALLERS, CallWindows
from zoho_pipeline.web.http.problems import Problem

PER_MINUTE = 300
"""The requests of one principal in one minute."""


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
        self._windows, self._per_minute = CallWindows(clock, most_callers), per_minute

    def take(self, key: Hashable, limit: int | None = None, seconds: float = 60.0) -> None:
        """Count one request. A refused one is not counted, so a caller that waits is served again.

        Args:
            key: who asks, with the tenant.

        Raises:
            Problem: `rate_limited` with `Retry-After`; there were `limit` requests in the last `seconds`.
        """
        wait = self._windows.take(key, self._per_minute if limit is None else limit, seconds)
        if wait is not None:
            raise too_many(wait)

    def remembered(self) -> int:
        """How many callers are in memory."""
        return self._windows.remembered()


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

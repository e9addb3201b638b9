"""How many streams of events may be open at once: per caller, per tenant, and in this process.

A stream holds a connection and a queue for up to an hour, and the rate limits count only its beginning. Without these
bounds, one caller could take every connection of the process (5,000, see `http/protocol.py`).
"""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.http.problems import Problem

RETRY_SECONDS = 30


@dataclass
class StreamSeats:
    """Counts the open streams of one process. All methods belong to its event loop.

    Attributes:
        per_key: of one API key in one tenant: a backend may pass the events of all its users on.
        per_browser: of one end user, or one operator. A browser opens one per tab.
        per_tenant: of all callers of one tenant, so that no tenant takes the places of another one.
        in_all: of the process; the other connections are for requests that end.
    """

    per_key: int = 1_000
    per_browser: int = 100
    per_tenant: int = 2_000
    in_all: int = 4_000
    _taken: Counter[Hashable] = field(default_factory=Counter)

    @contextmanager
    def seat(self, principal: Principal) -> Iterator[None]:
        """Hold a place for the length of the block.

        Raises:
            Problem: `rate_limited`, where the caller or its tenant has too many; `unavailable`, where the process has.
        """
        of_caller = self.per_key if principal.kind == "key" else self.per_browser
        places: tuple[tuple[Hashable, int], ...] = (
            (("caller", principal.id, principal.tenant), of_caller),
            (("tenant", principal.tenant), self.per_tenant),
            ("all", self.in_all),
        )
        for place, most in places:
            if self._taken[place] >= most:
                raise _full(place == "all", most)
        for place, _ in places:
            self._taken[place] += 1
        try:
            yield
        finally:
            for place, _ in places:
                self._taken[place] -= 1
                if not self._taken[place]:
                    del self._taken[place]


def _full(is_process: bool, most: int) -> Problem:
    later = {"Retry-After": str(RETRY_SECONDS)}
    if is_process:
        return Problem("unavailable", "Too many streams of events are open here. Try again later.", headers=later)
    detail = f"{most:,} streams of events are open already. Close some of them, then try again."
    return Problem("rate_limited", detail, headers=later)

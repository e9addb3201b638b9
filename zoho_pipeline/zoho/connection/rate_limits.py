"""The limits of one org: how many simultaneous calls, how many credits, and what a 429 means.

Zoho counts simultaneous calls per org and app; at most ten of them may be sorted reads, search or COQL. It counts
credits per org over the last 24 h, whoever used them. Both limits end in HTTP 429 with the same text. The header
X-API-CREDITS-REMAINING, which Zoho sends when half of the credits are used, shows which one it is.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from zoho_pipeline.zoho.connection.credits import ENTERPRISE, Edition, is_heavy
from zoho_pipeline.zoho.errors import BudgetStop, ConcurrencyLimit, CreditsExhausted, Permanent, Retryable
from zoho_pipeline.zoho.parsing import whole_number

DAY_SECONDS = 86_400.0
SUB_CONCURRENCY = 10
_BUCKET_SECONDS = 60.0
MOST_CREDITS = 10**9
"""A header with more credits than this is no header of Zoho's, and counts as missing."""
# A stopped process gets no new header. After this time it may call again, so that it does not stay stopped.
_HEADER_GOOD_SECONDS = 900.0


class OrgLimits:
    """The limits of one org, shared by all clients and threads that call it.

    Args:
        concurrency: simultaneous calls that the edition allows (5 Free … 25 Ultimate).
        sub_concurrency: how many of them may be sorted reads, search or COQL; 10 in every edition.
        daily_credits: the org's credits per 24 h; None where the org cannot be read.
        budget: the part of the credits after which we stop (0.8 leaves a fifth to other tools).
        used: credits that we used in the last 24 h before this process.
    """

    def __init__(
        self,
        concurrency: int = 5,
        sub_concurrency: int = SUB_CONCURRENCY,
        daily_credits: int | None = None,
        budget: float = 0.8,
        *,
        used: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.concurrency = concurrency
        self.budget = budget
        self._all = threading.BoundedSemaphore(concurrency)
        self._heavy = threading.BoundedSemaphore(min(sub_concurrency, concurrency))
        self._daily = daily_credits
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._spent: deque[tuple[float, int]] = deque()
        self._own = 0
        self._reserved = 0
        self._remaining: int | None = None
        self._remaining_at = 0.0
        self._plenty_at: float | None = None
        if used:
            self._add(used)

    @classmethod
    def for_edition(
        cls, edition: Edition = ENTERPRISE, users: int = 0, budget: float = 0.8, used: int = 0
    ) -> "OrgLimits":
        """The limits of an org with this edition and this number of licences."""
        return cls(edition.concurrency, daily_credits=edition.credits(users), budget=budget, used=used)

    @property
    def own_credits(self) -> int:
        """The credits that we used in the last 24 h."""
        with self._lock:
            self._expire()
            return self._own

    @property
    def remaining(self) -> int | None:
        """The credits that the org has left, by Zoho's last header; None if less than half are used."""
        return self._remaining

    @property
    def daily_credits(self) -> int | None:
        """The org's credits per 24 h: the given number, or at least twice what a header said was left."""
        return self._daily

    @contextmanager
    def slot(self, path: str, params: Mapping[str, object] | None, cost: int) -> Iterator[None]:
        """Wait until one more call may be in flight, and reserve its credits while it is.

        Raises:
            BudgetStop: the call would exceed the budget. Nothing was sent.
        """
        with ExitStack() as stack:
            # The smaller limit comes first: who waits for it must not hold a place of the larger one.
            if is_heavy(path, params):
                stack.enter_context(self._heavy)
            stack.enter_context(self._all)
            self._reserve(cost)
            try:
                yield
            finally:
                with self._lock:
                    self._reserved -= cost

    def answered(self, cost: int, remaining: str | None) -> None:
        """Count an answered call. `remaining` is its X-API-CREDITS-REMAINING header."""
        with self._lock:
            self._add(cost)
            if (left := whole_number(remaining, MOST_CREDITS)) is not None:
                self._observe(left)
            else:
                self._remaining = None  # less than half are used, or used again
                self._plenty_at = self._monotonic()

    def refusal(self, remaining: str | None, *, last_try: bool, metered: bool = True) -> Retryable | Permanent:
        """The error that a 429 means: a short one (too many simultaneous calls) or a long one (no credits).

        Args:
            remaining: the header of the 429 itself, if there is one. A header that is no number counts as missing.
            last_try: no further try follows. A 429 that outlasts all tries, without a sign of credits left, counts as
                the long one.
            metered: False for the download of a bulk result, which has its own limit of ten per minute.
        """
        with self._lock:
            if (named := whole_number(remaining, MOST_CREDITS)) is not None:
                self._observe(named)
            left = self._remaining
            used_up = left == 0 or (self._daily is not None and self._own >= self._daily)
            plenty = self._plenty_at is not None and self._monotonic() - self._plenty_at < _HEADER_GOOD_SECONDS
        if used_up:
            return CreditsExhausted(
                "Zoho refuses calls: the org's API credits of the last 24 hours are used up. Each credit returns 24 "
                "hours after it was used. Run the command again later, or buy more credits."
            )
        if last_try and metered and left is None and not plenty:
            return CreditsExhausted(
                "Zoho still refuses calls (HTTP 429): the org's API credits of the last 24 hours are used up, or other "
                "tools use them. Run the command again later."
            )
        return ConcurrencyLimit("Zoho refuses the call for now: there are too many simultaneous calls (HTTP 429).")

    def _reserve(self, cost: int) -> None:
        with self._lock:
            self._expire()
            ours = self._own + self._reserved + cost
            used = ours
            if self._daily is not None and self._remaining is not None:
                used = max(ours, self._daily - self._remaining + self._reserved + cost)
            if self._daily is not None and used > self._daily * self.budget:
                raise BudgetStop(
                    f"stopped at {self.budget:.0%} of the org's {self._daily} API credits of the last 24 hours "
                    f"({used - cost} used, {self._own} of them by this channel). The rest is for other tools. Run "
                    "the command again later, or raise ZOHO_PIPELINE_CREDIT_BUDGET."
                )
            self._reserved += cost

    def _add(self, cost: int) -> None:
        now = self._monotonic()
        if self._spent and now - self._spent[-1][0] < _BUCKET_SECONDS:
            self._spent[-1] = (self._spent[-1][0], self._spent[-1][1] + cost)
        else:
            self._spent.append((now, cost))
        self._own += cost

    def _expire(self) -> None:
        now = self._monotonic()
        while self._spent and self._spent[0][0] < now - DAY_SECONDS:
            self._own -= self._spent.popleft()[1]
        if self._remaining_at < now - _HEADER_GOOD_SECONDS:
            self._remaining = None

    def _observe(self, remaining: int) -> None:
        self._remaining = remaining
        self._remaining_at = self._monotonic()
        # Zoho sends the header when half is used, so the total is at least twice what is left. Credits that were bought
        # in addition to the edition show in the same way.
        if self._daily is None or remaining > self._daily:
            self._daily = 2 * remaining


class LimitsPerOrg:
    """The limits of each org in this process. All clients of an org must share its limits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_org: dict[str, OrgLimits] = {}

    def of(self, org: str, make: Callable[[], OrgLimits]) -> OrgLimits:
        """The org's limits, made at the first call. `org` is a key that only this org has."""
        with self._lock:
            if org not in self._by_org:
                self._by_org[org] = make()
            return self._by_org[org]

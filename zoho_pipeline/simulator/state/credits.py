"""The limits of each edition, and the credits that an org has spent (docs/zoho-facts.md, section 10)."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

DAY = 86_400


@dataclass(frozen=True)
class Edition:
    """Credits of a rolling day (a base, plus credits per user, up to a maximum), and simultaneous calls."""

    base: int
    per_user: int
    most: int
    simultaneous: int

    def credits_for(self, users: int) -> int:
        """The credits of a day for this number of active users."""
        return min(self.base + self.per_user * users, self.most)


EDITIONS = {
    "Free": Edition(5_000, 0, 5_000, 5),
    "Standard": Edition(50_000, 250, 100_000, 10),
    "Professional": Edition(50_000, 500, 3_000_000, 15),
    "Enterprise": Edition(50_000, 1_000, 5_000_000, 20),
    "Ultimate": Edition(50_000, 2_000, 10**12, 25),
}


class CreditBook:
    """The credits that an org has spent in the last 24 hours."""

    def __init__(self, spent: Iterable[tuple[int, int]] = ()) -> None:
        self.spent = deque(spent)
        self._total = sum(price for _, price in self.spent)

    def spend(self, now: int, price: int) -> None:
        """Count `price` credits at `now` (seconds since 1970)."""
        self.spent.append((now, price))
        self._total += price

    def used(self, now: int) -> int:
        """Credits spent in the 24 hours before `now` (seconds since 1970)."""
        while self.spent and self.spent[0][0] <= now - DAY:
            self._total -= self.spent.popleft()[1]
        return self._total

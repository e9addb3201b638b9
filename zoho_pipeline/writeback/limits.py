"""The sizes and times of write-back, each with its reason. A test passes others."""

from dataclasses import dataclass, field
from datetime import timedelta

from zoho_pipeline.zoho.connection.pacing import Pacing


@dataclass(frozen=True)
class WritebackLimits:
    """How much is sent at once, and how often it is tried.

    Attributes:
        threads: wishes that are sent at the same time, by one worker.
        per_channel: of them, wishes of one channel. So a slow org holds up no other one.
        poll_seconds: between two looks for wishes.
        lease: how long a claim of a wish holds without a sign of life. It is longer than the calls of one round may
            take.
        rounds: how often the steps begin again at once because somebody changed the lead between our reading and our
            writing. After that the wish waits.
        losses: how often a change that Zoho had carried out may be lost right after it. Then it is a conflict: an
            automation of Zoho would take it back for a whole day, for three credits each time.
        first_wait, longest_wait: the wait after the first failed try, which doubles, and its upper bound.
        settle_seconds: the longest wait for the end of the second in which the lead was changed last, because Zoho's
            precondition does not see a further edit of that second. Mostly it is about one second; more is a clock that
            disagrees. 0 is no wait.
        life: how long a wish is tried. Later it would surprise those who made it.
        check_every: how often the map is compared with Zoho's list.
        tidy_seconds: between two looks for old wishes and for maps that must be compared.
        pacing: the client's own tries. They are few, because a wish is tried again anyway.
    """

    threads: int = 4
    per_channel: int = 2
    poll_seconds: float = 1.0
    lease: timedelta = timedelta(minutes=15)
    rounds: int = 3
    losses: int = 4
    first_wait: timedelta = timedelta(seconds=5)
    longest_wait: timedelta = timedelta(hours=1)
    settle_seconds: float = 3.0
    life: timedelta = timedelta(hours=24)
    check_every: timedelta = timedelta(hours=24)
    tidy_seconds: float = 60.0
    pacing: Pacing = field(default_factory=lambda: Pacing(attempts=2))

    def wait(self, tries: int) -> timedelta:
        """The wait after a failed try; `tries` counts from 1."""
        return min(self.longest_wait, self.first_wait * 2.0 ** min(tries - 1, 30))

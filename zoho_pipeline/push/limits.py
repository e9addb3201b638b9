"""The sizes and times of the work that notifications cause, each with its reason. A test passes others."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class PushLimits:
    """How much is read at once, and how often the worker looks.

    Attributes:
        threads: channels whose records are read at the same time. A burst in one channel then delays no other.
        records_per_turn: records of one channel that are read before another channel's turn comes: 20 calls and one
            load, which takes some seconds.
        poll_seconds: between two looks for records.
        requests_seconds: between two looks for channels that need a whole sync.
        renewals_seconds: between two looks for subscriptions that must be renewed.
        deletions_every: between two readings of a module's list of deletions.
        unknown_wait: how long a record waits whose module no sync has read yet.
        first_wait, longest_wait: after a failure at Zoho; the wait doubles with each one.
        records_first: how long a whole sync waits for the record lane, which shows a lead within seconds.
        hourly: between two whole syncs once the share of the credits is used up.
    """

    threads: int = 4
    records_per_turn: int = 2_000
    poll_seconds: float = 0.25
    requests_seconds: float = 2.0
    renewals_seconds: float = 10.0
    deletions_every: timedelta = timedelta(seconds=60)
    unknown_wait: timedelta = timedelta(seconds=60)
    first_wait: float = 10.0
    longest_wait: float = 600.0
    records_first: timedelta = timedelta(seconds=30)
    hourly: timedelta = timedelta(hours=1)

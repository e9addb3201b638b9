"""Batches: the channels that share a run."""

from collections.abc import Iterator, Sequence

MAX_CHANNELS_PER_RUN = 100
"""The start of a run costs 5 to 6 s of CPU (a process that imports Dagster and dlt). A batch of 100 channels shares
it, so each channel pays 0.06 s."""

MAX_CHANNELS_OF_A_NIGHT_RUN = 500
"""Most channels of a night are quiet, and 0.06 s would be a quarter of what such a sync costs. Other runs read or
compare whole channels: 500 of those, four at a time or one after another, could meet the time limit of a run."""


def split_into_batches(channels: Sequence[str], size: int = MAX_CHANNELS_PER_RUN) -> Iterator[list[str]]:
    """The channels in their order, in batches of at most `size` whose sizes differ by one at most."""
    runs = -(-len(channels) // size)
    for number in range(runs):
        yield list(channels[number * len(channels) // runs : (number + 1) * len(channels) // runs])

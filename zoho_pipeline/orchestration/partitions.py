"""Partitions: one per connected channel, added and removed as channels come and go."""

from collections.abc import Iterator, Sequence

import dagster as dg

channel_partitions = dg.DynamicPartitionsDefinition(name="channels")

MAX_CHANNELS_PER_RUN = 100
"""A run starts for 5 to 6 s of CPU (a process, Dagster and dlt imported): over a batch, 0.06 s a channel."""


def batches(channels: Sequence[str], size: int = MAX_CHANNELS_PER_RUN) -> Iterator[list[str]]:
    """The channels in their order, at most `size` at a time, sizes as even as can be."""
    runs = -(-len(channels) // size)
    for number in range(runs):
        yield list(channels[number * len(channels) // runs : (number + 1) * len(channels) // runs])

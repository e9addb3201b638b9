"""Partitions: one per connected channel, added and removed as channels come and go."""

import dagster as dg

channel_partitions = dg.DynamicPartitionsDefinition(name="channels")

MAX_CHANNELS_PER_RUN = 50
"""A run's start-up (importing dagster and dlt: about 5 s of CPU) spread over a batch stays near 0.1 s a channel."""

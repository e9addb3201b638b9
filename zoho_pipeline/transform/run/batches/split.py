"""Which channels are built together: the memory of a channel is estimated from its raw rows."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence

from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.engine import Engine

CHANNEL_BYTES = 80_000
"""What a channel without rows takes."""
ROW_BYTES: Mapping[str, int] = {"leads": 2_000, "content_items": 1_600}
OTHER_ROW_BYTES = 600
"""What the tables of a batch take per raw row."""


def split(engine: Engine, project: Project, channels: Collection[str]) -> list[set[str]]:
    """The batches of a run, which are consecutive in the order of the channels' names, so that marts stay sorted.

    Call it inside `engine.raw()`. There is at least one batch. A channel that needs more than the memory of a batch
    is alone in its batch.
    """
    memory = engine.batch_memory
    if memory is None or len(channels) < 2:
        return [set(channels)]
    sizes = dict.fromkeys(sorted(channels), CHANNEL_BYTES)
    tables = sorted({table for m in project.models.values() for table in m.raw_tables} & project.raw_tables.keys())
    for channel, table, rows in _rows(engine, tables, len(channels) * CHANNEL_BYTES, memory):
        if channel in sizes:
            sizes[channel] += rows * ROW_BYTES.get(table, OTHER_ROW_BYTES)
    return [set(batch) for batch in grouped(sizes, memory)]


def grouped(sizes: Mapping[str, int], memory: int) -> list[list[str]]:
    """Split channels into as few consecutive groups as fit into `memory`, of about equal size."""
    groups = _filled(sizes, memory)
    even = _filled(sizes, math.ceil(sum(sizes.values()) / len(groups)), len(groups))
    fits = all(len(group) == 1 or sum(map(sizes.__getitem__, group)) <= memory for group in even)
    return even if fits else groups


def _filled(sizes: Mapping[str, int], memory: int, most: int | None = None) -> list[list[str]]:
    """Groups that are full, at most `most` of them: the last one takes the rest."""
    groups: list[list[str]] = [[]]
    size = 0
    for channel, own in sizes.items():
        if groups[-1] and size + own > memory and len(groups) != most:
            groups.append([])
            size = 0
        groups[-1].append(channel)
        size += own
    return groups


def _rows(engine: Engine, tables: Sequence[str], size: int, memory: int) -> Iterator[tuple[str, str, int]]:
    """(channel, raw table, number of rows); nothing if all rows fit into `memory` together with `size` bytes."""
    totals = " union all ".join(f"select '{t}', count(*) from {engine.raw_name(t)}" for t in tables)  # noqa: S608
    counts = dict(engine.connection.fetch(totals)[1]) if tables else {}
    if size + sum(rows * ROW_BYTES.get(table, OTHER_ROW_BYTES) for table, rows in counts.items()) <= memory:
        return
    for table in (table for table, rows in counts.items() if rows):
        query = f"select channel_id, count(*) from {engine.raw_name(table)} group by 1"  # noqa: S608
        yield from ((channel, table, int(rows)) for channel, rows in engine.connection.fetch(query)[1])

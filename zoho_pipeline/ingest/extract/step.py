"""Bounded steps: what the module threads hand to the loading thread, and how steps are gathered into one run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.catalog.tables import REJECTED_RECORDS, RawTable
from zoho_pipeline.ingest.convert.json_to_arrow import Rejection, of_values
from zoho_pipeline.ingest.limits import SyncLimits

ModuleState = dict[str, Any]
"""A module's part of the source's state: cursor, deleted_cursor (ISO instants), fields (API name → type)."""


@dataclass
class Step:
    """Rows of one module up to a point, and the state that is true once they are in."""

    module: str
    tables: dict[str, list[pa.Table]]
    state: ModuleState

    @property
    def rows(self) -> int:
        return sum(part.num_rows for parts in self.tables.values() for part in parts)


@dataclass
class Gathered:
    """Steps of several modules that are loaded in one dlt run."""

    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    states: dict[str, ModuleState] = field(default_factory=dict)

    def add(self, step: Step) -> None:
        self.put(step.tables)
        self.states[step.module] = step.state

    def put(self, tables: Mapping[str, Iterable[pa.Table]]) -> None:
        for name, parts in tables.items():
            self.tables.setdefault(name, []).extend(part for part in parts if part.num_rows)

    @property
    def rows(self) -> int:
        return sum(part.num_rows for parts in self.tables.values() for part in parts)

    def is_full(self, limits: SyncLimits) -> bool:
        """Whether this is enough for a load: memory stays bounded whatever is read."""
        return self.rows >= limits.rows_per_load or bytes_of(self.tables) >= limits.bytes_per_load


def bytes_of(tables: Mapping[str, Iterable[pa.Table]]) -> int:
    """What Arrow holds of these rows."""
    return sum(part.nbytes for parts in tables.values() for part in parts)


def newest_by_key(raw: RawTable, parts: list[pa.Table]) -> pa.Table:
    """One table with the last row of each key; the order of the others stays."""
    table = pa.concat_tables(parts)
    names = [name for name in raw.key if name != "channel_id"]
    if not names:
        return table.slice(table.num_rows - 1)
    keys = table[names[0]]
    if len(names) > 1:
        keys = pc.binary_join_element_wise(*(table[name].cast(pa.string()) for name in names), "\x1f")
    if pc.count_distinct(keys).as_py() == table.num_rows:
        return table
    last = {key: index for index, key in enumerate(keys.to_pylist())}
    return table.take(pa.array(sorted(last.values())))


def rejections(channel_id: str, module: str, rejected: Iterable[Rejection], synced_at: datetime) -> pa.Table:
    """Rows of `rejected_records`."""
    return of_values(
        REJECTED_RECORDS,
        [
            {
                "channel_id": channel_id,
                "module": module,
                "id": r.id,
                "field": r.field,
                "value": r.value,
                "reason": r.reason,
                "synced_at": synced_at,
            }
            for r in rejected
        ],
    )

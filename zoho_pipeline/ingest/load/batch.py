"""One load: checkpoints of several modules, each key once, and which of its tables can be appended to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.catalog.tables import RawTable
from zoho_pipeline.ingest.extract.checkpoints import Checkpoint, bytes_of
from zoho_pipeline.ingest.extract.row_filter import Tables
from zoho_pipeline.ingest.extract.state import EmailState, ModuleState
from zoho_pipeline.ingest.limits import SyncLimits


@dataclass
class LoadBatch:
    """Checkpoints that are loaded in one dlt run: rows by raw table, and the states that are true with them."""

    tables: Tables = field(default_factory=dict)
    states: dict[str, ModuleState] = field(default_factory=dict)
    emails: EmailState | None = None

    def add(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint. Its state takes the place of an earlier one of the module."""
        self.put(checkpoint.tables)
        self.states[checkpoint.module] = checkpoint.state

    def put(self, tables: Mapping[str, Iterable[pa.Table]]) -> None:
        """Add rows without a state."""
        for name, parts in tables.items():
            self.tables.setdefault(name, []).extend(part for part in parts if part.num_rows)

    @property
    def rows(self) -> int:
        return sum(part.num_rows for parts in self.tables.values() for part in parts)

    def is_full(self, limits: SyncLimits) -> bool:
        """Whether this is enough for a load: memory stays bounded whatever is read."""
        return self.rows >= limits.rows_per_load or bytes_of(self.tables) >= limits.bytes_per_load


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


class AppendTracker:
    """Which tables of a load can be appended to: those where no row's key is in the warehouse yet.

    Appending skips the staged copy and the merge, which is over half of what a first load costs the engine. It is
    right only while the channel had no row in the table when the sync began (the channel's lock keeps others out) and
    no id of this sync comes twice: Zoho's pages may show a record again where others were deleted or restored between
    them. So the ids that a sync has loaded into tables that were empty are remembered, eight bytes each.
    """

    def __init__(self, empty: Iterable[str]) -> None:
        self._seen: dict[str, list[pa.Array]] = {name: [] for name in empty}

    def appendable(self, tables: Mapping[str, pa.Table]) -> set[str]:
        """The names of the tables whose rows are all new, each key once; their rows count as seen from now on."""
        return {name for name, table in tables.items() if self._are_new(name, table)}

    def _are_new(self, name: str, table: pa.Table) -> bool:
        seen = self._seen.get(name)
        if seen is None:
            return False
        try:
            ids = table["id"].combine_chunks().cast(pa.int64())
        except pa.ArrowInvalid:  # an id that is no number of Zoho's: nothing can be said about this table any more
            del self._seen[name]
            return False
        new = not seen or not pc.any(pc.is_in(ids, value_set=pa.concat_arrays(seen))).as_py()
        seen.append(ids)
        return new

"""Which tables of a load can be appended to: those where no row's key is in the warehouse yet.

Appending skips the staged copy and the merge, which is over half of what a first load costs the engine. It is right
only while the channel had no row in the table when the run began (the channel's lock keeps others out) and no id of
this run comes twice: Zoho's pages may show a record again where others were deleted or restored between them.
"""

from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc


class NewRows:
    """Remembers the ids that a run has loaded into tables that were empty, eight bytes each."""

    def __init__(self, empty: Iterable[str]) -> None:
        self._seen: dict[str, list[pa.Array]] = {name: [] for name in empty}

    def among(self, tables: Mapping[str, pa.Table]) -> set[str]:
        """The names of the tables whose rows are all new, each key once; the rows of all are seen from now on."""
        return {name for name, table in tables.items() if self._are_new(name, table)}

    def _are_new(self, name: str, table: pa.Table) -> bool:
        seen = self._seen.get(name)
        if seen is None:
            return False
        try:
            ids = table["id"].combine_chunks().cast(pa.int64())
        except pa.ArrowInvalid:  # no number of Zoho's: nothing can be said about this table any more
            del self._seen[name]
            return False
        new = not seen or not pc.any(pc.is_in(ids, value_set=pa.concat_arrays(seen))).as_py()
        seen.append(ids)
        return new

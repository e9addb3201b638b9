"""A read that begins before the window is settled: what of it is right for good, and what must be read again.

A first load takes longer than the window needs to settle, so it does not wait. `routes/window` says below which instant
its rows are right for good. The rows from there on (the tail) are listed by one query once the window is settled. Those
that the query shows with the version that was read are not read again. This costs two credits: one query counts the
tail before the read begins, because a long tail costs more than the waiting, and one lists it.

Lists need no query for this: they go back by themselves (`routes/records_route`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.window import OVERLAP_ROWS, Window, modified
from zoho_pipeline.zoho.read.pages import Row

MOST_TAIL_ROWS = OVERLAP_ROWS
"""The largest tail of a read that begins early: one query lists it, beside what is changed meanwhile."""


@dataclass
class EarlyRead:
    """A read that began before the window was settled.

    Attributes:
        to: everything below it is right for good, as soon as it was read.
        over: seconds below it were over when the read began, so that one version has one content.
        tail: id → Modified_Time, of the rows from `to` on that were read.
    """

    to: datetime
    over: datetime
    tail: dict[str, datetime] = field(default_factory=dict)

    @classmethod
    def begin(cls, window: Window, before: Totals) -> "EarlyRead | None":
        """Begin to read now. `before`: the totals that Zoho has just shown. None: without a time, nothing is known.

        A conversion may leave Modified_Time as it is, so the newest conversion counts too.
        """
        if before.changed is None:
            return None
        newest = max(filter(None, (before.changed, before.converted)))
        return cls(window.final_below(newest), window.over(settled=False))

    def note(self, rows: Iterable[Row]) -> None:
        """Remember the rows of the tail among these, which were read."""
        self.tail.update((row["id"], at) for row in rows if (at := modified(row)) >= self.to)

    def note_columns(self, ids: pa.ChunkedArray, changed: pa.ChunkedArray) -> None:
        """The same for rows of a bulk file."""
        late = pc.fill_null(pc.greater_equal(changed, pa.scalar(self.to, changed.type)), False)
        self.tail.update(zip(ids.filter(late).to_pylist(), changed.filter(late).to_pylist(), strict=True))

    def unread(self, listed: Sequence[Row]) -> list[Row]:
        """The rows of the tail whose version was not read, or was read before its second was over."""
        return [row for row in listed if modified(row) >= self.over or self.tail.get(row["id"]) != modified(row)]

"""Checkpoints: a bounded part of a module's rows, with the state that is true once they are in the warehouse."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa

from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.ingest.extract.row_filter import RowFilter, Tables
from zoho_pipeline.ingest.extract.state import ModuleState
from zoho_pipeline.ingest.extract.watermarks import with_proof
from zoho_pipeline.ingest.routes.records_route import Batch
from zoho_pipeline.ingest.routes.window import SECOND, modified
from zoho_pipeline.zoho.read.pages import SENT_ID, Row, without_content

MOST_NAMELESS = 50
"""The most rows without a usable id that a state remembers. If there are more, each sync that reads them compares."""


@dataclass
class Checkpoint:
    """Rows of one module up to a point, by raw table, and the state that is true once they are loaded."""

    module: str
    tables: Tables
    state: ModuleState


class Checkpoints:
    """Cuts the batches of a route into checkpoints, and keeps the state of the module.

    Attributes:
        state: the state for the next checkpoint.
        zoho_at: Zoho's clock at the last query that shows what can still change. None: there was no query.
        early: the rows come from a read that began before the window was settled. Below this instant they are final,
            and neither the cursor nor the watermark passes it. None: the read waited.
    """

    def __init__(self, module: ModuleContext, state: ModuleState, rows: RowFilter) -> None:
        self._module, self._rows = module, rows
        self.state = state
        self.zoho_at: datetime | None = None
        self.early: datetime | None = None

    def of_batches(self, batches: Iterable[Batch], since: datetime | None) -> Iterator[Checkpoint]:
        """Cut the batches of a route that reads in the order of change, from an instant to the end of the window."""
        limits = self._module.limits
        pending: list[Row] = []
        tables: Tables = {}
        loaded, read_at = 0, None
        reached = since
        for batch in batches:
            reached = batch.reached
            self.prove(map(modified, batch.rows[-1:]) if batch.settled else [batch.reached])
            pending += self._rows.wanted(batch if since is None else self._rows.news(batch))
            read_at = read_at or batch.read_at
            if len(pending) >= limits.rows_per_table:
                loaded += self._rows.convert(pending, read_at, tables)
                pending, read_at = [], None
            if loaded >= limits.rows_per_checkpoint or bytes_of(tables) >= limits.bytes_per_checkpoint:
                yield self.at(tables, reached)
                tables, loaded = {}, 0
        if pending and read_at is not None:
            self._rows.convert(pending, read_at, tables)
        yield self.at(tables, self._module.window.hi)

    def at(self, tables: Tables, reached: datetime | None) -> Checkpoint:
        """Make a checkpoint of these rows. With them, everything changed before `reached` is loaded (None: unknown)."""
        if reached is not None:
            window = self._module.window
            reached = min(reached, self.early) if self.early else reached
            cursor, final_to = min(reached, window.hi), min(reached, self.final_to())
            self.state = self.state.advanced(cursor, final_to, window.now())
            if cursor == window.hi:  # a job that an earlier sync left has nothing more to give
                self.state = replace(self.state, bulk=None)
        self._doubt_nameless()
        return Checkpoint(self._module.spec.module, tables, self.state)

    def prove(self, stamps: Iterable[datetime | None]) -> None:
        """Move the watermark: records with these Modified_Times were read in the order of change."""
        self.state = with_proof(self.state, [min(at, self.early) if at and self.early else at for at in stamps])

    def _doubt_nameless(self) -> None:
        """A row without a usable id may be a new version of a stored record, and the cursor passes it: compare once."""
        known = self.state.nameless or {}
        read = {without_content(id_): at for id_, at in self._rows.nameless.items()}
        if read.items() <= known.items() or not self._module.spec.has_deletions:
            return
        newest = list({**known, **read}.items())[-MOST_NAMELESS:]
        self.state = replace(self.state, doubt=True, nameless=dict(newest))

    def was_rejected(self, row: Row) -> bool:
        """Whether an earlier sync kept this row without a usable id aside. A query shows only its times, a list all."""
        known = (self.state.nameless or {}).get(without_content(row["id"]))
        return SENT_ID in row and known == str(row.get("Modified_Time"))

    def zoho_was_at(self, at: datetime | None) -> None:
        """Zoho answered a query at this instant of its clock. The latest answer counts."""
        self.zoho_at = max(filter(None, (self.zoho_at, at)), default=None)

    def final_to(self) -> datetime:
        """The instant below which no record can change any more without a new stamp.

        Zoho's clock was seen beyond it. A clock that stands still, or that a person set, may stamp a later edit with a
        second that was already read.
        """
        window = self._module.window
        return min(window.hi, (self.zoho_at or window.hi - SECOND) - window.lag)


def bytes_of(tables: Mapping[str, Iterable[pa.Table]]) -> int:
    """The number of bytes that these rows take in Arrow."""
    return sum(part.nbytes for parts in tables.values() for part in parts)

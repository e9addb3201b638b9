"""Rows between a route and a checkpoint: which rows count, which values do not fit, which records were restored."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from zoho_pipeline.ingest.catalog.tables import REJECTED_RECORDS
from zoho_pipeline.ingest.convert.json_to_arrow import Rejection, of_values
from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.ingest.routes.deletions import Deletions
from zoho_pipeline.ingest.routes.records_route import Batch
from zoho_pipeline.ingest.routes.window import SKEW, modified
from zoho_pipeline.zoho.connection.server_clock import time_or_none
from zoho_pipeline.zoho.parsing import is_digits
from zoho_pipeline.zoho.read.pages import Row

Tables = dict[str, list[pa.Table]]
"""Raw table → Arrow tables of its rows."""


class RowFilter:
    """The rows of one module in one sync.

    Attributes:
        deletions: the list of deletions, once it was read.
        live_again: id → when the record was seen alive, for records that are known or listed as deleted.
        converted_ids: leads that were read as converted; they need no separate query.
        nameless: id → Modified_Time, of the records that were rejected as a whole because
            they have no usable id.
        after_clock: the latest creation that is later than Zoho's clock (the `Date` header). None: there is none.
        tail_from: rows from this instant on are read twice, because their first reading began early. Each version
            counts once. None: nothing is read twice.
    """

    def __init__(self, module: ModuleContext) -> None:
        self._module = module
        self.deletions: Deletions | None = None
        self.live_again: dict[str, datetime] = {}
        self.converted_ids: set[str] = set()
        self.nameless: dict[str, str] = {}
        self.after_clock: datetime | None = None
        self.tail_from: datetime | None = None
        self._tail: dict[str, datetime] = {}

    def wanted(self, batch: Batch) -> list[Row]:
        """The rows that existed when the sync began. Rows created later belong to the next sync."""
        rows = [row for row in batch.rows if not self.born_later(row)]
        changed = {row["id"]: modified(row) for row in rows if self.is_change(row)}
        self.converted_ids.update(row["id"] for row in rows if row.get("Converted__s"))
        known = self._module.baseline.deletions
        for row in rows:
            if row["id"] in known or (self.deletions and row["id"] in self.deletions.listed):
                self.live_again[row["id"]] = batch.read_at
        self.count(sum(1 for id_, at in changed.items() if self._tail.get(id_) != at))
        self.note_tail(changed)
        return rows

    def note_tail(self, read: Mapping[str, datetime]) -> None:
        """Remember which versions of the tail were counted. `read`: id → Modified_Time."""
        if self.tail_from is not None:
            self._tail.update((id_, at) for id_, at in read.items() if at >= self.tail_from)

    def count(self, rows: int) -> None:
        """Add to the rows of the report and of the progress display."""
        self._module.report.rows += rows
        self._module.advance(rows)

    def born_later(self, row: Row) -> bool:
        """Whether a record was created at or after the end of the window."""
        window = self._module.window
        if modified(row) < window.hi:
            return False
        created = time_or_none(row.get("Created_Time"))
        if created is not None and self.is_change(row):
            self.note_created(created)
        return created is None or created >= window.hi

    def note_created(self, created: datetime | None) -> None:
        """Remember the creation of a record if it is later than Zoho's clock."""
        if created is not None and created > self._module.window.clock() + SKEW:
            self.after_clock = max(created, self.after_clock or created)

    def news(self, batch: Batch) -> Batch:
        """The batch without the old rows: the warehouse has their version, and they lie below `baseline.again`."""
        again = self._module.baseline.again
        if again is None:
            return batch
        kept = [row for row in batch.rows if modified(row) >= again or self.is_change(row) or self._unsettled(row)]
        return replace(batch, rows=kept)

    def _unsettled(self, row: Row) -> bool:
        unsettled = self._module.baseline.unsettled
        return unsettled is not None and modified(row) >= unsettled

    def is_change(self, row: Row) -> bool:
        """Whether the warehouse did not hold this version when the sync began."""
        return self._module.baseline.recent.get(row["id"]) != modified(row)

    def must_read(self, rows: Iterable[Row]) -> list[str]:
        """The ids of listed versions that differ from the stored ones, or may differ within their second."""
        return [row["id"] for row in rows if not self.born_later(row) and (self.is_change(row) or self._unsettled(row))]

    def convert(self, rows: list[Row], read_at: datetime, tables: Tables) -> int:
        """Add these records to the tables, and return their number."""
        spec = self._module.spec
        converted = spec.convert(rows, self._module.channel_id, read_at)
        tables.setdefault(spec.table.name, []).append(converted.table)
        self.reject(converted.rejected, read_at, tables)
        if any(rejection.field == "id" for rejection in converted.rejected):
            self.nameless |= {row["id"]: str(row.get("Modified_Time")) for row in rows if not is_digits(row["id"])}
        return len(rows)

    def reject(self, rejected: list[Rejection], at: datetime, tables: Tables) -> None:
        """Store the values that did not fit in `rejected_records`, and count them."""
        if rejected:
            self._module.report.rejected_rows += len(rejected)
            kept = rejections(self._module.channel_id, self._module.spec.module, rejected, at)
            tables.setdefault(REJECTED_RECORDS.name, []).append(kept)


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

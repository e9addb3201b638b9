"""Rows on their way from a route into a step: which of them count, what does not fit, what came back to life."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from zoho_pipeline.ingest.catalog.tables import REJECTED_RECORDS
from zoho_pipeline.ingest.convert.json_to_arrow import Rejection
from zoho_pipeline.ingest.extract.baseline import Before
from zoho_pipeline.ingest.extract.modules import Target
from zoho_pipeline.ingest.extract.step import rejections
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.routes.deletions import Deletions
from zoho_pipeline.ingest.routes.records_route import Batch, modified
from zoho_pipeline.ingest.routes.window import SKEW, Window
from zoho_pipeline.zoho.connection.server_clock import parse_time
from zoho_pipeline.zoho.read.pages import Row

Tables = dict[str, list[pa.Table]]


@dataclass
class Intake:
    """One module's rows in one sync.

    Attributes:
        live_again: id → when it was seen alive, of records that are known or listed as deleted.
        converted_ids: leads seen converted, which need no look of their own.
        after_clock: when a record was created that Zoho's clock, as the `Date` header tells it, has not reached yet.
    """

    target: Target
    channel_id: str
    window: Window
    before: Before
    report: ModuleReport
    advance: Callable[[int], object]
    deletions: Deletions | None = None
    live_again: dict[str, datetime] = field(default_factory=dict)
    converted_ids: set[str] = field(default_factory=set)
    after_clock: datetime | None = None

    def wanted(self, batch: Batch, *, asked_for: bool = False) -> list[Row]:
        """Rows that existed when the sync began. Those created later belong to the next sync.

        asked_for: the records were asked for by their ids, so a version that is held counts too: a conversion need not
            move Modified_Time.
        """
        rows = [row for row in batch.rows if not self.born_later(row) and (asked_for or not self.is_known(row))]
        changed = sum(1 for row in rows if self.is_change(row))
        self.converted_ids.update(row["id"] for row in rows if row.get("Converted__s"))
        for row in rows:
            if row["id"] in self.before.deletions or (self.deletions and row["id"] in self.deletions.listed):
                self.live_again[row["id"]] = batch.read_at
        self.report.rows += changed
        self.advance(changed)
        return rows

    def born_later(self, row: Row) -> bool:
        if modified(row) < self.window.hi:
            return False
        created = parse_time(row["Created_Time"]) if row.get("Created_Time") else None
        if created is not None and created > self.window.clock() + SKEW and self.is_change(row):
            self.after_clock = max(created, self.after_clock or created)
        return created is None or created >= self.window.hi

    def is_known(self, row: Row) -> bool:
        """Whether a row lies so far below the cursor that its version alone is looked at, and is held."""
        again = self.before.again
        return again is not None and modified(row) < again and not self.is_change(row) and not self._unsettled(row)

    def _unsettled(self, row: Row) -> bool:
        return self.before.unsettled is not None and modified(row) >= self.before.unsettled

    def is_change(self, row: Row) -> bool:
        return self.before.recent.get(row["id"]) != modified(row)

    def must_read(self, rows: Iterable[Row]) -> list[str]:
        """Ids of listed versions that differ from what is held, or may do so within their second."""
        return [row["id"] for row in rows if not self.born_later(row) and (self.is_change(row) or self._unsettled(row))]

    def convert(self, rows: list[Row], read_at: datetime, tables: Tables) -> int:
        converted = self.target.convert(rows, self.channel_id, read_at)
        tables.setdefault(self.target.table.name, []).append(converted.table)
        self.reject(converted.rejected, read_at, tables)
        return len(rows)

    def reject(self, rejected: list[Rejection], at: datetime, tables: Tables) -> None:
        """Keep values that did not fit beside the rows, and count them."""
        if rejected:
            self.report.rejected_rows += len(rejected)
            kept = rejections(self.channel_id, self.target.module, rejected, at)
            tables.setdefault(REJECTED_RECORDS.name, []).append(kept)

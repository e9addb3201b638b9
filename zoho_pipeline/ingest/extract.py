"""One module's part of a sync, in a thread of its own: fields, window, rows, deletions → bounded steps."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest import by_id, deletions, probe
from zoho_pipeline.ingest.arrow import Rejection
from zoho_pipeline.ingest.bulk_route import CHEAPER_FROM, BulkReader, FieldRefused, Progress
from zoho_pipeline.ingest.catalog import REJECTED_RECORDS
from zoho_pipeline.ingest.csv_arrow import csv_to_arrow
from zoho_pipeline.ingest.deletions import Deletions, Known
from zoho_pipeline.ingest.fields import FieldPlan, plan_from_catalogue, plan_from_metadata, plan_from_record
from zoho_pipeline.ingest.keyset import Batch, KeysetReader, modified
from zoho_pipeline.ingest.probe import Totals
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.steps import ModuleState, Step, rejections
from zoho_pipeline.ingest.targets import Target
from zoho_pipeline.ingest.window import OVERLAP, OVERLAP_ROWS, SECOND, Window, parse
from zoho_pipeline.zoho import metadata, records
from zoho_pipeline.zoho.bulk import UNSUPPORTED_MODULES
from zoho_pipeline.zoho.client import ZohoClient
from zoho_pipeline.zoho.clock import parse_time
from zoho_pipeline.zoho.errors import (
    CreditsExhausted,
    InvalidRequest,
    ModuleMissing,
    NoPermission,
    NotSupported,
    Permanent,
    ScopeMissing,
)
from zoho_pipeline.zoho.metadata import FieldMeta
from zoho_pipeline.zoho.pages import Row

ROWS_PER_TABLE = 2_000
ROWS_PER_STEP = 10_000
"""A step of the widest records is some 20 MB; memory stays bounded whatever the module's size."""


@dataclass(frozen=True)
class Before:
    """What the warehouse held of a module when the sync began.

    `recent`: (id → modified_time) of rows at or after the lower bound, so that re-reading the overlap is
    not counted as change; `totals`: of its live rows; `empty`: no row at all.
    """

    since: datetime | None
    recent: Mapping[str, datetime] = field(default_factory=dict)
    deletions: Mapping[str, Known] = field(default_factory=dict)
    empty: bool = True
    totals: Totals | None = None


def overlap_start(cursor: datetime, newest: list[tuple[str, datetime]]) -> datetime:
    """The cursor less the overlap, or less of it where more rows lie there than fit a page.

    `newest`: (id, modified_time) at or after cursor − overlap, newest first.
    """
    if len(newest) <= OVERLAP_ROWS:
        return cursor - OVERLAP
    return min(cursor, newest[OVERLAP_ROWS - 1][1] + SECOND)


@dataclass
class Extraction:
    """Runs in a thread; talks to Zoho only. What it found beside rows stands in its attributes at the end."""

    target: Target
    channel_id: str
    client: ZohoClient
    window: Window
    state: ModuleState
    before: Before
    report: ModuleReport
    full: bool = False
    can_query: bool = False
    can_bulk: bool = False
    advance: Callable[[int], object] = int
    metas: list[FieldMeta] | None = None
    deletions: Deletions | None = None
    live_again: dict[str, datetime] = field(default_factory=dict)
    plan: FieldPlan = field(default_factory=lambda: FieldPlan(()))
    unchanged: bool = False
    counted: int | None = None
    """Live records at Zoho, where the route has counted them at its end."""
    bare_names: bool = False
    _reader: KeysetReader | None = None
    _converted_ids: set[str] = field(default_factory=set)

    def steps(self) -> Iterator[Step]:
        """Every row that is new or changed, in steps that each leave a true cursor, and the deletions.

        Raises:
            ZohoError: what was yielded before stands; the cursor is that of the last step.
        """
        since = None if self.full else self.before.since
        self.report.window_start, self.report.window_end = since, self.window.hi
        # kept with the first step: a first load that is resumed still learns what was deleted since its start
        self.state = {"deleted_cursor": self.window.hi.isoformat(), **self.state, "table": self.target.table.name}
        if since is None:
            yield from self._everything()
            return
        self.window.settle()  # little is expected: read it once, when it is final
        self._read_deletions()
        if self._is_unchanged():
            self.unchanged = True
            self.report.took("unchanged")
            self.report.route_reason = "count and latest change are those of the last sync"
            yield Step(self.target.module, {}, self.state)
            return
        self.report.took("records")
        self.report.route_reason = "changes since the last sync"
        self.plan = self._plan()
        yield from self._rows(since)
        yield from self._conversions(since)

    def reread(self) -> Iterator[Step]:
        """Every row once more, whatever the cursor says."""
        self.report.took("records")
        yield from self._rows(None)

    def _everything(self) -> Iterator[Step]:
        self.report.route_reason = "everything, as asked" if self.full else "first load"
        self.plan = self._plan()
        resume = None if self.full else Progress.of_state(self.state.get("bulk"))
        since: datetime | None = None
        if resume is not None or self._bulk_pays():
            since = yield from self._bulk(resume)
        if since is None or not self._nothing_since(since):
            self.report.took("records")
            yield from self._rows(since)
        self._read_deletions()  # after the rows: what was deleted while they were read

    def _nothing_since(self, since: datetime) -> bool:
        """Whether one query shows that nothing was changed or converted from an instant on."""
        if since < self.window.hi:
            return False
        try:
            there = probe.totals(self.client, self.target.module, self.window.hi)
        except Permanent:
            return False
        self.counted = there.count
        return there.changed is not None and there.changed < since and (there.converted or there.changed) < since

    def _bulk_pays(self) -> bool:
        """Whether there are so many rows that a job is cheaper than lists."""
        if not (self.can_bulk and self.can_query) or self.target.module in UNSUPPORTED_MODULES:
            return False
        try:
            rows = probe.count_only(self.client, self.target.module, self.window.hi)
        except Permanent:
            return False
        self.report.route_reason += f" of {rows} rows"
        return rows >= CHEAPER_FROM

    def _bulk(self, resume: Progress | None) -> Generator[Step, None, datetime | None]:
        """Everything by Bulk Read; from when on changes are still to be read (None: nothing was read)."""
        plan = self.plan
        for _ in range(2):
            reader = BulkReader(self.client, self.target.module, plan, self.window, resume)
            try:
                for texts, progress in reader.read():
                    yield self._bulk_step(texts, progress)
            except FieldRefused as refused:
                names = tuple(name for name in plan.names if name not in str(refused))
                if len(names) == len(plan.names):
                    break
                self.report.note(f"not in bulk: {', '.join(sorted(set(plan.names) - set(names)))}")
                plan, resume = replace(plan, names=names), None
                continue
            except Permanent as error:
                if isinstance(error, CreditsExhausted):
                    raise
                self.report.note(f"bulk refused: {error}")
                break
            assert reader.progress is not None
            self.report.took("bulk")
            self.bare_names = True
            hi = reader.progress.hi
            self.state = {k: v for k, v in self.state.items() if k != "bulk"} | {"cursor": hi.isoformat()}
            yield Step(self.target.module, {}, self.state)
            return hi
        self.state = {k: v for k, v in self.state.items() if k != "bulk"}
        return None

    def _bulk_step(self, texts: pa.Table, progress: Progress) -> Step:
        table = self.target.table
        converted = csv_to_arrow(
            table, texts, self.plan.types, channel_id=self.channel_id, synced_at=progress.read_at
        )
        created = converted.table["created_time"]
        rows = converted.table.filter(pc.fill_null(pc.less(created, pa.scalar(progress.hi, created.type)), True))
        tables = {table.name: [rows]}
        self.reject(converted.rejected, progress.read_at, tables)
        self.report.rows += rows.num_rows
        self.advance(rows.num_rows)
        self.state = {**self.state, "bulk": progress.as_state()}
        return Step(self.target.module, tables, self.state)

    def _is_unchanged(self) -> bool:
        """Whether one aggregate query shows what the warehouse holds, and no deletion or restore is news."""
        here = self.before.totals
        if not self.can_query or here is None or self.before.recent or not self.target.has_deletions:
            return False
        if self.deletions is None or self.deletions.restored or not self.deletions.whole:
            return False
        if any(deletions.is_news(row, self.before.deletions.get(id_)) for id_, row in self.deletions.listed.items()):
            return False
        try:
            there = probe.totals(self.client, self.target.module, self.window.hi)
        except Permanent:
            self.can_query = False
            return False
        return (there == here and there.changed is not None) or there.count == here.count == 0

    def _rows(self, since: datetime | None) -> Iterator[Step]:
        pending: list[Row] = []
        tables: dict[str, list[pa.Table]] = {}
        loaded, read_at = 0, None
        reached = since
        for batch in self._batches(since):
            reached = batch.reached
            pending += self._wanted(batch)
            read_at = read_at or batch.read_at
            if len(pending) >= ROWS_PER_TABLE:
                loaded += self._convert(pending, read_at, tables)
                pending, read_at = [], None
            if loaded >= ROWS_PER_STEP:
                yield self._step(tables, reached)
                tables, loaded = {}, 0
        if pending and read_at is not None:
            self._convert(pending, read_at, tables)
        yield self._step(tables, self.window.hi)

    def _conversions(self, since: datetime) -> Iterator[Step]:
        """Leads converted in the window whose Modified_Time did not move: no list of changes shows them."""
        if self.target.module != "Leads" or not self.can_query:
            return
        try:
            ids = probe.converted_since(self.client, since) - self._converted_ids
        except (InvalidRequest, NotSupported) as error:
            self.report.note(f"conversions cannot be queried: {error}")
            return
        if not ids:
            return
        read_at = self.window.now()
        rows = list(by_id.fetch(self.client, self.target.module, self.plan, ids).values())
        tables: dict[str, list[pa.Table]] = {}
        self._convert(self._wanted(Batch(rows, None, read_at)), read_at, tables)
        yield Step(self.target.module, tables, self.state)

    def _step(self, tables: dict[str, list[pa.Table]], reached: datetime | None) -> Step:
        if self._reader is not None and self._reader.inclusive:
            self.state = {**self.state, "inclusive": True}
        if reached is not None:
            self.state = {**self.state, "cursor": min(reached, self.window.hi).isoformat()}
        return Step(self.target.module, tables, self.state)

    def _batches(self, since: datetime | None) -> Iterator[Batch]:
        """The reader's batches; without metadata the first changed record shows which other fields there are."""
        plan, self._reader = self.plan, self._reader_of(self.plan)
        reader = self._reader
        if plan.basis == "metadata" or self.target.plan is not None:
            yield from reader.read(since)
            return
        looked = False
        for batch in reader.read(since):
            changed = next((row for row in batch.rows if self._is_change(row)), None)
            if changed is not None and not looked:
                looked = True
                whole = records.get_one(self.client, self.target.module, changed["id"])
                wider = plan_from_record(self.target.table, whole or ())
                if set(wider.names) - set(plan.names):
                    self.state = {**self.state, "names": list(wider.names)}
                    self.plan, self._reader = wider, self._reader_of(wider)
                    yield from self._reader.read(since)
                    return
            yield batch

    def _reader_of(self, plan: FieldPlan) -> KeysetReader:
        inclusive = bool(self.state.get("inclusive"))
        return KeysetReader(self.client, self.target.module, plan, self.window, inclusive=inclusive)

    def _plan(self) -> FieldPlan:
        if self.target.plan is not None:
            return self.target.plan
        try:
            self.metas = metadata.fields(self.client, self.target.module)
        except ModuleMissing as error:
            raise ModuleMissing(self.target.module, "the metadata does not know it") from error  # names the path else
        except (ScopeMissing, NoPermission, NotSupported):
            names = self.state.get("names")
            return FieldPlan(tuple(names)) if names else plan_from_catalogue(self.target.table)
        if not self.metas:
            return plan_from_catalogue(self.target.table)
        plan = plan_from_metadata(self.target.table, self.metas)
        for change in plan.changes_since(self.state.get("fields") or {}):
            self.report.note(change)
        self.state = {**self.state, "fields": dict(plan.types)}
        return plan

    def _wanted(self, batch: Batch) -> list[Row]:
        """Rows that existed when the sync began; those born later are the next run's."""
        rows = [row for row in batch.rows if not self._born_later(row)]
        changed = sum(1 for row in rows if self._is_change(row))
        self._converted_ids.update(row["id"] for row in rows if row.get("Converted__s"))
        for row in rows:
            if row["id"] in self.before.deletions or (self.deletions and row["id"] in self.deletions.listed):
                self.live_again[row["id"]] = batch.read_at
        self.report.rows += changed
        self.advance(changed)
        return rows

    def _born_later(self, row: Row) -> bool:
        if modified(row) < self.window.hi:
            return False
        created = row.get("Created_Time")
        return created is None or parse_time(created) >= self.window.hi

    def _is_change(self, row: Row) -> bool:
        return self.before.recent.get(row["id"]) != modified(row)

    def _convert(self, rows: list[Row], read_at: datetime, tables: dict[str, list[pa.Table]]) -> int:
        converted = self.target.convert(rows, self.channel_id, read_at)
        tables.setdefault(self.target.table.name, []).append(converted.table)
        self.reject(converted.rejected, read_at, tables)
        return len(rows)

    def reject(self, rejected: list[Rejection], at: datetime, tables: dict[str, list[pa.Table]]) -> None:
        """Keep values that did not fit beside the rows, and count them."""
        if rejected:
            self.report.rejected_rows += len(rejected)
            kept = rejections(self.channel_id, self.target.module, rejected, at)
            tables.setdefault(REJECTED_RECORDS.name, []).append(kept)

    def _read_deletions(self) -> None:
        if not self.target.has_deletions:
            return
        cursor = parse(self.state["deleted_cursor"])
        assert cursor is not None
        since = deletions.since_of(cursor, self.before.deletions, self.window.hi)
        try:
            self.deletions = deletions.read(self.client, self.target.module, since, self.before.deletions)
        except (NotSupported, NoPermission, ModuleMissing, InvalidRequest) as error:
            self.report.note(f"deletions of {self.target.module} cannot be read: {error}")
            return
        if not self.deletions.whole:
            self.report.note("Zoho does not show all deletions at once: run `zoho-pipeline reconcile`")

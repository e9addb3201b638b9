"""One module's part of a sync, in a thread of its own: fields, window, route, rows, deletions → bounded steps."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan, plan_from_record
from zoho_pipeline.ingest.extract import watermarks
from zoho_pipeline.ingest.extract.baseline import Before
from zoho_pipeline.ingest.extract.bulk_steps import BulkLoad
from zoho_pipeline.ingest.extract.modules import Target
from zoho_pipeline.ingest.extract.row_filter import Intake, Tables
from zoho_pipeline.ingest.extract.schema_drift import read_shape
from zoho_pipeline.ingest.extract.step import ModuleState, Step, bytes_of
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.routes import by_id, change_probe, coql_route, deletions, route_choice
from zoho_pipeline.ingest.routes.bulk_route import Progress
from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.coql_route import QueryReader
from zoho_pipeline.ingest.routes.deletions import Deletions
from zoho_pipeline.ingest.routes.records_route import Batch, KeysetReader, modified
from zoho_pipeline.ingest.routes.window import SECOND, Window, parse
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import (
    InvalidRequest,
    ModuleMissing,
    NoPermission,
    NotSupported,
    Permanent,
)
from zoho_pipeline.zoho.read import records
from zoho_pipeline.zoho.read.bulk import UNSUPPORTED_MODULES
from zoho_pipeline.zoho.read.metadata import FieldMeta
from zoho_pipeline.zoho.read.pages import Row

SHAPE_EVERY = timedelta(hours=24)
"""A module in which nothing changes has its fields looked at this often; else they are read before its rows."""


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
    limits: SyncLimits = field(default_factory=SyncLimits)
    full: bool = False
    can_query: bool = False
    can_bulk: bool = False
    advance: Callable[[int], object] = int
    metas: list[FieldMeta] | None = None
    deletions: Deletions | None = None
    plan: FieldPlan = field(default_factory=lambda: FieldPlan(()))
    unchanged: bool = False
    there: Totals | None = None
    """Count and latest change at Zoho, where one query of this run has asked for them."""
    intake: Intake = field(init=False)
    _reader: KeysetReader | None = None
    _zoho_at: datetime | None = None

    def __post_init__(self) -> None:
        self.intake = Intake(
            self.target, self.channel_id, self.window, self.before, self.report, lambda rows: self.advance(rows)
        )

    @property
    def live_again(self) -> dict[str, datetime]:
        return self.intake.live_again

    def steps(self) -> Iterator[Step]:
        """Every row that is new or changed, in steps that each leave a true cursor, and the deletions.

        Raises:
            ZohoError: what was yielded before stands; the cursor is that of the last step.
        """
        since = None if self.full else self.before.since
        self.report.window_start, self.report.window_end = since, self.window.hi
        # kept with the first step: a first load that is resumed still learns what was deleted since its start
        self.state = {"deleted_cursor": self.window.hi.isoformat(), **self.state, "table": self.target.table.name}
        self.window.settle()
        if since is None:
            yield from self._everything()
        else:
            yield from self._changes(since)

    def reread(self) -> Iterator[Step]:
        """Every row once more, whatever the cursor says, by another route than those that left a difference."""
        self._note_plan()
        self.state = {name: value for name, value in self.state.items() if name != "bulk"}
        taken = self.report.route.split("+")
        if "coql" in taken:
            yield from self._by_lists(None)
        else:
            yield from self._by_cheapest(None, self._count(None), "too many differ", bulk="bulk" not in taken)

    # ── first load ────────────────────────────────────────────────────────────────────────────────────────

    def _everything(self) -> Iterator[Step]:
        why = "everything, as asked" if self.full else "first load"
        self._note_plan()
        rows = self._count(None)
        yield from self._by_cheapest(None, rows, why)
        self._read_deletions()  # after the rows: what was deleted while they were read

    # ── changes ───────────────────────────────────────────────────────────────────────────────────────────

    def _changes(self, since: datetime) -> Iterator[Step]:
        """Deletions, then one query that tells whether anything changed, then what did."""
        self._read_deletions()
        there = self._totals()
        if there is not None and self._is_unchanged(there):
            if self.before.unsettled is None:
                yield self._nothing()
                return
            since = self.before.unsettled
        if self.before.too_many:
            self.report.note(f"more than {self.limits.most_unsettled} records of the newest second are not read again")
        yield from self._rows_since(since)
        if there is None or there.changed is None or (there.converted is not None and there.converted >= since):
            yield from self._conversions(since)

    def _nothing(self) -> Step:
        self.unchanged = True
        self.report.took("unchanged")
        self.report.route_reason = "count and latest change are those of the last sync"
        seen = parse(self.state.get("fields_at"))
        due = seen is None or not timedelta(0) <= self.window.hi - seen < SHAPE_EVERY
        if self.target.plan is None and due:
            self._note_plan()
        return self._step({}, self.window.hi)

    def _rows_since(self, since: datetime) -> Iterator[Step]:
        """What changed since an instant: the few by their ids, the many by the cheapest route."""
        if not self.can_query:
            self._note_plan()
            self.report.route_reason = "changes since the last sync"
            yield from self._by_lists(since)
            return
        try:
            created = "Created_Time" in self.target.table.api_fields
            listed = coql_route.list_changes(self.client, self.target.module, since, self.window, created=created)
        except coql_route.REFUSALS as refused:
            self._no_queries(refused)
            yield from self._rows_since(since)
            return
        self._zoho_at = max(filter(None, (self._zoho_at, listed.read_at)))
        if listed.whole:
            self.state = watermarks.with_proof(self.state, map(modified, listed.rows))
            self.report.took("coql")
            self.report.route_reason = "few changes: listed by one query, read by id"
            yield from self._few(self.intake.must_read(listed.rows))
            return
        self._note_plan()
        yield from self._by_cheapest(since, self._count(since), "changes since the last sync")

    def _few(self, ids: list[str]) -> Iterator[Step]:
        tables: Tables = {}
        if ids:
            self._note_plan()
            read_at = self.window.now()
            if self.plan.basis == "catalogue" and self.target.plan is None:
                self._widen(ids[0])
            rows = list(by_id.fetch(self.client, self.target.module, self.plan, ids).values())
            if rows:
                self.intake.convert(self.intake.wanted(Batch(rows, None, read_at), asked_for=True), read_at, tables)
        yield self._step(tables, self.window.hi)

    def _conversions(self, since: datetime) -> Iterator[Step]:
        """Leads converted in the window whose Modified_Time did not move: no list of changes shows them."""
        if self.target.module != "Leads" or not self.can_query:
            return
        try:
            ids = change_probe.converted_since(self.client, since) - self.intake.converted_ids
        except change_probe.QUERY_REFUSED as error:
            self.report.note(f"conversions cannot be queried: {error}")
            return
        held = self.before.converted
        ids = {id_ for id_ in ids if id_ not in held}
        if ids:
            if not self.plan.names:
                self._note_plan()
            yield from self._few(sorted(ids))

    # ── routes ────────────────────────────────────────────────────────────────────────────────────────────

    def _by_cheapest(self, since: datetime | None, rows: int | None, why: str, *, bulk: bool = True) -> Iterator[Step]:
        """All rows from an instant on, by the planner's route; another one where Zoho refuses it."""
        resume = None if self.full else Progress.of_state(self.state.get("bulk"))
        choice = route_choice.choose(self._options(rows, bulk=bulk), self.limits)
        self.report.route_reason = f"{why}: {choice.reason}"
        if resume is not None or choice.route == "bulk":
            reached = yield from self._by_job(since, resume)
            if reached is not None:
                if not self._nothing_since(reached):
                    yield from self._by_lists(reached)
                return
            choice = route_choice.choose(self._options(rows, bulk=False), self.limits)
            self.report.route_reason += f"; then {choice.reason}"
        if choice.route == "coql" and (yield from self._by_queries(since)):
            return
        yield from self._by_lists(since)

    def _options(self, rows: int | None, bulk: bool = True) -> route_choice.Options:
        module = self.target.module
        return route_choice.Options(
            rows=rows,
            slices=len(self.plan.slices),
            coql=self.can_query and self.target.reshape is None and coql_route.can_give_rows(module, self.plan),
            bulk=bulk and self.can_bulk and self.can_query and module not in UNSUPPORTED_MODULES,
            query_rows=self._query_rows(),
        )

    def _query_rows(self) -> int:
        """The largest page of a query that the org has taken so far."""
        return int(self.state.get("query_rows", self.client.pacing.query_rows))

    def _by_lists(self, since: datetime | None) -> Iterator[Step]:
        self.report.took("records")
        yield from self._steps_of(self._list_batches(since), since)

    def _by_queries(self, since: datetime | None) -> Generator[Step, None, bool]:
        """By queries; False where Zoho refused them: what was read stands, and lists read it all."""
        most = self._query_rows()
        reader = QueryReader(
            self.client, self.target.module, self.plan, self.window, self._final_to(), most, self.limits
        )
        self.state = {**self.state, "bare_names": True}
        try:
            yield from self._steps_of(reader.read(since), since)
        except coql_route.REFUSALS as refused:
            self._no_queries(refused)
            return False
        if reader.most != most:
            self.state = {**self.state, "query_rows": reader.most}
        self.report.took("coql")
        return True

    def _by_job(self, since: datetime | None, resume: Progress | None) -> Generator[Step, None, datetime | None]:
        """By Bulk Read; from when on changes are still to be read (None: nothing was read)."""
        load = BulkLoad(self, since, resume)
        return (yield from load.run())

    def _no_queries(self, refused: Permanent) -> None:
        self.can_query = False
        self.report.note(f"queries refused: {refused}")

    def _nothing_since(self, since: datetime) -> bool:
        """Whether one query shows that nothing was changed or converted from an instant on."""
        if since < self.window.hi:
            return False
        there = self._totals()
        if there is None:
            return False
        return there.changed is not None and there.changed < since and (there.converted or there.changed) < since

    # ── questions ─────────────────────────────────────────────────────────────────────────────────────────

    def _totals(self) -> Totals | None:
        """Count and latest change at Zoho; None where it cannot be queried, or has no list of deletions."""
        if not self.can_query or not self.target.has_deletions:
            return None
        try:
            found = change_probe.totals(self.client, self.target.module, self.window.hi)
        except coql_route.REFUSALS as refused:
            self._no_queries(refused)
            return None
        self.there = found
        self._zoho_at = max(filter(None, (self._zoho_at, found.asked_at)), default=None)
        return found

    def _count(self, since: datetime | None) -> int | None:
        if not self.can_query:
            return None
        if since is None and self.target.has_deletions:
            found = self._totals()
            self.there = None  # rows come after it: what is deleted meanwhile is not among them
            return found.count if found else None
        try:
            return coql_route.count_changes(self.client, self.target.module, since)
        except coql_route.REFUSALS as refused:
            self._no_queries(refused)
            return None

    def _is_unchanged(self, there: Totals) -> bool:
        """Whether one aggregate query shows what the warehouse holds, and no deletion or restore is news."""
        found = self.deletions
        if found is None or found.restored or not found.whole:
            return False
        if any(deletions.is_news(row, self.before.deletions.get(id_)) for id_, row in found.listed.items()):
            return False
        here = self.before.totals
        if here is None or there.count == here.count == 0:
            return here is not None
        same = there.changed is not None and there.converted == here.converted
        return same and not change_probe.difference(there, here, self.window.hi, self.state.get("compared"))

    def _final_to(self) -> datetime:
        """Below this instant nothing that is read from now on can still change in silence.

        Zoho's clock has been seen to stand beyond it: a clock that stands still, or that was set by hand,
        may stamp a later edit with a second that was read already.
        """
        seen = self._zoho_at or self.window.hi - SECOND
        return min(self.window.hi, seen - self.window.lag)

    def _read_deletions(self) -> None:
        if not self.target.has_deletions:
            return
        cursor = watermarks.deletions_since(self.state, self.before.proved, self.window.hi)
        since = deletions.since_of(cursor, self.before.deletions, self.window.hi)
        try:
            found = deletions.read(self.client, self.target.module, since, self.before.deletions)
        except (NotSupported, NoPermission, ModuleMissing, InvalidRequest) as error:
            self.report.note(f"deletions of {self.target.module} cannot be read: {error}")
            return
        self.deletions = self.intake.deletions = found
        self._zoho_at = found.asked_at
        if not found.whole:
            self.report.note("Zoho does not show all deletions at once: run `zoho-pipeline reconcile`")

    def deletions_mark(self) -> dict[str, str]:
        """The mark of the list of deletions, true once this run's deletions are in."""
        found = self.deletions
        if found is None or not found.whole:
            return {}
        proved = self.before.proved if self.before.since is not None else parse(self.state.get("proved"))
        return watermarks.deleted_from(self.state, found.listed, proved)

    def _note_plan(self) -> None:
        if self.plan.names:
            return
        self.plan, self.metas, self.state = read_shape(self.client, self.target, self.state, self.report)
        if self.metas:
            self.state = {**self.state, "fields_at": self.window.hi.isoformat()}

    # ── rows → steps ──────────────────────────────────────────────────────────────────────────────────────

    def _steps_of(self, batches: Iterable[Batch], since: datetime | None) -> Iterator[Step]:
        pending: list[Row] = []
        tables: Tables = {}
        loaded, read_at = 0, None
        reached = since
        for batch in batches:
            reached = batch.reached
            self.state = watermarks.with_proof(self.state, map(modified, batch.rows[-1:]))
            pending += self.intake.wanted(batch)
            read_at = read_at or batch.read_at
            if len(pending) >= self.limits.rows_per_table:
                loaded += self.intake.convert(pending, read_at, tables)
                pending, read_at = [], None
            if loaded >= self.limits.rows_per_checkpoint or bytes_of(tables) >= self.limits.bytes_per_checkpoint:
                yield self._step(tables, reached)
                tables, loaded = {}, 0
        if pending and read_at is not None:
            self.intake.convert(pending, read_at, tables)
        yield self._step(tables, self.window.hi)

    def _step(self, tables: dict[str, list[pa.Table]], reached: datetime | None) -> Step:
        if self._reader is not None and self._reader.inclusive:
            self.state = {**self.state, "inclusive": True}
        if reached is not None:
            cursor, final = min(reached, self.window.hi), min(reached, self._final_to())
            told = {"cursor": cursor, "final_to": final, "read_at": self.window.now()}
            self.state = {**self.state, **{name: instant.isoformat() for name, instant in told.items()}}
        return Step(self.target.module, tables, self.state)

    def _list_batches(self, since: datetime | None) -> Iterator[Batch]:
        """Batches of lists; without metadata the first changed record shows which other fields there are."""
        reader = self._reader = self._reader_of(self.plan)
        if self.plan.basis == "metadata" or self.target.plan is not None:
            yield from reader.read(since)
            return
        looked = False
        for batch in reader.read(since):
            changed = next((row for row in batch.rows if self.intake.is_change(row)), None)
            if changed is not None and not looked:
                looked = True
                if self._widen(changed["id"]):
                    self._reader = self._reader_of(self.plan)
                    yield from self._reader.read(since)
                    return
            yield batch

    def _widen(self, id_: str) -> bool:
        """Add the fields that a single record shows to the plan; whether there were any."""
        whole = records.get_one(self.client, self.target.module, id_)
        wider = plan_from_record(self.target.table, whole or ())
        if not set(wider.names) - set(self.plan.names):
            return False
        self.state = {**self.state, "names": list(wider.names)}
        self.plan = wider
        return True

    def _reader_of(self, plan: FieldPlan) -> KeysetReader:
        inclusive = bool(self.state.get("inclusive"))
        return KeysetReader(self.client, self.target.module, plan, self.window, inclusive=inclusive)

"""Runs the routes of one module: the cheapest one first, and another one if Zoho refuses it."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from zoho_pipeline.ingest.extract.bulk_load import BulkLoad, BulkStart
from zoho_pipeline.ingest.extract.checkpoints import Checkpoint, Checkpoints
from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.ingest.extract.row_filter import RowFilter, Tables
from zoho_pipeline.ingest.extract.schema_drift import ModuleFields
from zoho_pipeline.ingest.routes import by_id, change_probe, coql_route, route_choice
from zoho_pipeline.ingest.routes.bulk_route import BulkCheckpoint
from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.coql_route import QueryReader
from zoho_pipeline.ingest.routes.records_route import Batch, KeysetReader
from zoho_pipeline.ingest.routes.window import OVERLAP_ROWS
from zoho_pipeline.zoho.errors import InvalidRequest, Permanent
from zoho_pipeline.zoho.read import coql
from zoho_pipeline.zoho.read.bulk import UNSUPPORTED_MODULES
from zoho_pipeline.zoho.read.pages import Row

MOST_TAIL_ROWS = OVERLAP_ROWS
"""The largest tail of a read that begins early: one query lists it, beside what is changed meanwhile."""


class RouteRunner:
    """Reads rows of one module as checkpoints, and counts them by queries.

    Attributes:
        can_query, can_bulk: queries (jobs) are allowed, and Zoho has refused none.
        there: count and latest change at Zoho, if a query of this sync has read them.
        before: the totals at Zoho before rows were read, if a query of this sync has read them.
        early: the rows below this instant are final, although their reading began before the window was settled. The
            rows from there on (the tail) must be read again. None: the reading waited.
    """

    def __init__(
        self,
        module: ModuleContext,
        checkpoints: Checkpoints,
        rows: RowFilter,
        fields: ModuleFields,
        *,
        can_query: bool,
        can_bulk: bool,
    ) -> None:
        self._module, self._checkpoints, self._rows, self._fields = module, checkpoints, rows, fields
        self._client, self._spec, self._report = module.client, module.spec, module.report
        self.can_query, self.can_bulk = can_query, can_bulk
        self.there: Totals | None = None
        self.before: Totals | None = None

    @property
    def early(self) -> datetime | None:
        return self._rows.tail_from

    def by_cheapest(
        self, since: datetime | None, rows: int | None, why: str, *, bulk: bool = True
    ) -> Iterator[Checkpoint]:
        """Yield all rows changed since an instant (None: all rows), by the route with the fewest credits.

        Many rows are read before the window is settled. If `early` is set afterwards, the rows from this instant on
        must be read again then.

        Args:
            rows: the number of these rows. None: they cannot be counted.
            why: the reason for reading them, for the report.
            bulk: False if no job may be used.
        """
        limits = self._module.limits
        resume = None if self._module.full else self._checkpoints.state.bulk
        if resume is None:
            self._look_at_one_record()
        choice = route_choice.choose(self._options(rows, bulk=bulk), limits)
        self._report.route_reason = f"{why}: {choice.reason}"
        if resume is None:
            self._begin_or_wait(rows, choice.route)
        if resume is not None or choice.route == "bulk":
            reached = yield from self.by_job(since, resume)
            if reached is not None:
                if self._checkpoints.early is None:
                    yield from self._since_job(reached)
                return
            choice = route_choice.choose(self._options(rows, bulk=False), limits)
            self._report.route_reason += f"; then {choice.reason}"
            self._wait()
        if choice.route == "coql":
            if (yield from self.by_queries(since)):
                return
            self._wait()
        yield from self.by_lists(since)

    def by_lists(self, since: datetime | None) -> Iterator[Checkpoint]:
        """Yield all rows changed since an instant (None: all rows), by lists."""
        self._report.took("records")
        yield from self._checkpoints.of_batches(self._list_batches(since), since)

    def by_queries(self, since: datetime | None) -> Generator[Checkpoint, None, bool]:
        """Yield the same rows by queries. Returns False if Zoho refused one; then lists must read everything again."""
        most = self._query_rows()
        place = (self._client, self._spec.module, self._fields.plan, self._module.window)
        reader = QueryReader(*place, self._checkpoints.final_to(), most, self._module.limits)
        self._checkpoints.state = replace(self._checkpoints.state, bare_names=True)
        try:
            yield from self._checkpoints.of_batches(reader.read(since), since)
        except coql_route.REFUSALS as refused:
            self.refuse_queries(refused)
            return False
        if reader.most != most:
            self._checkpoints.state = replace(self._checkpoints.state, query_rows=reader.most)
        self._report.took("coql")
        return True

    def by_job(
        self, since: datetime | None, resume: BulkCheckpoint | None
    ) -> Generator[Checkpoint, None, datetime | None]:
        """Yield the same rows by Bulk Read. Returns the instant from which changes must still be read.

        Returns None if another route must read everything.
        """
        started = BulkStart(since, self.before.changed if self.before else None, resume)
        load = BulkLoad(self._module, self._checkpoints, self._rows, self._fields.plan, started)
        reached = yield from load.run()
        self.can_bulk = self.can_bulk and reached is not None
        return reached

    def by_ids(self, ids: list[str], impossible: Sequence[Row] = ()) -> Iterator[Checkpoint]:
        """Yield these few records, in a checkpoint at the end of the window.

        `impossible`: listed rows with an id that no record can have. They are only rejected: no call can ask for them.
        """
        tables: Tables = {}
        if new := [row for row in impossible if not self._checkpoints.was_rejected(row)]:
            self._rows.convert(new, self._module.window.now(), tables)
        if ids:
            plan, read_at = self._fields.ensure_for(ids), self._module.window.now()
            rows = list(by_id.fetch(self._client, self._spec.module, plan, ids).values())
            if rows:
                self._rows.convert(self._rows.wanted(Batch(rows, None, read_at)), read_at, tables)
        yield self._checkpoints.at(tables, self._module.window.hi)

    def refuse_queries(self, refused: Permanent) -> None:
        """Remember that Zoho refused a query: this sync sends no further query for the module."""
        self.can_query = False
        self._tell(_key(refused), f"queries refused: {refused}")

    def totals(self) -> Totals | None:
        """Count and latest change at Zoho. None if the module cannot be queried, or has no list of deletions."""
        if not self.can_query or not self._spec.has_deletions:
            return None
        try:
            found = self.ask_totals()
        except coql_route.REFUSALS as refused:
            self.refuse_queries(refused)
            return None
        self.there = self.before = found
        self._checkpoints.zoho_was_at(found.asked_at)
        return found

    def ask_totals(self) -> Totals:
        """As `totals`. Raises REFUSALS if Zoho refuses the query.

        A module without Created_Time, or one that hides it from the connected user, is counted as a whole. Then a
        record that was made since the end of the window counts too, and the comparison finds and loads it.
        """
        client, module = self._client, self._spec.module
        if not self._checkpoints.state.shows_creation and not self._module.full:
            return change_probe.totals(client, module, None)
        try:
            return change_probe.totals(client, module, self._module.window.hi)
        except InvalidRequest as refused:
            if not change_probe.shows_no_creation(refused):
                raise
        found = change_probe.totals(client, module, None)
        self._tell(change_probe.CREATED, f"{module} shows no Created_Time to the connected user: counted without it")
        return found

    def count(self, since: datetime | None) -> int | None:
        """The number of records changed since an instant (None: all records). None if this cannot be queried."""
        if not self.can_query:
            return None
        if since is None and self._spec.has_deletions:
            found = self.totals()
            self.there = None  # the rows are read later, and those deleted until then are not among them
            return found.count if found else None
        try:
            return coql_route.count_changes(self._client, self._spec.module, since)
        except coql_route.REFUSALS as refused:
            self.refuse_queries(refused)
            return None

    def _tell(self, refused: str, words: str) -> None:
        """Note what an org lacks, once. A person who asks for a full sync is told again."""
        known = self._checkpoints.state.refused or ()
        if refused in known and not self._module.full:
            return
        self._report.note(words)
        self._checkpoints.state = replace(self._checkpoints.state, refused=tuple(dict.fromkeys([*known, refused])))

    def _begin_or_wait(self, rows: int | None, route: route_choice.Route) -> None:
        """Wait until the window is settled, or begin at once if the read takes longer than that.

        Few rows wait: they are read quickly, and they would be read twice otherwise. So does a long tail. A module that
        no query has counted waits too. A restore or a conversion may leave Modified_Time as it was. If it becomes
        visible after the reading, only a later query shows it.
        """
        window = self._module.window
        if window.settled:
            return
        if rows is not None and rows <= self._module.limits.list_rows:
            window.settle()
            return
        self._rows.tail_from = early = self._final_below()
        if early is None or not self._is_short(early):
            self._wait()
        elif route != "records":  # lists go back by themselves
            self._checkpoints.early = early

    def _final_below(self) -> datetime | None:
        """The instant below which a read that begins now shows everything. None: nothing is known.

        A conversion may leave Modified_Time as it is, so the newest conversion counts too.
        """
        if self.before is None or self.before.changed is None:
            return None
        return self._module.window.final_below(max(filter(None, (self.before.changed, self.before.converted))))

    def _is_short(self, tail: datetime) -> bool:
        """Whether one query can list the rows from this instant on."""
        rows = self.count(tail)
        return rows is not None and rows <= MOST_TAIL_ROWS

    def _wait(self) -> None:
        """Let the window settle. What is read from now on is not early.

        One more query shows Zoho's clock: without it, the next sync would read the last seconds again.
        """
        if self.early is None and self._module.window.settled:
            return
        self._module.window.settle()
        self._checkpoints.early = self._rows.tail_from = None
        if self.before is not None:
            self.count(None)

    def _since_job(self, reached: datetime) -> Iterator[Checkpoint]:
        """Yield what was changed since a job that waited for its window, or that an earlier sync left."""
        self._module.window.settle()
        if not self._nothing_since(reached):
            yield from self.by_lists(reached)

    def _nothing_since(self, since: datetime) -> bool:
        """Whether one query shows that nothing was changed or converted since an instant."""
        if since < self._module.window.hi:
            return False
        there = self.totals()
        if there is None:
            return False
        return there.changed is not None and there.changed < since and (there.converted or there.changed) < since

    def _look_at_one_record(self) -> None:
        """Without metadata, one record shows which fields exist. Lists look by themselves; queries and jobs do not."""
        if self._fields.complete or not self.can_query:
            return
        try:
            rows = coql.ids(self._client, self._spec.module, limit=coql_route.LISTED_ROWS).rows
        except coql_route.REFUSALS as refused:
            self.refuse_queries(refused)
            return
        self._fields.widen(row["id"] for row in rows)

    def _options(self, rows: int | None, bulk: bool) -> route_choice.RouteOptions:
        module, plan = self._spec.module, self._fields.plan
        return route_choice.RouteOptions(
            rows=rows,
            slices=len(plan.slices),
            coql=self.can_query and self._spec.reshape is None and coql_route.can_give_rows(module, plan),
            bulk=bulk and self.can_bulk and self.can_query and module not in UNSUPPORTED_MODULES,
            query_rows=self._query_rows(),
        )

    def _query_rows(self) -> int:
        """The largest page of a query that the org has accepted so far."""
        return self._checkpoints.state.query_rows or self._client.pacing.query_rows

    def _list_batches(self, since: datetime | None) -> Iterator[Batch]:
        """Yield the batches of lists. Without metadata, the first changed record shows which other fields exist."""
        looked = self._fields.complete
        reader = self._list_reader()
        for batch in reader.read(since):
            wider = None if looked else self._fields.widen(row["id"] for row in batch.rows if self._rows.is_change(row))
            if wider:
                break
            looked = looked or wider is not None
            self._remember(reader)
            yield batch
        else:
            return
        reader = self._list_reader()
        for batch in reader.read(since):
            self._remember(reader)
            yield batch

    def _list_reader(self) -> KeysetReader:
        place = (self._client, self._spec.module, self._fields.plan, self._module.window)
        return KeysetReader(*place, inclusive=self._checkpoints.state.inclusive)

    def _remember(self, reader: KeysetReader) -> None:
        self._checkpoints.zoho_was_at(reader.zoho_at)
        if reader.inclusive:
            self._checkpoints.state = replace(self._checkpoints.state, inclusive=True)


def _key(refused: Permanent) -> str:
    """The same text for the same refusal: a message may have times of the query."""
    if not isinstance(refused, InvalidRequest):
        return type(refused).__name__
    column = refused.details.get("column_name") or refused.details.get("column") or ""
    return f"{refused.code} {str(column)[:60]}".strip()

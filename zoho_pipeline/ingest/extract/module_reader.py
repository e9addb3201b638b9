"""Reads one module in one sync: deletions → probe → route → rows. It runs in a thread and calls only Zoho."""

from collections.abc import Generator, Iterator
from dataclasses import replace
from datetime import datetime

from zoho_pipeline.ingest.extract import watermarks
from zoho_pipeline.ingest.extract.checkpoints import Checkpoint, Checkpoints
from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.ingest.extract.route_runner import RouteRunner
from zoho_pipeline.ingest.extract.row_filter import RowFilter
from zoho_pipeline.ingest.extract.schema_drift import ModuleFields
from zoho_pipeline.ingest.extract.state import ModuleState
from zoho_pipeline.ingest.routes import change_probe, coql_route, deletions
from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.deletions import Deletions
from zoho_pipeline.ingest.routes.window import EVER, modified
from zoho_pipeline.zoho.errors import InvalidRequest, ModuleMissing, NoPermission, NotSupported


class ModuleReader:
    """Reads one module. Its attributes have the other results at the end.

    Attributes:
        module: the context of its parts. `spec`, `client`, `report` and `baseline` come from it.
        checkpoints, rows, fields, routes: its parts.
        unchanged: one query showed that nothing has changed.
        began_at: the cursor that the last sync left; None: there was none.
    """

    def __init__(self, module: ModuleContext, state: ModuleState, *, can_query: bool, can_bulk: bool) -> None:
        self.module = module
        self.spec, self.client, self.report, self.baseline = module.spec, module.client, module.report, module.baseline
        self.rows = RowFilter(module)
        self.checkpoints = Checkpoints(module, state, self.rows)
        self.fields = ModuleFields(module, self.checkpoints, can_query=can_query)
        self.routes = RouteRunner(
            module, self.checkpoints, self.rows, self.fields, can_query=can_query, can_bulk=can_bulk
        )
        self.unchanged = False
        self.began_at = state.cursor

    @property
    def state(self) -> ModuleState:
        """The state after the last checkpoint."""
        return self.checkpoints.state

    @property
    def deletions(self) -> Deletions | None:
        """The list of deletions. None before it was read, and if it cannot be read."""
        return self.rows.deletions

    def read(self) -> Iterator[Checkpoint]:
        """Yield every new or changed row, in checkpoints. After each checkpoint the cursor is true.

        Raises:
            ZohoError: the checkpoints yielded before stay valid, and the cursor is that of the last one.
        """
        if self.spec.is_chosen and self.state.absent:
            self.fields.ensure()  # mostly the org still lacks it, which this one call shows
            self.report.note(f"module {self.spec.module} is there now")
            self.checkpoints.state = replace(self.state, absent=False)
        since = None if self.module.full else self.baseline.since
        hi = self.module.window.hi
        self.report.window_start, self.report.window_end = since, hi
        # stored with the first checkpoint, so that a resumed first load also reads what was deleted since its start
        self.checkpoints.state = replace(
            self.checkpoints.state, deleted_cursor=self.state.deleted_cursor or hi, table=self.spec.table.name
        )
        if since is None:
            yield from self._everything()
        else:
            self.module.window.settle()
            yield from self._changes(since)

    def reread(self) -> Iterator[Checkpoint]:
        """Yield every row again, without the cursor, by another route than those that left a difference."""
        self.fields.ensure()
        self.checkpoints.state = replace(self.state, bulk=None)
        taken = self.report.route.split("+")
        if "coql" in taken:
            yield from self.routes.by_lists(None)
        else:
            rows = self.routes.count(None)
            yield from self.routes.by_cheapest(None, rows, "too many differ", bulk="bulk" not in taken)

    def deletions_watermark(self) -> datetime | None:
        """The watermark of the list of deletions. It is true once the deletions of this sync are loaded."""
        found = self.deletions
        if found is None or not found.whole:
            return None
        proved = self.baseline.proved if self.baseline.since is not None else self.state.proved
        return watermarks.deleted_from(self.state, found.listed, proved)

    def _everything(self) -> Iterator[Checkpoint]:
        why = "everything, as asked" if self.module.full else "first load"
        why = "a field is new or back" if self.state.again else why
        self.fields.ensure()
        left, proved = None if self.module.full else self.state.bulk, self.state.proved
        yield from self.routes.by_cheapest(None, self.routes.count(None), why)
        if (early := self.routes.early) is not None:
            yield from self._tail(early)
        elif left is not None:  # its files do not show what was converted since then
            yield from self._conversions(min(left.end, left.proved or proved or EVER), self.routes.totals())
        self.read_deletions()  # after the rows, to find what was deleted while they were read
        if self.routes.there is None:
            self.routes.totals()  # for the comparison at the end, which would ask one module after another
        if self.state.again:
            self.checkpoints.state = replace(self.state, again=False)
            yield Checkpoint(self.spec.module, {}, self.state)

    def _tail(self, early: datetime) -> Iterator[Checkpoint]:
        """Read what an early reading could not show yet, once the window is settled.

        The whole tail is read again, also the versions that were read before. Both edits of one second have the same
        Modified_Time, and under a wrong `Date` it is unknown whether that second was over.
        """
        self.module.window.settle()
        there = self.routes.totals()
        if self.checkpoints.early is not None:
            self.checkpoints.early = None
            if self.routes.can_query:
                yield from self._rows_since(early, tail=True)
        asked = yield from self._conversions(early, there)
        if not asked or not self.routes.can_query:
            self.report.note("everything was read again, because a query was refused in the middle")
            yield from self.routes.by_lists(None)

    def _changes(self, since: datetime) -> Iterator[Checkpoint]:
        """Read the deletions, then one query that shows whether anything has changed, then the changes."""
        self.read_deletions()
        there = self.routes.totals()
        if there is not None and self._is_unchanged(there):
            if self.baseline.unsettled is None:
                yield self._nothing()
                return
            since = self.baseline.unsettled
        if self.baseline.too_many:
            most = self.module.limits.most_unsettled
            self.report.note(f"more than {most} records of the newest second are not read again")
        yield from self._rows_since(since)
        yield from self._conversions(since, there)

    def _nothing(self) -> Checkpoint:
        self.unchanged = True
        self.report.took("unchanged")
        self.report.route_reason = "count and latest change are those of the last sync"
        if self.fields.due:
            self.fields.ensure()
        return self.checkpoints.at({}, self.module.window.hi)

    def _rows_since(self, since: datetime, *, tail: bool = False) -> Iterator[Checkpoint]:
        """Read what changed since an instant: a few records by their ids, many by the cheapest route.

        `tail`: also the records whose version is stored.
        """
        if not self.routes.can_query:
            self.fields.ensure()
            self.report.route_reason = "changes since the last sync"
            yield from self.routes.by_lists(since)
            return
        try:
            created = "Created_Time" in self.spec.table.api_fields and self.state.shows_creation
            listed = coql_route.list_changes(self.client, self.spec.module, since, self.module.window, created=created)
        except coql_route.REFUSALS as refused:
            self.routes.refuse_queries(refused)
            yield from self._rows_since(since)
            return
        self.checkpoints.zoho_was_at(listed.read_at)
        if listed.whole:
            # A row with an impossible id counts too. As the newest record it would cost one credit more in every sync.
            stamps = map(modified, (*listed.rows, *listed.impossible))
            self.checkpoints.state = watermarks.with_proof(self.state, stamps)
            if tail:
                ids = [row["id"] for row in listed.rows if not self.rows.born_later(row)]
                yield from self.routes.by_ids(ids, listed.impossible)
                return
            self.report.took("coql")
            self.report.route_reason = "few changes: listed by one query, read by id"
            yield from self.routes.by_ids(self.rows.must_read(listed.rows), listed.impossible)
            return
        self.fields.ensure()
        yield from self.routes.by_cheapest(since, self.routes.count(since), "changes since the last sync")

    def _conversions(self, since: datetime, there: Totals | None) -> Generator[Checkpoint, None, bool]:
        """Read leads that were converted in the window without a new Modified_Time: no list of changes shows them.

        Returns False if Zoho refused the query. `there`: the totals at Zoho, which show whether there are any. None:
        unknown.
        """
        if self.spec.module != "Leads" or not self.routes.can_query:
            return True
        if there is not None and there.changed is not None and (there.converted is None or there.converted < since):
            return True
        try:
            ids = change_probe.converted_since(self.client, since) - self.rows.converted_ids
        except change_probe.QUERY_REFUSED as error:
            self.report.note(f"conversions cannot be queried: {error}")
            return False
        if ids := ids - self.baseline.converted:
            self.fields.ensure()
            yield from self.routes.by_ids(sorted(ids))
        return True

    def _is_unchanged(self, there: Totals) -> bool:
        """Whether one query shows the same totals as the warehouse, and no deletion or restore is new."""
        found = self.deletions
        if self.state.bulk is not None:  # the files that are not loaded yet may have older changes than the newest one
            return False
        if found is None or found.restored or not found.whole:
            return False
        known, strangers = self.baseline.deletions, self.state.strangers
        news = (id_ for id_, row in found.listed.items() if deletions.is_news(row, known.get(id_)))
        if any(not deletions.is_stranger(id_, found.listed[id_], strangers) for id_ in news):
            return False
        here, proved = self.baseline.totals, self.baseline.proved
        if here is None or there.count == here.count == 0:
            return here is not None
        # If the newest record was read out of order, an older change may be missing: an edit between two bulk files was
        # not found while Zoho's clock was 60 seconds ahead.
        in_order = there.changed is not None and (proved is None or there.changed <= proved)
        return (
            in_order
            and there.converted == here.converted
            and not change_probe.difference(there, here, self.module.window.hi, self.state.compared)
        )

    def read_deletions(self) -> None:
        """Read the list of deletions, where the module has one. A refusal is noted in the report."""
        if not self.spec.has_deletions:
            return
        hi, known = self.module.window.hi, self.baseline.deletions
        cursor = watermarks.deletions_since(self.state, self.baseline.proved, hi)
        try:
            # without queries, no count shows a restore: only the whole list does
            strangers = self.state.strangers if self.routes.can_query else None
            since = deletions.since_of(cursor, known, hi, strangers)
            found = deletions.read(self.client, self.spec.module, since, known)
        except (NotSupported, NoPermission, ModuleMissing, InvalidRequest) as error:
            self.report.note(f"deletions of {self.spec.module} cannot be read: {error}")
            return
        self.rows.deletions = found
        self.checkpoints.zoho_at = found.asked_at
        if not found.whole:
            self.report.note("Zoho does not show all deletions at once: run `zoho-pipeline reconcile`")

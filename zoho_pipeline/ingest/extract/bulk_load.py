"""Bulk Read as a part of a sync: batches of its files → checkpoints at which the sync resumes after a crash."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.convert.csv_to_arrow import csv_to_arrow
from zoho_pipeline.ingest.extract.checkpoints import Checkpoint, Checkpoints
from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.ingest.extract.row_filter import RowFilter, Tables
from zoho_pipeline.ingest.extract.watermarks import with_proof
from zoho_pipeline.ingest.routes.bulk_route import BulkCheckpoint, BulkReader
from zoho_pipeline.ingest.routes.coql_route import count_changes
from zoho_pipeline.ingest.routes.window import EVER
from zoho_pipeline.zoho.errors import BadAnswer, CreditsExhausted, JobFailed, Permanent, ServerFault


@dataclass(frozen=True)
class BulkStart:
    """Where a load by jobs begins.

    Attributes:
        since: it reads the rows that were changed since this instant. None: all rows.
        changed_before: the latest Modified_Time at Zoho before the first job. None: no query has shown it.
        resume: the place at which an earlier sync left its job.
    """

    since: datetime | None
    changed_before: datetime | None
    resume: BulkCheckpoint | None


class BulkLoad:
    """Reads by jobs the rows of a module that were changed since an instant (None: all rows)."""

    def __init__(
        self,
        module: ModuleContext,
        checkpoints: Checkpoints,
        rows: RowFilter,
        plan: FieldPlan,
        started: BulkStart,
    ) -> None:
        self._module, self._checkpoints, self._rows, self._plan = module, checkpoints, rows, plan
        self._since, self._resume, self._changed_before = started.since, started.resume, started.changed_before
        self._below, self._newest = 0, list[datetime | None]()
        self._is_counted = self._since is not None or not module.baseline.empty
        self._ids: list[pa.Array] = []

    def run(self) -> Generator[Checkpoint, None, datetime | None]:
        """Read all files. Returns the instant from which changes must still be read.

        Returns None if Zoho refused a job, or its file cannot be used; then another route must read everything. The
        job is not resumed by a later sync.
        """
        module, report = self._module, self._module.report
        place = (module.client, module.spec.module, self._plan, module.window, module.limits, module.work)
        reader = BulkReader(*place, self._resume, since=self._since, final=self._checkpoints.early)
        try:
            for texts, done in reader.read():
                yield self._checkpoint(texts, done, first=reader.first and not reader.resumed)
            assert reader.checkpoint is not None
            done = self._counted(reader.checkpoint)
            self._compare_count(done)
        except CreditsExhausted:
            raise
        except (Permanent, BadAnswer, ServerFault) as error:
            # also if only one field has no column in bulk: without the field, its values would always be missing
            report.note(f"bulk refused: {error}")
            self._checkpoints.state = replace(self._checkpoints.state, bulk=None)
            return None
        report.took("bulk")
        hi, state = min(done.end, module.window.hi), with_proof(self._checkpoints.state, [done.proved])
        if reader.resumed:
            # its end is from the clock of another sync: nothing is missing below the watermark of that sync
            hi = min(hi, state.proved or EVER)
        self._checkpoints.state = replace(state, bulk=None, cursor=hi, final_to=min(hi, self._checkpoints.final_to()))
        yield Checkpoint(module.spec.module, {}, self._checkpoints.state)
        return hi

    def _checkpoint(self, texts: pa.Table, done: BulkCheckpoint, *, first: bool) -> Checkpoint:
        module, table = self._module, self._module.spec.table
        converted = csv_to_arrow(table, texts, self._plan.types, channel_id=module.channel_id, synced_at=done.read_at)
        created, changed = (converted.table[name] for name in ("created_time", "modified_time"))
        end, final = pa.scalar(done.hi, created.type), pa.scalar(done.end, created.type)
        # as `RowFilter.born_later`: what was changed before the end counts, whenever it says that it was created
        kept = pc.or_(pc.fill_null(pc.less(created, end), True), pc.fill_null(pc.less(changed, end), False))
        rows = converted.table.filter(kept)
        tables: Tables = {table.name: [rows]}
        self._rows.reject(converted.rejected, done.read_at, tables)
        self._rows.count(rows.num_rows)
        if self._rows.tail_from is not None:
            late = rows.filter(pc.greater_equal(rows["modified_time"], pa.scalar(self._rows.tail_from, created.type)))
            self._rows.note_tail(dict(zip(late["id"].to_pylist(), late["modified_time"].to_pylist(), strict=True)))
        self._rows.note_created(pc.max(created).as_py())
        # Also where it is not asked below: a sync that resumes this one will ask.
        # A Modified_Time that is no time counts as below: the other values of the record are good.
        below = converted.table["id"].filter(pc.fill_null(pc.less(changed, final), True))
        self._ids += below.chunks if self._is_counted else []
        self._below += len(below)
        if first:
            # Without the query's answer, a first load of five files read four of them again at the next change.
            self._newest += [pc.max(changed).as_py(), self._changed_before]
        self._checkpoints.state = replace(self._checkpoints.state, bare_names=True, bulk=self._counted(done))
        return Checkpoint(module.spec.module, tables, self._checkpoints.state)

    def _counted(self, done: BulkCheckpoint) -> BulkCheckpoint:
        """The checkpoint of the reader, whose counts are those of the sync that it resumes, with those of this sync.

        The watermark of a job that did not wait for its window moves to the instant below which its files are final.
        """
        shown = [at for at in (done.proved, *self._newest) if at is not None]
        proved = min([max(shown), *([done.final] if done.final else [])]) if shown else None
        below = None if done.below is None else done.below + self._below
        return replace(done, below=below, proved=proved)

    def _compare_count(self, done: BulkCheckpoint) -> None:
        """Raise JobFailed if Zoho counts more records changed before the end of the job than the files have.

        The count of the job may be as wrong as its file. An edit or a deletion can remove a record from Zoho's count,
        but nothing can add one. For an empty table this query is not needed: there the count of all rows, which is
        compared at the end, shows the same.
        """
        if done.below is None or not self._is_counted:
            return
        twice = sum(map(len, self._ids)) - pc.count_distinct(pa.chunked_array(self._ids, pa.string())).as_py()
        held = done.below - twice
        there = count_changes(self._module.client, self._module.spec.module, self._since, done.end)
        if there > held:
            raise JobFailed(f"{there} records were changed before {done.end.isoformat()}, and the files hold {held}.")

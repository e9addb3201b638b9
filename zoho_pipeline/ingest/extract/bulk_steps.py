"""Bulk Read as a part of a sync: batches of its file → steps that a crash resumes."""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.convert.csv_to_arrow import csv_to_arrow
from zoho_pipeline.ingest.extract.step import ModuleState, Step
from zoho_pipeline.ingest.extract.watermarks import EVER, with_proof
from zoho_pipeline.ingest.routes.bulk_route import BulkReader, Progress
from zoho_pipeline.ingest.routes.coql_route import count_changes
from zoho_pipeline.ingest.routes.window import SKEW, parse
from zoho_pipeline.zoho.errors import CreditsExhausted, JobFailed, Permanent

if TYPE_CHECKING:
    from zoho_pipeline.ingest.extract.extraction import Extraction


class BulkLoad:
    """Reads the rows of a module changed since an instant (None: all) by jobs."""

    def __init__(self, extraction: "Extraction", since: datetime | None, resume: Progress | None) -> None:
        self._extraction, self._since, self._resume = extraction, since, resume
        self._below = resume.below if resume else 0
        self._is_counted = since is not None or not extraction.before.empty
        self._ids: list[pa.Array] = []

    def run(self) -> Generator[Step, None, datetime | None]:
        """From when on changes are still to be read; None where Zoho refused and nothing can be relied on."""
        own = self._extraction
        reader = BulkReader(
            own.client, own.target.module, own.plan, own.window, own.limits, self._resume, since=self._since
        )
        try:
            for texts, progress in reader.read():
                yield self._step(texts, progress, first=reader.first and not reader.resumed)
            assert reader.progress is not None
            self._compare_count(reader.progress)
        except CreditsExhausted:
            raise
        except Permanent as error:
            # also where a single field has no column in bulk: left out, its values would be missing for good
            own.report.note(f"bulk refused: {error}")
            own.report.took("bulk")
            own.state = _without_job(own.state)
            return None
        own.report.took("bulk")
        hi = min(reader.progress.hi, own.window.hi)
        if reader.resumed:  # its end is of another run's clock: below what that run read nothing can be missing
            hi = min(hi, parse(own.state.get("proved")) or EVER)
        final = {"final_to": min(hi, own._final_to()).isoformat()}
        own.state = _without_job(own.state) | {"cursor": hi.isoformat(), **final}
        yield Step(own.target.module, {}, own.state)
        return hi

    def _step(self, texts: pa.Table, progress: Progress, *, first: bool) -> Step:
        own = self._extraction
        table = own.target.table
        converted = csv_to_arrow(table, texts, own.plan.types, channel_id=own.channel_id, synced_at=progress.read_at)
        created, changed = (converted.table[name] for name in ("created_time", "modified_time"))
        end = pa.scalar(progress.hi, created.type)
        rows = converted.table.filter(pc.fill_null(pc.less(created, end), True))
        tables = {table.name: [rows]}
        own.intake.reject(converted.rejected, progress.read_at, tables)
        own.report.rows += rows.num_rows
        own.advance(rows.num_rows)
        latest = pc.max(created).as_py()
        if latest is not None and latest > own.window.clock() + SKEW:
            own.intake.after_clock = max(latest, own.intake.after_clock or latest)
        if self._is_counted and self._below is not None:
            below = converted.table["id"].filter(pc.fill_null(pc.less(changed, end), False))
            self._ids += below.chunks
            self._below += len(below)
        own.state = {**own.state, "bare_names": True, "bulk": replace(progress, below=self._below).as_state()}
        if first:
            own.state = with_proof(own.state, [pc.max(changed).as_py()])
        return Step(own.target.module, tables, own.state)

    def _compare_count(self, progress: Progress) -> None:
        """JobFailed where Zoho counts more records changed before the window's end than the files held.

        The job's own count may be as wrong as its file. What was changed before the end can leave this count, by an
        edit or a deletion, and not join it. Into an empty table it is not asked: there the count of all rows, which
        is compared in the end, shows the same.
        """
        own = self._extraction
        if self._below is None or not self._is_counted:
            return
        twice = sum(map(len, self._ids)) - pc.count_distinct(pa.chunked_array(self._ids, pa.string())).as_py()
        there = count_changes(own.client, own.target.module, self._since, progress.hi)
        if there > self._below - twice:
            raise JobFailed(
                f"{there} records were changed before the end of this sync, and the files hold {self._below - twice}."
            )


def _without_job(state: ModuleState) -> ModuleState:
    return {key: value for key, value in state.items() if key != "bulk"}

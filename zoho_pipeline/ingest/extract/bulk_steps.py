"""Bulk Read as a part of a sync: batches of its file → steps that a crash resumes."""

from collections.abc import Generator
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.convert.csv_to_arrow import csv_to_arrow
from zoho_pipeline.ingest.extract.step import ModuleState, Step
from zoho_pipeline.ingest.routes.bulk_route import BulkReader, Progress
from zoho_pipeline.zoho.errors import CreditsExhausted, Permanent

if TYPE_CHECKING:
    from zoho_pipeline.ingest.extract.extraction import Extraction


class BulkLoad:
    """Reads the rows of a module changed since an instant (None: all) by jobs."""

    def __init__(self, extraction: "Extraction", since: datetime | None, resume: Progress | None) -> None:
        self._extraction, self._since, self._resume = extraction, since, resume

    def run(self) -> Generator[Step, None, datetime | None]:
        """From when on changes are still to be read; None where Zoho refused and nothing can be relied on."""
        own = self._extraction
        reader = BulkReader(own.client, own.target.module, own.plan, own.window, self._resume, since=self._since)
        try:
            for texts, progress in reader.read():
                yield self._step(texts, progress)
        except CreditsExhausted:
            raise
        except Permanent as error:
            # also where a single field has no column in bulk: left out, its values would be missing for good
            own.report.note(f"bulk refused: {error}")
            own.state = _without_job(own.state)
            return None
        assert reader.progress is not None
        own.report.took("bulk")
        hi = reader.progress.hi
        final = {"final_to": min(hi, own._final_to()).isoformat()}
        own.state = _without_job(own.state) | {"cursor": hi.isoformat(), **final}
        yield Step(own.target.module, {}, own.state)
        return hi

    def _step(self, texts: pa.Table, progress: Progress) -> Step:
        own = self._extraction
        table = own.target.table
        converted = csv_to_arrow(table, texts, own.plan.types, channel_id=own.channel_id, synced_at=progress.read_at)
        created = converted.table["created_time"]
        rows = converted.table.filter(pc.fill_null(pc.less(created, pa.scalar(progress.hi, created.type)), True))
        tables = {table.name: [rows]}
        own.intake.reject(converted.rejected, progress.read_at, tables)
        own.report.rows += rows.num_rows
        own.advance(rows.num_rows)
        own.state = {**own.state, "bare_names": True, "bulk": progress.as_state()}
        return Step(own.target.module, tables, own.state)


def _without_job(state: ModuleState) -> ModuleState:
    return {key: value for key, value in state.items() if key != "bulk"}

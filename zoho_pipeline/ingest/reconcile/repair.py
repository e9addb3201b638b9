"""After the steps are in: does the count of live records agree, and if not, which records differ?"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.extract.step import Gathered
from zoho_pipeline.ingest.raw.queries import known_deletions, live_totals
from zoho_pipeline.ingest.reconcile import diff
from zoho_pipeline.ingest.routes import by_id, change_probe
from zoho_pipeline.ingest.routes.deletions import read as read_deletions
from zoho_pipeline.ingest.routes.deletions import since_of
from zoho_pipeline.zoho.errors import Permanent

if TYPE_CHECKING:
    from zoho_pipeline.ingest.extract.extraction import Extraction
    from zoho_pipeline.ingest.sync.run import Run

log = logging.getLogger(__name__)

_VERSION = FieldPlan(("Modified_Time",))
MOST_REPAIRS = 5_000
"""Records fetched one by one hundred; beyond it reading the whole module again is cheaper."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison of one module found and repaired."""

    module: str
    route: str
    source_rows: int
    warehouse_rows: int
    added: int
    updated: int
    removed: int


def check_counts(run: "Run") -> None:
    """Compare counts of every module that was read to its end, and repair those that differ.

    `run.reconcile` compares ids at once, whatever the counts say.
    """
    for module, extraction in run.extractions.items():
        report = run.reports[module]
        if report.outcome != "complete" or not extraction.target.has_deletions:
            continue
        if extraction.unchanged and not run.reconcile:
            continue
        try:
            if run.reconcile or _counts_differ(run, extraction):
                run.comparisons[module] = repair(run, extraction)
        except Permanent as error:
            report.note(f"not compared with Zoho: {error}")
        finally:
            report.credits, report.requests = extraction.client.meter.credits, extraction.client.meter.requests


def _counts_differ(run: "Run", extraction: "Extraction") -> bool:
    if not extraction.can_query:
        return False
    try:
        there = extraction.counted
        if there is None:
            there = change_probe.count_only(extraction.client, extraction.target.module, run.window.hi)
    except Permanent as error:
        log.debug("channel %s: %s cannot be counted: %s", run.channel.id, extraction.target.module, error)
        return False
    with run.warehouse.connect() as connection:
        target = extraction.target
        here = live_totals(connection, target.table, target.module, run.channel.id, run.window.hi).count
    if there == here:
        return False
    extraction.report.note(f"{there} live records at Zoho, {here} here: compared id by id")
    return True


def repair(run: "Run", extraction: "Extraction") -> Comparison:
    """Compare ids and versions of one module, fetch what is missing or stale, mark what is gone."""
    target, client = extraction.target, extraction.client
    route, source = diff.source_versions(client, target.module, run.window, by_query=extraction.can_query)
    with run.warehouse.connect() as connection:
        stored = diff.stored_versions(connection, target.table, target.module, run.channel.id, run.window.hi)
        known = known_deletions(connection, run.channel.id, target.module)
    found = diff.difference(route, source, stored, run.window.hi)
    extraction.report.took(f"compare-{route}")
    wanted = found.unknown | found.stale
    gone = _really_gone(extraction, found.vanished)
    gathered, rows = Gathered(), dict[str, Any]()
    if len(wanted) > MOST_REPAIRS:
        gathered = _read_all_again(run, extraction)
        rows = dict.fromkeys(wanted)
    else:
        rows = by_id.fetch(client, target.module, extraction.plan, wanted)
        extraction.report.rows += len(rows)
    _put_rows(run, extraction, [row for row in rows.values() if row], gathered)
    now = run.window.now()
    from zoho_pipeline.ingest.load.commit import load, restored_rows

    with run.warehouse.connect() as connection:
        back = dict.fromkeys(rows.keys() & known.keys(), now)
        deleted = restored_rows(connection, run.channel.id, target.module, back)
    deleted += _vanished_rows(run, extraction, gone, now)
    if deleted:
        gathered.put({DELETED_RECORDS.name: [of_values(DELETED_RECORDS, deleted)]})
    if gathered.rows or gathered.states:
        load(run, gathered)
    extraction.report.deleted_rows += len(gone)
    updated = len(found.stale & rows.keys())
    return Comparison(
        target.module, route, found.source_rows, found.stored_rows, len(rows) - updated, updated, len(gone)
    )


def _read_all_again(run: "Run", extraction: "Extraction") -> Gathered:
    """Every row in loads of the usual size; what the last of them leaves over."""
    from zoho_pipeline.ingest.load.commit import load

    gathered = Gathered()
    for step in extraction.reread():
        gathered.add(step)
        if gathered.is_full:
            load(run, gathered)
            gathered = Gathered()
    return gathered


def _really_gone(extraction: "Extraction", vanished: set[str]) -> set[str]:
    """Those of the vanished that a call by id does not show either: a query may hide what a list shows."""
    if not vanished:
        return set()
    return vanished - by_id.fetch(extraction.client, extraction.target.module, _VERSION, vanished).keys()


def _put_rows(run: "Run", extraction: "Extraction", rows: list[Any], gathered: Gathered) -> None:
    if not rows:
        return
    now = run.window.now()
    tables: dict[str, list[pa.Table]] = {}
    converted = extraction.target.convert(rows, run.channel.id, now)
    extraction.intake.reject(converted.rejected, now, tables)
    gathered.put({extraction.target.table.name: [converted.table], **tables})


def _vanished_rows(run: "Run", extraction: "Extraction", gone: set[str], now: datetime) -> list[dict[str, Any]]:
    """Rows of `deleted_records` for what is gone: as Zoho's list of deletions has it, else `vanished`."""
    if not gone:
        return []
    module = extraction.target.module
    listed = read_deletions(extraction.client, module, since_of(now, {}, now), {}).listed
    rows = []
    for id_ in sorted(gone):
        entry = listed.get(id_)
        at = datetime.fromisoformat(entry["deleted_time"]) if entry else now
        rows.append(
            {
                "channel_id": run.channel.id,
                "module": module,
                "id": id_,
                "deleted_time": at,
                "deletion_type": entry.get("type") if entry else "vanished",
                "restored_at": None,
                "synced_at": now,
            }
        )
    return rows

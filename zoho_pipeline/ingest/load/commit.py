"""The end of a sync: steps into the warehouse, deletions against what it holds, and the account of the run."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from zoho_pipeline.channels.errors import LockLost
from zoho_pipeline.channels.registry.model import ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.field_map import discover
from zoho_pipeline.ingest.catalog.tables import BY_NAME, DELETED_RECORDS, SYNC_RUNS, USERS
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.extract.extraction import Extraction
from zoho_pipeline.ingest.extract.step import Gathered, ModuleState, newest_by_key
from zoho_pipeline.ingest.load.channel_tables import publish_channel
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.inferred_history import OBSERVATIONS, observe
from zoho_pipeline.ingest.raw.lookup_names import fill_names, fill_user_names, marked
from zoho_pipeline.ingest.raw.queries import held
from zoho_pipeline.ingest.raw.small_tables import insert_rows, replace_rows
from zoho_pipeline.ingest.report import ModuleReport, Outcome, SyncReport
from zoho_pipeline.ingest.routes import by_id, deletions
from zoho_pipeline.ingest.routes.reference_tables import read_users
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.warehouse import RAW_SCHEMA, Connection, Warehouse
from zoho_pipeline.zoho.errors import CreditsExhausted, ZohoError

log = logging.getLogger(__name__)


def load(run: SyncContext, gathered: Gathered) -> None:
    """One dlt run: the gathered rows, what they show of history, and the cursors that are true with them."""
    tables = {name: newest_by_key(BY_NAME[name], parts) for name, parts in gathered.tables.items() if parts}
    states = {**run.states, **gathered.states}
    known = {e.target.table.name for e in run.extractions.values() if not e.before.empty}
    wanted = [
        seen
        for name, seen in OBSERVATIONS.items()
        if seen.source.name in tables and seen.source.name in known and _is_observed(run, name)
    ]
    if wanted:
        with run.warehouse.connect() as connection:
            for seen in wanted:
                stays = observe(connection, seen, run.channel.id, tables[seen.source.name])
                if stays.num_rows:
                    tables[seen.history.name] = stays
    _name_users(run, tables, gathered)
    if tables or states != run.states:
        new = run.new_rows.among(tables)
        run.loader.load({name: [table] for name, table in tables.items()}, {"modules": states}, new)
        run.states = states
        pa.default_memory_pool().release_unused()  # Arrow keeps freed pages: the peak would creep up load by load


def _name_users(run: SyncContext, tables: dict[str, pa.Table], gathered: Gathered) -> None:
    """Names of users for rows that came with bare ids; where users are still being read, `finish` fills them."""
    if USERS.name not in run.reports and marked(gathered.states) and not run.users_asked:
        run.users_asked = True  # where they are refused, not once for each load: `finish` tries again
        _users_for_names(run, gathered.states)
    users = run.sides[USERS.name].tables[USERS.name] if USERS.name in run.sides else []
    for module, extraction in run.extractions.items() if users else ():
        name, state = extraction.target.table.name, gathered.states.get(module, {})
        if state.get("bare_names") and name in tables:
            tables[name] = fill_user_names(tables[name], BY_NAME[name], users)


def last_load(run: SyncContext, gathered: Gathered) -> None:
    """The last steps with the deletions of every module that was read to its end."""
    ended: dict[str, set[str]] = {}
    with run.warehouse.connect() as connection:
        for module, extraction in run.extractions.items():
            if run.reports[module].outcome != "complete":
                continue
            if extraction.target.has_deletions:
                _add_deletions(run, connection, extraction, gathered)
            else:
                ended[module] = _ended_stays(connection, extraction, gathered)
            state = gathered.states.get(module) or run.states.get(module) or extraction.state
            told = {"deleted_cursor": run.window.hi.isoformat(), "read_at": run.window.now().isoformat()}
            gathered.states[module] = {**state, **told, **extraction.deletions_mark()}
    for module, ids in ended.items():
        _read_again(run, run.extractions[module], ids, gathered)
    load(run, gathered)


def finish(run: SyncContext) -> SyncReport:
    """Write the small tables and the account of the run; raises what made going on impossible."""
    reports = list(run.reports.values())
    finished_at = run.registry.database.now()
    if reports:
        reports[0].tokens = _tokens(run)
    run.lock.ensure_held()
    _record(run.registry, run.channel.id, reports, run.window.hi)
    _users_for_names(run, run.states)
    with run.warehouse.connect(read_only=False) as connection:
        run.lock.ensure_held()
        for side in run.sides.values():
            for name, rows in side.tables.items():
                replace_rows(connection, BY_NAME[name], run.channel.id, rows)
        for extraction in run.extractions.values():
            if run.states.get(extraction.target.module, {}).get("bare_names"):
                fill_names(connection, extraction.target.table, run.channel.id)
        publish_channel(connection, run.registry.get(run.channel.id), _found_fields(run))
        rows = [_run_row(run.channel.id, run.run_id, run.started_at, report, finished_at) for report in reports]
        insert_rows(connection, SYNC_RUNS, rows)
    if run.fatal is not None:
        raise run.fatal
    return SyncReport(run.channel.id, run.run_id, reports, run.started_at)


def account_of_failure(
    registry: Registry,
    warehouse: Warehouse,
    channel_id: str,
    modules: Iterable[str],
    run_id: str,
    started_at: datetime,
    error: PipelineError,
) -> None:
    """The account of a run that came to nothing (revoked, used up, out of reach, not loaded): each module, and why."""
    outcome: Outcome = "stopped" if isinstance(error, CreditsExhausted) else "failed"
    reports = [ModuleReport(module, outcome=outcome, detail=str(error)) for module in modules]
    if not isinstance(error, LockLost):  # else the channel's status is another run's to tell
        _record(registry, channel_id, reports, None)
    with warehouse.connect(read_only=False) as connection:
        if SYNC_RUNS.name in connection.tables(RAW_SCHEMA):  # not before the first run that gets through
            now = registry.database.now()
            rows = [_run_row(channel_id, run_id, started_at, report, now) for report in reports]
            insert_rows(connection, SYNC_RUNS, rows)


def _record(registry: Registry, channel_id: str, reports: Iterable[ModuleReport], hi: datetime | None) -> None:
    registry.record_syncs(
        channel_id,
        [
            ModuleSync(
                report.module,
                hi if report.outcome == "complete" else None,
                report.outcome,
                report.rows,
                report.credits,
                report.detail or None,
                report.route or None,
                not_after=hi,
            )
            for report in reports
        ],
    )


def _users_for_names(run: SyncContext, states: Mapping[str, ModuleState]) -> None:
    """A run over some modules alone reads no users: where rows came without names, it does."""
    if USERS.name in run.sides or not marked(states):
        return
    own = run.client.metered()
    try:
        run.sides[USERS.name] = read_users(own, run.channel, run.window.now())
    except ZohoError as error:
        log.warning("channel %s: users cannot be read, so some names stay empty: %s", run.channel.id, error)
        for module, extraction in run.extractions.items():
            if states.get(module, {}).get("bare_names"):
                extraction.report.note(f"names of users are missing until the next sync: {error}")
    finally:
        run.registry.add_credits(run.channel.id, own.meter.credits)


def _is_observed(run: SyncContext, history: str) -> bool:
    """Whether Zoho has no history of its own for this table, as far as this run and earlier ones know."""
    ours = [e for e in run.extractions.values() if e.target.table.name == history]
    if any(run.reports[e.target.module].outcome != "skipped" for e in ours):
        return any(run.states.get(e.target.module, {}).get("absent") for e in ours)
    return bool(ours) or not any(s.get("table") == history and s.get("cursor") for s in run.states.values())


def _add_deletions(run: SyncContext, connection: Connection, extraction: Extraction, gathered: Gathered) -> None:
    """What has been deleted of what we hold, and what has come back."""
    found = extraction.deletions or deletions.Deletions()
    known, module = extraction.before.deletions, extraction.target.module
    # on an incremental run the list was read before the rows: what was seen alive since has come back
    alive = extraction.live_again.keys() if extraction.before.since is not None else set()
    listed = {id_: row for id_, row in found.listed.items() if id_ not in alive}
    news = {id_: row for id_, row in listed.items() if deletions.is_news(row, known.get(id_))}
    pending = _ids(gathered.tables.get(extraction.target.table.name, ()))
    ours = held(connection, extraction.target.table, run.channel.id, news.keys() - pending) | (news.keys() & pending)
    now = run.window.now()
    rows = deletions.entries(module, [news[id_] for id_ in sorted(ours)], now, run.channel.id)
    extraction.report.deleted_rows += len(rows)
    back = {id_: at for id_, at in extraction.live_again.items() if id_ not in listed}
    if found.restored:
        tables: dict[str, list[pa.Table]] = {}
        converted = extraction.target.convert(list(found.restored.values()), run.channel.id, now)
        extraction.intake.reject(converted.rejected, now, tables)
        gathered.put({extraction.target.table.name: [converted.table], **tables})
        back |= dict.fromkeys(found.restored, now)
        extraction.report.rows += len(found.restored.keys() - extraction.live_again.keys())
    rows += restored_rows(connection, run.channel.id, module, back)
    if rows:
        gathered.put({DELETED_RECORDS.name: [of_values(DELETED_RECORDS, rows)]})


def _ended_stays(connection: Connection, extraction: Extraction, gathered: Gathered) -> set[str]:
    """Stored stays of a history that ended: a later one of the same parent is about to be loaded.

    Zoho fills in where a stay moved to without moving its Modified_Time, which is when it began.
    """
    table = extraction.target.table
    parts = gathered.tables.get(table.name)
    if not parts or extraction.before.empty:
        return set()
    parent = "deal_id" if any(c.name == "deal_id" for c in table.columns) else "lead_id"
    parents = {id_ for part in parts for id_ in part[parent].to_pylist() if id_}
    rows = connection.rows(
        f"select id from {RAW_SCHEMA}.{table.name} where channel_id = ? and moved_to is null and basis = 'tracker'"  # noqa: S608
        f" and {parent} = any(?)",
        (extraction.channel_id, sorted(parents)),
    )
    return {row["id"] for row in rows} - _ids(parts)


def _read_again(run: SyncContext, extraction: Extraction, ids: set[str], gathered: Gathered) -> None:
    if not ids:
        return
    now = run.window.now()
    rows = list(by_id.fetch(extraction.client, extraction.target.module, extraction.plan, ids).values())
    gathered.put({extraction.target.table.name: [extraction.target.convert(rows, run.channel.id, now).table]})
    meter, report = extraction.client.meter, extraction.report
    report.credits, report.requests = meter.credits, meter.requests


def restored_rows(
    connection: Connection, channel_id: str, module: str, back: dict[str, datetime]
) -> list[dict[str, Any]]:
    """The stored deletions of these ids, ended: id → when it was seen alive."""
    if not back:
        return []
    columns = ", ".join(column.name for column in DELETED_RECORDS.columns)
    stored = connection.rows(
        f"select {columns} from {RAW_SCHEMA}.deleted_records"  # noqa: S608
        " where channel_id = ? and module = ? and restored_at is null and id = any(?)",
        (channel_id, module, sorted(back)),
    )
    return [row | {"restored_at": back[row["id"]], "synced_at": back[row["id"]]} for row in stored]


def _ids(parts: Iterable[pa.Table]) -> set[str]:
    return {id_ for part in parts for id_ in part["id"].to_pylist()}


def _found_fields(run: SyncContext) -> dict[str, str] | None:
    """The field map this run could discover; None where it saw no fields of leads."""
    leads = run.extractions.get("Leads")
    if leads is None:
        return None
    if leads.metas:
        return discover((meta.api_name, meta.label) for meta in leads.metas)
    names = leads.state.get("names")
    return discover((name, name) for name in names) if names else None


def _tokens(run: SyncContext) -> int:
    fingerprint = run.registry.vault.fingerprint(run.channel.id)
    return run.registry.mints.requests(fingerprint, run.started_at)


def _run_row(
    channel_id: str, run_id: str, started_at: datetime, report: ModuleReport, finished_at: datetime
) -> dict[str, Any]:
    return {
        "channel_id": channel_id,
        "run_id": run_id,
        "module": report.module,
        "started_at": started_at,
        "finished_at": finished_at,
        "duration_seconds": report.seconds,
        "route": report.route or None,
        "route_reason": report.route_reason or None,
        "window_start": report.window_start,
        "window_end": report.window_end,
        "rows": report.rows,
        "deleted_rows": report.deleted_rows,
        "rejected_rows": report.rejected_rows,
        "credits": report.credits,
        "tokens": report.tokens,
        "requests": report.requests,
        "outcome": report.outcome,
        "detail": report.detail or None,
    }

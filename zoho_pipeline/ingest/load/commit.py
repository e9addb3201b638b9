"""Loads checkpoints into the warehouse, and ends a sync: reference tables, names, the log of the run."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from zoho_pipeline.channels.platform import lead_changes as platform_changes
from zoho_pipeline.channels.platform.lead_changes import LoadedLead
from zoho_pipeline.ingest.catalog.field_map import discover
from zoho_pipeline.ingest.catalog.tables import BY_NAME, LEADS, REJECTED_RECORDS, SYNC_RUNS
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.row_filter import rejections
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.forms.load_forms import try_to_load
from zoho_pipeline.ingest.load import lead_changes, row_names, sync_log
from zoho_pipeline.ingest.load.apply_deletions import add_deletions, ended_stays, read_again
from zoho_pipeline.ingest.load.batch import LoadBatch, newest_by_key
from zoho_pipeline.ingest.load.channel_tables import publish_channel
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.load.push_proof import prove
from zoho_pipeline.ingest.raw.inferred_history import HISTORY_RULES, infer_stays
from zoho_pipeline.ingest.raw.lookup_names import fill_names, has_bare_names
from zoho_pipeline.ingest.raw.small_tables import insert_rows, replace_rows, upsert_rows
from zoho_pipeline.ingest.report import SyncReport
from zoho_pipeline.ingest.routes.deletions import is_stranger, strangers_of
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.zoho.errors import ZohoError
from zoho_pipeline.zoho.parsing import is_digits

log = logging.getLogger(__name__)


def load(sync: SyncContext, batch: LoadBatch) -> None:
    """Run dlt once: load the rows of the batch, the history that they show, and the states that are true with them."""
    tables = {name: newest_by_key(BY_NAME[name], parts) for name, parts in batch.tables.items() if parts}
    state = ChannelState({**sync.state.modules, **batch.states}, batch.emails or sync.state.emails)
    _infer_history(sync, tables)
    new = sync.appends.appendable(tables)
    if has_bare_names(batch.states):
        row_names.name_rows(sync, tables, batch, new)
    if tables or state != sync.state:
        announced = platform_changes.announce(sync.registry, sync.channel, _lead_changes(sync, tables))
        sync.loader.load({name: [table] for name, table in tables.items()}, state.to_json(), new)
        sync.state = state
        lead_changes.tell(sync.registry, sync.channel, announced)
        pa.default_memory_pool().release_unused()  # Arrow keeps freed pages, so the peak would grow with each load


def _lead_changes(sync: SyncContext, tables: Mapping[str, pa.Table]) -> list[LoadedLead]:
    """The leads of the load beside the rows held before it. A load without leads opens no connection for it."""
    if LEADS.name not in tables or not lead_changes.are_told(sync.channel):
        return []
    with sync.warehouse.connect() as connection:
        return lead_changes.loaded_leads(connection, sync.channel, tables)


def last_load(sync: SyncContext, batch: LoadBatch) -> None:
    """Load the last checkpoints, with the deletions of every module that was read to its end."""
    ended: dict[str, set[str]] = {}
    with sync.warehouse.connect() as connection:
        for module, reader in sync.readers.items():
            if sync.reports[module].outcome != "complete":
                continue
            strange: set[str] = set()
            if reader.spec.has_deletions:
                strange = add_deletions(sync, connection, reader, batch)
            else:
                ended[module] = ended_stays(connection, reader, batch)
            state = batch.states.get(module) or sync.state.modules.get(module) or reader.state
            batch.states[module] = replace(
                _with_strangers(state, reader, strange, sync.window.now()),
                deleted_cursor=sync.window.hi,
                read_at=sync.window.now(),
                deleted_from=reader.deletions_watermark() or state.deleted_from,
            )
    for module, ids in ended.items():
        read_again(sync, sync.readers[module], ids, batch)
    load(sync, batch)


def _with_strangers(state: ModuleState, reader: ModuleReader, ids: set[str], now: datetime) -> ModuleState:
    """The state that knows these listed deletions: their records were never stored.

    A new one without a usable id may be that of a stored record, so the ids are compared.
    """
    listed = reader.deletions.listed if reader.deletions else {}
    new = {id_ for id_ in ids if not is_stranger(id_, listed[id_], state.strangers)}
    if any(not is_digits(id_) for id_ in new):
        reader.report.note("a deletion has no usable id")
        state = replace(state, doubt=True)
    return replace(state, strangers=strangers_of(state.strangers, listed, new, now))


def name_the_rest(sync: SyncContext) -> None:
    """Read the few records again whose lookups no stored parent can name: a list gives the names of their lookups."""
    if sync.fatal is not None or not has_bare_names(sync.state.modules):
        return
    for module, reader in sync.readers.items():
        ids = row_names.without_parents(sync, reader) if sync.reports[module].outcome == "complete" else set()
        if not ids:
            continue
        batch = LoadBatch()
        try:
            reader.fields.ensure()
            read_again(sync, reader, ids, batch)
        except ZohoError as error:
            log.warning("channel %s: %s cannot be read, so some names stay empty: %s", sync.channel.id, module, error)
            reader.report.note(f"names of some lookups are missing until the next sync: {error}")
        load(sync, batch)


def finish(sync: SyncContext) -> SyncReport:
    """Write the reference tables and the log of the run. Raises the error that stopped the sync, if there is one."""
    reports = list(sync.reports.values())
    finished_at = sync.registry.database.now()
    if reports:
        reports[0].tokens = _tokens(sync)
    # before as-of moves: a lead that the marts show from now on has the keys by which submissions find it
    try_to_load(sync.registry, sync.warehouse, [sync.channel.id])
    sync.lock.ensure_held()
    sync_log.record(sync.registry, sync.channel.id, reports, sync.window.hi, run_id=sync.run_id, whole=sync.whole)
    if has_bare_names(sync.state.modules):
        row_names.read_users_for_names(sync, sync.state.modules)
    with sync.warehouse.connect(read_only=False) as connection:
        sync.lock.ensure_held()
        _write_references(sync, connection)
        for reader in sync.readers.values():
            if sync.state.of(reader.spec.module).bare_names:
                fill_names(connection, reader.spec.table, sync.channel.id)
        channel = sync.registry.get(sync.channel.id)
        publish_channel(connection, channel, sync.registry.settings, _found_fields(sync))
        rows = [sync_log.row(sync.channel.id, sync.run_id, sync.started_at, part, finished_at) for part in reports]
        insert_rows(connection, SYNC_RUNS, rows)
    platform_changes.tell_number(sync.registry, sync.channel)
    if sync.whole:
        prove(sync)
    if sync.fatal is not None:
        raise sync.fatal
    return SyncReport(sync.channel.id, sync.run_id, reports, sync.started_at)


def _write_references(sync: SyncContext, connection: Connection) -> None:
    """Write the reference tables as they are at Zoho, and the values that did not fit."""
    for part, found in sync.references.items():
        for name, rows in found.tables.items():
            replace_rows(connection, BY_NAME[name], sync.channel.id, rows)
        if found.rejected:
            kept = rejections(sync.channel.id, part, found.rejected, sync.window.now())
            upsert_rows(connection, REJECTED_RECORDS, newest_by_key(REJECTED_RECORDS, [kept]).to_pylist())


def _infer_history(sync: SyncContext, tables: dict[str, pa.Table]) -> None:
    """Add the stays (times in one stage or status) that these rows show, where Zoho keeps no history of its own."""
    known = {reader.spec.table.name for reader in sync.readers.values() if not reader.baseline.empty}
    rules = [
        rule
        for name, rule in HISTORY_RULES.items()
        if rule.source.name in tables and rule.source.name in known and _is_inferred(sync, name)
    ]
    if not rules:
        return
    with sync.warehouse.connect() as connection:
        for rule in rules:
            stays = infer_stays(connection, rule, sync.channel.id, tables[rule.source.name])
            if stays.num_rows:
                tables[rule.history.name] = stays


def _is_inferred(sync: SyncContext, history: str) -> bool:
    """Whether Zoho has no history of its own for this table, as far as this sync and earlier ones know."""
    modules = [module for module, reader in sync.readers.items() if reader.spec.table.name == history]
    if any(sync.reports[module].outcome != "skipped" for module in modules):
        return any(sync.state.of(module).absent for module in modules)
    return bool(modules) or not any(s.table == history and s.cursor for s in sync.state.modules.values())


def _found_fields(sync: SyncContext) -> dict[str, str] | None:
    """The field map that this sync discovered. None if it read no fields of leads."""
    leads = sync.readers.get("Leads")
    if leads is None:
        return None
    if leads.fields.metas:
        return discover((meta.api_name, meta.label) for meta in leads.fields.metas)
    names = leads.state.names
    return discover((name, name) for name in names) if names else None


def _tokens(sync: SyncContext) -> int:
    """The number of requests for access tokens since the start of the sync."""
    fingerprint = sync.registry.token_store.fingerprint(sync.channel.id)
    return sync.registry.token_budget.requests(fingerprint, sync.started_at)

"""Loads checkpoints into the warehouse, with the history that they show and the deletions."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from zoho_pipeline.channels.platform import lead_changes as platform_changes
from zoho_pipeline.channels.platform.lead_changes import LoadedLead
from zoho_pipeline.ingest.catalog.tables import BY_NAME, LEADS
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.load import lead_changes, row_names
from zoho_pipeline.ingest.load.apply_deletions import add_deletions, ended_stays, read_again
from zoho_pipeline.ingest.load.batch import LoadBatch, newest_by_key
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.inferred_history import HISTORY_RULES, infer_stays
from zoho_pipeline.ingest.raw.lookup_names import has_bare_names
from zoho_pipeline.ingest.routes.deletions import is_stranger, strangers_of
from zoho_pipeline.zoho.errors import ZohoError
from zoho_pipeline.zoho.parsing import is_digits

log = logging.getLogger(__name__)


def load(sync: SyncContext, batch: LoadBatch) -> None:
    """Run dlt once: load the rows of the batch, the history that they show, and the states that are true with them.

    The batch has no rows afterwards: their memory is free while the engine loads them.
    """
    tables = {name: newest_by_key(BY_NAME[name], parts) for name, parts in batch.tables.items() if parts}
    batch.tables.clear()
    state = ChannelState({**sync.state.modules, **batch.states}, batch.emails or sync.state.emails)
    _infer_history(sync, tables)
    new = sync.appends.appendable(tables)
    if has_bare_names(batch.states):
        row_names.name_rows(sync, tables, batch, new)
    if tables or state != sync.state:
        announced = platform_changes.announce(sync.registry, sync.channel, _lead_changes(sync, tables))
        parts = {name: [tables.pop(name)] for name in list(tables)}
        sync.loader.load(parts, state.to_json(), new)
        sync.state = state
        lead_changes.tell(sync.registry, sync.channel, announced)


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


def _infer_history(sync: SyncContext, tables: dict[str, pa.Table]) -> None:
    """Add the stays (times in one stage or status) that these rows show, where Zoho keeps no history of its own."""
    if not sync.infers_history:
        return
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

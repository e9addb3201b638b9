"""Deletes the rows of modules that a channel does not read any more, at the begin of its next sync.

Otherwise they would stay as they were, and nobody would see that they are old.
"""

from collections.abc import Collection
from dataclasses import replace

from zoho_pipeline.channels.registry import sync_records
from zoho_pipeline.ingest.catalog.chosen_modules import MODULE_RECORD_PARTS, MODULE_RECORDS
from zoho_pipeline.ingest.catalog.model import RawTable
from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS, REJECTED_RECORDS
from zoho_pipeline.ingest.extract.modules import chosen_specs
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.warehouse.connection import RAW_SCHEMA

_TABLES = (MODULE_RECORDS, MODULE_RECORD_PARTS, DELETED_RECORDS, REJECTED_RECORDS)


def forget_unchosen(sync: SyncContext) -> None:
    """Delete the rows of modules, and the parts of records, that are not asked for any more, with their state.

    The cursor goes first, then the rows, then the state. After a crash in between, the next sync goes on, and a module
    that is chosen again meanwhile is read from the beginning.
    """
    wanted = {spec.module: spec for spec in chosen_specs(sync.channel)}
    states = {name: state for name, state in sync.state.modules.items() if state.table == MODULE_RECORDS.name}
    gone = states.keys() - wanted.keys()
    if gone:
        _store(sync, {name: ModuleState(table=MODULE_RECORDS.name) for name in gone})
        _delete(sync, _TABLES, gone)
        with sync.registry.database.write() as transaction:
            sync_records.forget_modules(transaction, sync.channel.id, gone)
        _store(sync, dict.fromkeys(gone))
    bare = {n for n, state in states.items() if n in wanted and state.parts_from and not wanted[n].has_parts}
    if bare:
        _delete(sync, (MODULE_RECORD_PARTS,), bare)
        _store(sync, {name: replace(states[name], parts_from=None, part_fields=None) for name in bare})


def _store(sync: SyncContext, changes: dict[str, ModuleState | None]) -> None:
    """Load these states; None removes one."""
    merged = {**sync.state.modules, **changes}
    state = ChannelState({name: of for name, of in merged.items() if of is not None}, sync.state.emails)
    if state != sync.state:
        sync.loader.load({}, state.to_json())
        sync.state = state


def _delete(sync: SyncContext, tables: Collection[RawTable], modules: Collection[str]) -> None:
    with sync.warehouse.connect(read_only=False) as connection:
        sync.lock.ensure_held()
        for table in tables:
            sql = f"delete from {RAW_SCHEMA}.{table.name} where channel_id = ? and module = any(?)"  # noqa: S608
            connection.execute(sql, (sync.channel.id, sorted(modules)))

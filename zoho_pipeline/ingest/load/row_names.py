"""Names of lookups in rows that came with ids only: from the users, from the stored rows, and from the parents.

A query and a job give ids of lookups without their names. A name that the warehouse has must not get lost when such a
row replaces a row that has it.
"""

import logging
from collections.abc import Collection, Mapping

import pyarrow as pa

from zoho_pipeline.ingest.catalog.tables import USERS
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.state import ModuleState
from zoho_pipeline.ingest.load.batch import LoadBatch
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.lookup_names import fill_user_names, has_bare_names, keep_names, nameless
from zoho_pipeline.ingest.routes.reference_tables import read_users
from zoho_pipeline.zoho.errors import ZohoError

log = logging.getLogger(__name__)


def name_rows(sync: SyncContext, tables: dict[str, pa.Table], batch: LoadBatch, new: Collection[str]) -> None:
    """Fill in names before the rows are loaded: those of users, and those that only the stored rows have.

    Args:
        tables: the rows of the load, by raw table. They are replaced in place.
        batch: the load. Only its modules with the mark `bare_names` are looked at.
        new: the tables whose rows the warehouse cannot have yet.
    """
    _name_users(sync, tables, batch)
    marked = [sync.readers[module].spec.table for module, state in batch.states.items() if state.bare_names]
    replaced = [raw for raw in marked if raw.name in tables and raw.name not in new]
    if not replaced:
        return
    with sync.warehouse.connect() as connection:
        for raw in replaced:
            tables[raw.name] = keep_names(connection, tables[raw.name], raw, sync.channel.id)


def read_users_for_names(sync: SyncContext, states: Mapping[str, ModuleState]) -> None:
    """Read the users in a sync of some modules, which otherwise reads none, because rows came without names."""
    if USERS.name in sync.references or not has_bare_names(states):
        return
    try:
        sync.references[USERS.name] = read_users(sync.client, sync.channel, sync.window.now())
    except ZohoError as error:
        log.warning("channel %s: users cannot be read, so some names stay empty: %s", sync.channel.id, error)
        for module, reader in sync.readers.items():
            if module in states and states[module].bare_names:
                reader.report.note(f"names of users are missing until the next sync: {error}")


def without_parents(sync: SyncContext, reader: ModuleReader) -> set[str]:
    """The ids of the few live rows with a lookup that no stored parent can name. Empty if there are many.

    The module of the parent may not have been read, or the connected user may not see the parent.
    """
    module, most = reader.spec.module, sync.limits.most_nameless
    if not sync.state.of(module).bare_names:
        return set()
    with sync.warehouse.connect() as connection:
        users_follow = USERS.name in sync.references  # `finish` writes them, and fills in their names
        found = nameless(connection, reader.spec.table, sync.channel.id, most + 1, users=not users_follow)
    return found if len(found) <= most else set()


def _name_users(sync: SyncContext, tables: dict[str, pa.Table], batch: LoadBatch) -> None:
    """Fill in the names of users. If users are still being read, `finish` does this."""
    if USERS.name not in sync.reports and not sync.users_asked:
        sync.users_asked = True  # if Zoho refuses them, they are not requested for each load: `finish` tries again
        read_users_for_names(sync, batch.states)
    users = sync.references[USERS.name].tables[USERS.name] if USERS.name in sync.references else []
    for module, reader in sync.readers.items() if users else ():
        name, state = reader.spec.table.name, batch.states.get(module)
        if state is not None and state.bare_names and name in tables:
            tables[name] = fill_user_names(tables[name], reader.spec.table, users)

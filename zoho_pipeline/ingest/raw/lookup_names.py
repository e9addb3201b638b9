"""Names of lookups that a route gave as ids only: they are filled from users and from the rows of the parents.

A module with such rows is marked (`bare_names` in its state). As long as a marked module has an id without a name,
every sync tries to fill it: after a crash, after a sync that could not read users, when a parent was loaded later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.catalog.tables import BY_NAME, RawTable
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection

_NAME_COLUMNS: Mapping[str, str] = {
    "users": "full_name",
    "accounts": "account_name",
    "contacts": "full_name",
    "deals": "deal_name",
    "campaigns": "campaign_name",
    "leads": "full_name",
}
_PARENTS: Mapping[str, tuple[str, ...]] = {
    "owner": ("users",),
    "created_by": ("users",),
    "modified_by": ("users",),
    "account_name": ("accounts",),
    "parent_account": ("accounts",),
    "contact_name": ("contacts",),
    "campaign_source": ("campaigns",),
    "parent_campaign": ("campaigns",),
    "converted_account": ("accounts",),
    "converted_contact": ("contacts",),
    "converted_deal": ("deals",),
    "who": ("contacts", "leads"),
    "what": ("leads", "deals", "accounts", "campaigns"),
    "parent": ("leads", "contacts", "accounts", "deals", "campaigns"),
}


def has_bare_names(states: Mapping[str, ModuleState]) -> bool:
    """Whether rows of a module came with ids of lookups and without their names."""
    return any(state.bare_names for state in states.values())


def with_named(connection: Connection, channel_id: str, state: ChannelState) -> ChannelState:
    """The state in which modules are not marked any more if every id has its name."""
    modules = dict(state.modules)
    for module, found in state.modules.items():
        if found.bare_names and not _has_nameless(connection, BY_NAME[found.table or ""], channel_id):
            modules[module] = replace(found, bare_names=False)
    return replace(state, modules=modules)


def _has_nameless(connection: Connection, raw: RawTable, channel_id: str) -> bool:
    nameless = [
        f"({stem}_id is not null and {stem}_name is null)"
        for column in raw.columns
        if column.part == "name" and (stem := column.name.removesuffix("_name")) in _PARENTS
    ]
    sql = f"select 1 from {RAW_SCHEMA}.{raw.name} where channel_id = ? and ({' or '.join(nameless) or 'false'}) limit 1"  # noqa: S608
    return bool(connection.rows(sql, (channel_id,)))


def fill_user_names(table: pa.Table, raw: RawTable, users: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of a table with missing names of owner, creator and modifier filled in.

    This is done before the rows are loaded. Afterwards it would be an update of every row.
    """
    ids = pa.array([user["id"] for user in users], pa.string())
    names = pa.array([user["full_name"] for user in users], pa.string())
    for index, column in enumerate(raw.columns):
        stem = column.name.removesuffix("_name")
        if column.part != "name" or _PARENTS.get(stem) != ("users",):
            continue
        found = pc.take(names, pc.index_in(table[f"{stem}_id"], value_set=ids))
        table = table.set_column(index, table.schema.field(index), pc.coalesce(table[column.name], found))
    return table


def fill_names(connection: Connection, raw: RawTable, channel_id: str) -> None:
    """Fill in the name of every lookup of a table that has an id and no name, if the parent is stored."""
    if not _has_nameless(connection, raw, channel_id):  # one query on the table instead of one per lookup
        return
    for column in raw.columns:
        if column.part != "name":
            continue
        stem = column.name.removesuffix("_name")
        for parent in _PARENTS.get(stem, ()):
            name = _NAME_COLUMNS[parent]
            connection.execute(
                f"update {RAW_SCHEMA}.{raw.name} set {column.name} = p.{name} from {RAW_SCHEMA}.{parent} p"  # noqa: S608
                f" where p.channel_id = {raw.name}.channel_id and p.id = {raw.name}.{stem}_id"
                f" and {raw.name}.channel_id = ? and {raw.name}.{column.name} is null",
                (channel_id,),
            )

"""Names of lookups that a route gave as ids only: they are filled from users and from the rows of the parents.

A name that no stored parent has is kept when its row is loaded again. If no row ever had it, `load/row_names` finds the
rows that must be read by id.

A module with such rows is marked (`bare_names` in its state). As long as a marked module has an id without a name,
every sync tries to fill it: after a crash, after a sync that could not read users, when a parent was loaded later.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from zoho_pipeline.ingest.catalog.chosen_modules import MODULE_RECORDS, records_of
from zoho_pipeline.ingest.catalog.tables import BY_NAME, DELETED_RECORDS, RawTable
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.raw.queries import IDS_PER_QUERY
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection

NAME_COLUMNS: Mapping[str, str] = {
    "users": "full_name",
    "accounts": "account_name",
    "contacts": "full_name",
    "deals": "deal_name",
    "campaigns": "campaign_name",
    "leads": "full_name",
}
PARENTS: Mapping[str, tuple[str, ...]] = {
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
        if found.bare_names and not _has_nameless(connection, _table_of(module, found), channel_id):
            modules[module] = replace(found, bare_names=False)
    return replace(state, modules=modules)


def fill_user_names(table: pa.Table, raw: RawTable, users: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of a table with missing names of owner, creator and modifier filled in.

    This is done before the rows are loaded. Afterwards it would be an update of every row.
    """
    ids = pa.array([user["id"] for user in users], pa.string())
    names = pa.array([user["full_name"] for user in users], pa.string())
    for index, column in enumerate(raw.columns):
        stem = column.name.removesuffix("_name")
        if column.part != "name" or PARENTS.get(stem) != ("users",):
            continue
        found = pc.take(names, pc.index_in(table[f"{stem}_id"], value_set=ids))
        table = table.set_column(index, table.schema.field(index), pc.coalesce(table[column.name], found))
    return table


def keep_names(connection: Connection, table: pa.Table, raw: RawTable, channel_id: str) -> pa.Table:
    """Rows of a table with the names of the rows that they are about to replace, if nothing else can name the lookup.

    Only a name of the same parent is kept. If the parent itself is stored, `fill_names` takes its present name.
    """
    lookups = [
        (stem, pc.and_(pc.is_valid(table[f"{stem}_id"]), pc.is_null(table[f"{stem}_name"]))) for stem in _stems(raw)
    ]
    lookups = [
        (stem, bare)
        for stem, bare in lookups
        if pc.any(bare).as_py() and _has_sole_names(connection, raw, stem, channel_id)
    ]
    if not lookups:
        return table
    stems = [stem for stem, _ in lookups]
    ids = table["id"].filter(reduce(pc.or_, [bare for _, bare in lookups])).to_pylist()
    names = ["id", *(f"{stem}_{part}" for stem in stems for part in ("id", "name"))]
    rows = list(_named_rows(connection, raw, stems, channel_id, ids))
    stored = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))
    at = pc.index_in(table["id"], value_set=stored["id"])
    for stem, bare in lookups:
        same = pc.fill_null(pc.equal(pc.take(stored[f"{stem}_id"], at), table[f"{stem}_id"]), False)
        name = f"{stem}_name"
        kept = pc.if_else(pc.and_(bare, same), pc.take(stored[name], at), table[name])
        index = table.schema.get_field_index(name)
        table = table.set_column(index, table.schema.field(index), kept)
    return table


def nameless(connection: Connection, raw: RawTable, channel_id: str, most: int, *, users: bool) -> set[str]:
    """The ids of at most `most` live rows with a lookup that has an id and no name, and no stored parent with a name.

    `users`: also lookups of users are looked at.
    """
    stems = [stem for stem in _stems(raw) if users or PARENTS.get(stem) != ("users",)]
    if not stems or not _has_nameless(connection, raw, channel_id):
        return set()
    tests = [f"(t.{stem}_id is not null and t.{stem}_name is null and not {_parent_names(stem)})" for stem in stems]
    rows = connection.rows(
        f"select t.id from {raw.source} t where t.channel_id = ? and ({' or '.join(tests)})"  # noqa: S608
        f" and not exists (select 1 from {RAW_SCHEMA}.{DELETED_RECORDS.name} d where d.channel_id = t.channel_id"
        f" and d.module = ? and d.id = t.id and d.restored_at is null) limit {int(most)}",
        (channel_id, raw.module),
    )
    return {row["id"] for row in rows}


def fill_names(connection: Connection, raw: RawTable, channel_id: str) -> None:
    """Fill in the name of every lookup of a table that has an id and no name, if the parent is stored."""
    if not _has_nameless(connection, raw, channel_id):  # one query on the table instead of one per lookup
        return
    for column in raw.columns:
        if column.part != "name":
            continue
        stem = column.name.removesuffix("_name")
        for parent in PARENTS.get(stem, ()):
            name = NAME_COLUMNS[parent]
            connection.execute(
                f"update {RAW_SCHEMA}.{raw.name} set {column.name} = p.{name} from {RAW_SCHEMA}.{parent} p"  # noqa: S608
                f" where p.channel_id = {raw.name}.channel_id and p.id = {raw.name}.{stem}_id"
                f" and {raw.name}.channel_id = ? and {raw.name}.{column.name} is null and {raw.own_rows}",
                (channel_id,),
            )


def _table_of(module: str, state: ModuleState) -> RawTable:
    return records_of(module) if state.table == MODULE_RECORDS.name else BY_NAME[state.table or ""]


def _stems(raw: RawTable) -> list[str]:
    """The lookups of a table, as the common part of their two columns."""
    return [column.name.removesuffix("_name") for column in raw.columns if column.part == "name"]


def _has_nameless(connection: Connection, raw: RawTable, channel_id: str) -> bool:
    tests = [f"({stem}_id is not null and {stem}_name is null)" for stem in _stems(raw)]
    sql = f"select 1 from {raw.source} t where channel_id = ? and ({' or '.join(tests) or 'false'}) limit 1"  # noqa: S608
    return bool(connection.rows(sql, (channel_id,)))


def _named_rows(
    connection: Connection, raw: RawTable, stems: Sequence[str], channel_id: str, ids: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Those of the stored rows with a lookup that only they name: the id of the row, ids and names of its lookups."""
    columns = ", ".join(f"t.{stem}_id, t.{stem}_name" for stem in stems)
    tests = " or ".join(_is_sole_name(stem) for stem in stems)
    for start in range(0, len(ids), IDS_PER_QUERY):
        yield from connection.rows(
            f"select t.id, {columns} from {raw.source} t"  # noqa: S608
            f" where t.channel_id = ? and t.id = any(?) and ({tests})",
            (channel_id, ids[start : start + IDS_PER_QUERY]),
        )


def _has_sole_names(connection: Connection, raw: RawTable, stem: str, channel_id: str) -> bool:
    """Whether any row has such a name. Usually none has, and one query shows this for all rows of a load."""
    sql = f"select 1 from {raw.source} t where t.channel_id = ? and {_is_sole_name(stem)} limit 1"  # noqa: S608
    return bool(connection.rows(sql, (channel_id,)))


def _is_sole_name(stem: str) -> str:
    """An SQL condition: the row `t` has a name for this lookup, and no stored parent has one."""
    return f"(t.{stem}_name is not null and not {_parent_names(stem)})"


def _parent_names(stem: str) -> str:
    """An SQL condition: a stored parent has a name for this lookup of the row `t`."""
    tests = [
        f"exists (select 1 from {RAW_SCHEMA}.{parent} p where p.channel_id = t.channel_id and p.id = t.{stem}_id"  # noqa: S608
        f" and p.{NAME_COLUMNS[parent]} is not null)"
        for parent in PARENTS.get(stem, ())
    ]
    return f"({' or '.join(tests) or 'false'})"

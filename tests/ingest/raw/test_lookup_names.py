"""Names that a load keeps, and rows that lack one: both compared with a model in Python, for every lookup we store."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoho_pipeline.ingest.catalog.tables import BY_NAME, DELETED_RECORDS, MODULE_TABLES, USERS, RawTable
from zoho_pipeline.ingest.convert.json_to_arrow import of_values
from zoho_pipeline.ingest.raw.lookup_names import fill_names, keep_names, nameless
from zoho_pipeline.ingest.raw.small_tables import insert_rows
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection

Row = dict[str, Any]
Found = dict[str, tuple[str | None, str | None]]
"""Rows by id: the id of the parent, and its name in the row."""
NAMES = {
    "users": "full_name", "accounts": "account_name", "contacts": "full_name", "deals": "deal_name",
    "campaigns": "campaign_name", "leads": "full_name",
}  # fmt: skip
USER_LOOKUPS = ("owner", "created_by", "modified_by")
LOOKUPS = [
    (raw, column.name.removesuffix("_name")) for raw in MODULE_TABLES for column in raw.columns if column.part == "name"
]
lookups = st.tuples(st.sampled_from((None, "1", "2", "3")), st.sampled_from((None, "old", "older")))
children = st.sampled_from("56789")
rows = st.dictionaries(children, lookups, max_size=5)
parents = st.dictionaries(st.sampled_from("123"), st.sampled_from((None, "now")))


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A database with the tables of the modules."""
    with duckdb.connect() as session:
        session.execute("create schema zoho_raw")
        for raw in (*MODULE_TABLES, USERS, DELETED_RECORDS):
            session.register("empty", of_values(raw, []))
            session.execute(f"create table zoho_raw.{raw.name} as select * from empty")
        yield DuckDBConnection(session)


def put(connection: Connection, raw: RawTable, values: list[Row]) -> None:
    """Replace the rows of a table."""
    connection.execute(f"delete from zoho_raw.{raw.name}")
    insert_rows(connection, raw, [{"channel_id": "acme"} | row for row in values])


def lookup_rows(stem: str, found: Found) -> list[Row]:
    return [{"id": id_, f"{stem}_id": to, f"{stem}_name": name if to else None} for id_, (to, name) in found.items()]


@pytest.mark.long
@settings(deadline=None)
@given(lookup=st.sampled_from(LOOKUPS), stored=rows, incoming=rows, named=parents, deleted=st.sets(children))
def test_names_are_kept_filled_and_missed_as_in_the_model(
    connection: Connection, lookup: tuple[RawTable, str], stored: Found, incoming: Found, named: Row, deleted: set[str]
) -> None:
    """The parents are in one of the tables that can name this lookup; the others are empty."""
    raw, stem = lookup
    parent = parent_of(stem)
    for name in NAMES:
        put(connection, BY_NAME[name], [])
    parent_rows = [{"id": id_, NAMES[parent]: name} for id_, name in named.items()]

    def put_children(children: list[Row]) -> None:
        put(connection, BY_NAME[parent], parent_rows)
        put(connection, raw, children + (parent_rows if raw.name == parent else []))

    before, coming = lookup_rows(stem, stored), lookup_rows(stem, incoming)
    put_children(before)
    put(connection, DELETED_RECORDS, [{"module": raw.module, "id": id_} for id_ in deleted])
    table = of_values(raw, [{"channel_id": "acme"} | row for row in coming])
    kept = keep_names(connection, table, raw, "acme")
    assert kept.schema == table.schema
    rows = kept.to_pylist()
    assert [row[f"{stem}_name"] for row in rows] == [
        row[f"{stem}_name"] or kept_name(row, stem, before, named) for row in coming
    ]
    put_children(rows)
    sole = {
        row["id"] for row in rows if row[f"{stem}_id"] and not row[f"{stem}_name"] and not named.get(row[f"{stem}_id"])
    }
    assert nameless(connection, raw, "acme", 9, users=True) == sole - deleted
    assert nameless(connection, raw, "acme", 9, users=False) == (set() if parent == USERS.name else sole - deleted)
    assert nameless(connection, raw, "other", 9, users=True) == set()
    assert len(nameless(connection, raw, "acme", 1, users=True)) == min(len(sole - deleted), 1)
    fill_names(connection, raw, "acme")
    left = f"select id from zoho_raw.{raw.name} where {stem}_id is not null and {stem}_name is null"
    assert {row["id"] for row in connection.rows(left)} == sole


def parent_of(stem: str) -> str:
    if stem in USER_LOOKUPS:
        return USERS.name
    words = {"who": "contacts", "what": "deals", "parent": "leads", "campaign_source": "campaigns"}
    return words.get(stem) or next(name for name in NAMES if name.removesuffix("s") in stem)


def kept_name(row: Row, stem: str, before: list[Row], named: Row) -> str | None:
    """The model: the stored name of the same id, unless the parent itself has a name."""
    was = next((old for old in before if old["id"] == row["id"]), None)
    same = was is not None and row[f"{stem}_id"] is not None and was[f"{stem}_id"] == row[f"{stem}_id"]
    return was[f"{stem}_name"] if was and same and not named.get(row[f"{stem}_id"]) else None


def test_a_table_without_bare_lookups_stays_as_it_is(connection: Connection) -> None:
    leads = BY_NAME["leads"]
    table = of_values(leads, [{"channel_id": "acme", "id": "1"}])
    assert keep_names(connection, table, leads, "acme") is table

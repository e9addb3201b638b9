"""Readers of a warehouse on Postgres who lack a grant: the message names the statements that help, and they do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zoho_pipeline.exports.export import export_marts
from zoho_pipeline.frames.read import read_sql
from zoho_pipeline.warehouse.connection import SqlError, WarehouseError
from zoho_pipeline.warehouse.postgres_warehouse import PostgresWarehouse

at = PostgresWarehouse.from_url


def test_a_user_who_may_read_no_mart_gets_the_cure(postgres_url: str) -> None:
    owner, reader = at(postgres_url), at(postgres_url.replace("postgres@", "reader@"))
    with owner.connect(read_only=False) as connection:
        connection.execute("drop role if exists reader")
        connection.execute("create role reader login")
        connection.execute("create schema marts")
        connection.execute("create table marts.lead as select 1 as n")
        connection.execute("grant select on marts.lead to reader")  # of no use without the schema
    try:
        for place in (reader.published(), reader.query_place(raw=False)):
            with pytest.raises(WarehouseError, match="the user reader may read no table of the schema marts") as told:
                place.__enter__()
        grants = str(told.value).partition("run: ")[2]
        with owner.connect(read_only=False) as connection:
            connection.execute(grants)
        with reader.published() as found:
            assert found is not None
            assert found.fetch("select n from lead")[1] == [(1,)]
        with owner.connect(read_only=False) as connection:
            connection.execute("create schema pipeline_state")
            connection.execute("create table pipeline_state.published_marts as select 'lead' as name")
        pool = reader.published_pool()
        with pytest.raises(WarehouseError, match="permission denied for schema pipeline_state") as told:
            pool.publication()
        grants = str(told.value).partition("run: ")[2]
        with owner.connect(read_only=False) as connection:
            connection.execute(grants)
        assert pool.publication()
        pool.close()
    finally:
        with owner.connect(read_only=False) as connection:
            connection.execute("drop owned by reader")
            connection.execute("drop role reader")


@contextmanager
def odd_reader(postgres_url: str, *statements: str) -> Iterator[PostgresWarehouse]:
    """A user with an odd name who may do only what the statements grant him, in a warehouse with two marts."""
    owner, user = at(postgres_url), '"Odd ""Reader"""'
    with owner.connect(read_only=False) as connection:
        connection.execute(f"create role {user} login")
        for schema, table in (("marts", "lead"), ("marts", "channel"), ("pipeline_state", "published_marts")):
            connection.execute(f"create schema if not exists {schema}")
            connection.execute(f"create table {schema}.{table} as select 1 as n")
        connection.execute("create schema zoho_raw")
        connection.execute("create table zoho_raw.leads as select 1 as n")
        for statement in statements:
            connection.execute(f"grant {statement} to {user}")
    try:
        yield at(postgres_url.replace("postgres@", "Odd%20%22Reader%22@"))
    finally:
        with owner.connect(read_only=False) as connection:
            connection.execute(f"drop owned by {user}")
            connection.execute(f"drop role {user}")


def run_told(postgres_url: str, told: str) -> None:
    with at(postgres_url).connect(read_only=False) as connection:
        connection.execute(told.partition("run: ")[2])


def test_the_grants_for_a_user_with_an_odd_name_can_be_run(postgres_url: str) -> None:
    with odd_reader(postgres_url) as reader:
        with pytest.raises(WarehouseError, match="may read no table") as told, reader.query_place(raw=False):
            pass
        run_told(postgres_url, str(told.value))
        with reader.query_place(raw=False) as place:
            assert place is not None


def test_a_mart_that_a_user_may_not_read_is_told_with_the_grants(postgres_url: str) -> None:
    """A release brings a new mart, and nobody granted it."""
    with odd_reader(postgres_url, "usage on schema marts", "select on marts.lead") as reader:
        denied = pytest.raises(SqlError, match="permission denied for table channel")
        with denied as told, reader.published() as found:
            assert found is not None
            found.fetch("select n from channel")
        run_told(postgres_url, str(told.value))
        with reader.published() as found:
            assert found is not None
            assert found.fetch("select n from channel")[1] == [(1,)]


def test_an_export_and_a_frame_of_raw_tell_which_grants_are_missing(postgres_url: str, tmp_path: Path) -> None:
    of_state = ("usage on schema pipeline_state", "select on pipeline_state.published_marts")
    with odd_reader(postgres_url, *of_state) as reader:
        with pytest.raises(WarehouseError, match="may read no table of the schema marts"):
            export_marts(reader, ["lead"], tmp_path / "lead.csv")
        with pytest.raises(WarehouseError, match="may read no table of the schema zoho_raw") as told:
            read_sql("select n from zoho_raw.leads", raw=True, where=reader)
        run_told(postgres_url, str(told.value))
        assert read_sql("select n from zoho_raw.leads", raw=True, where=reader)["n"].tolist() == [1]


def test_the_grants_of_the_role_of_queries_count(postgres_url: str) -> None:
    with odd_reader(postgres_url) as reader:
        of_role = PostgresWarehouse.from_url(postgres_url, sql_role='Odd "Reader"')
        denied = pytest.raises(WarehouseError, match='the role "Odd ""Reader""" may read no table')
        with denied as told, of_role.query_place(raw=True):
            pass
        run_told(postgres_url, str(told.value))
        with of_role.query_place(raw=True) as place:
            assert place is not None
        with reader.query_place(raw=True) as place:
            assert place is not None

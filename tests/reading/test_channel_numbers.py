"""The numbers of channels for lists and status lines, on both engines."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime

import duckdb
import psycopg2
import pytest

from zoho_pipeline.reading.channel_numbers import read_numbers
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection
from zoho_pipeline.warehouse.postgres_connection import PostgresConnection

TABLES = """
create table channel_insight (channel_id text, as_of_date date, as_of_utc timestamp, data_status text,
    leads_this_month bigint, leads_last_month_same_point bigint, leads_last_month_full bigint,
    leads_change_rate double precision);
create table lead (channel_id text, zoho_lead_id text);
create table recent_lead (channel_id text, is_newer_than_as_of boolean);
insert into channel_insight values
    ('a', '2026-06-29', '2026-06-29 12:00:00', 'ok', 1, 1, 1, 0),
    ('a', '2026-06-30', '2026-06-30 12:00:00', 'ok', 3, 2, 9, 0.5),
    ('none', '2026-06-30', '2026-06-30 12:00:00', 'ok', 0, 0, 0, null),
    ('never', '2026-06-30', '2026-06-30 12:00:00', 'never_synced', null, null, null, null);
insert into lead values ('a', '1'), ('a', '2'), ('other', '1');
insert into recent_lead values ('a', true), ('a', false), ('other', true)
"""


@pytest.fixture(params=["duckdb", "postgres"])
def marts(request: pytest.FixtureRequest) -> Iterator[Connection]:
    raw = duckdb.connect() if request.param == "duckdb" else psycopg2.connect(request.getfixturevalue("postgres_url"))
    with closing(raw):
        connection = DuckDBConnection(raw) if request.param == "duckdb" else PostgresConnection(raw)
        for statement in TABLES.split(";"):
            connection.execute(statement)
        yield connection


def test_the_newest_day_counts(marts: Connection) -> None:
    found = read_numbers(marts, ["a", "none", "never", "unknown"])
    assert set(found) == {"a", "none", "never"}
    assert read_numbers(marts, ["a"]) == {"a": found["a"]}
    one = found["a"]
    assert (one.as_of, one.as_of_date) == (datetime(2026, 6, 30, 12, tzinfo=UTC), date(2026, 6, 30))
    assert (one.total, one.this_month, one.last_month_same_point, one.last_month_full) == (2, 3, 2, 9)
    assert (one.change_rate, one.newer_than_as_of) == (0.5, 1)


def test_no_leads_are_zero_and_no_data_is_none(marts: Connection) -> None:
    found = read_numbers(marts, ["none", "never"])
    assert (found["none"].total, found["none"].newer_than_as_of, found["none"].change_rate) == (0, 0, None)
    never = found["never"]
    assert {never.as_of, never.total, never.this_month, never.newer_than_as_of} == {None}
    assert read_numbers(marts, []) == {}

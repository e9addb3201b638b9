"""A mart that became a view keeps the rows that earlier releases stored in it as a table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.raw_world import fill, touch
from tests.transform.conftest import Raw
from zoho_pipeline.reading import published
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.open_engine import forget_channel
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

Rows = list[tuple[Any, ...]]
KEY = "channel_id, as_of_date, stage, definition, dimension, dimension_value"
BEFORE = (
    "create table marts.was as select * from marts.conversion_rate",
    "drop view marts.conversion_rate_headline",
    "drop view marts.conversion_rate",
    "drop table marts.conversion_rate_counts",
    "drop table marts.conversion_rate_earlier",
    "alter table marts.was rename to conversion_rate",
    "create view marts.conversion_rate_headline as select * from marts.conversion_rate"
    " where stage = 'deal' and definition = 'matured_30d'",
    "delete from pipeline_state.published_marts where name in ('conversion_rate_counts', 'conversion_rate_earlier')",
    "update pipeline_state.channel_state set fingerprint = 'of that release'",
)
"""Makes the publication what the release before left: conversion_rate is a table."""


def change(warehouse: Warehouse, *statements: str) -> None:
    """Change what is published, without a transform."""
    if isinstance(warehouse, DuckDBWarehouse):
        with duckdb.connect(str(warehouse.published_path)) as file:
            for statement in statements:
                file.execute(statement)
        return
    with warehouse.connect(read_only=False) as connection:
        for statement in statements:
            connection.execute(statement)


def read(warehouse: Warehouse, what: str = f"* from conversion_rate order by {KEY}") -> Rows:
    with published.connect(warehouse) as connection:
        return connection.fetch(f"select {what}")[1]


def by_day(warehouse: Warehouse, table: str) -> Rows:
    return read(
        warehouse, f"channel_id, cast(as_of_date as varchar), count(*) from {table} group by 1, 2 order by 1, 2"
    )


def two_days(warehouse: Warehouse) -> Rows:
    """Publish two days of two channels as the release before did; the rows of conversion_rate."""
    fill(warehouse, channels=2, leads=30)
    transform(warehouse, as_of="2026-06-28T12:00:00")
    transform(warehouse, full=True)
    rows = read(warehouse)
    change(warehouse, *BEFORE)
    assert read(warehouse) == rows
    return rows


@pytest.mark.long
def test_the_rows_of_a_table_survive_when_it_becomes_a_view(warehouse: Warehouse) -> None:
    rows = two_days(warehouse)
    days = by_day(warehouse, "conversion_rate")
    assert [row[:2] for row in days] == [(c, day) for c in ("ch0", "ch1") for day in ("2026-06-28", "2026-06-30")]
    assert {row[9] for row in rows} >= {0, 1}, "values without leads have rows too"

    transform(warehouse, select="lead")
    assert read(warehouse) == rows, "a selection leaves the table"
    transform(warehouse, channels=["ch0"])
    assert read(warehouse) == rows
    assert by_day(warehouse, "conversion_rate_earlier") == [days[0], *days[2:]]
    assert by_day(warehouse, "conversion_rate_counts") == [(*days[1][:2], days[1][2] // 18)]
    headline = [row for row in rows if row[3:5] == ("deal", "matured_30d")]
    assert read(warehouse, f"* from conversion_rate_headline order by {KEY}") == headline

    assert transform(warehouse).channels == ("ch1",)
    assert read(warehouse) == rows
    assert by_day(warehouse, "conversion_rate_earlier") == [days[0], days[2]]
    touch(warehouse, "ch1", 1)
    assert transform(warehouse).channels == ("ch1",)
    assert [row[:2] for row in by_day(warehouse, "conversion_rate")] == [row[:2] for row in days]
    assert by_day(warehouse, "conversion_rate_earlier") == [days[0], days[2]]
    forget_channel(warehouse, "ch0")
    assert {row[0] for row in by_day(warehouse, "conversion_rate")} == {"ch1"}
    assert by_day(warehouse, "conversion_rate_earlier") == [days[2]]


@pytest.mark.long
def test_a_selection_of_a_view_publishes_all_that_it_reads(warehouse: Warehouse) -> None:
    rows = two_days(warehouse)
    transform(warehouse, select="conversion_rate_counts")
    assert read(warehouse) == rows, "the tables of a view are published together, or rows would be there twice"
    transform(warehouse, select="conversion_rate_headline")
    assert read(warehouse) == rows
    assert {row[0] for row in by_day(warehouse, "conversion_rate_counts")} == {"ch0", "ch1"}


def test_the_key_of_the_view_is_unique(warehouse: Warehouse) -> None:
    fill(warehouse, channels=2, leads=30)
    transform(warehouse)
    assert read(warehouse, f"{KEY} from conversion_rate group by {KEY} having count(*) > 1") == []
    pairs = read(warehouse, "count(distinct stage || definition), count(*) from conversion_rate")
    (values,) = read(warehouse, "count(*) from conversion_rate_counts")
    assert pairs == [(18, 18 * values[0])]


@pytest.mark.long
def test_a_persons_view_on_the_table_is_named(postgres_url: str, tmp_path: Path) -> None:
    postgres_warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=postgres_url, registry_url=""))
    rows = two_days(postgres_warehouse)
    change(postgres_warehouse, "create view public.mine as select channel_id from marts.conversion_rate")
    with pytest.raises(TransformError, match=r"marts\.conversion_rate changed, and view (public\.)?mine reads it"):
        transform(postgres_warehouse)
    assert read(postgres_warehouse) == rows
    change(postgres_warehouse, "drop view public.mine")
    transform(postgres_warehouse)
    change(postgres_warehouse, "create view public.mine as select channel_id from marts.conversion_rate")
    transform(postgres_warehouse, full=True)
    assert read(postgres_warehouse) == rows


@pytest.mark.long
def test_who_could_read_a_table_can_read_the_view(postgres_url: str, tmp_path: Path) -> None:
    """BI tools lost the rates at the upgrade, where the role was given single tables."""
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=postgres_url, registry_url=""))
    two_days(warehouse)
    marts = ("conversion_rate", "conversion_rate_headline")
    readable = [
        f"count(*) from pg_class where relname = '{mart}' and has_table_privilege('public', oid, 'select')"
        for mart in marts
    ]
    grants = [f"grant select on marts.{mart} to public" for mart in marts]
    change(warehouse, *grants, "grant insert on marts.conversion_rate to public")
    transform(warehouse)
    assert [read(warehouse, counted) for counted in readable] == [[(1,)], [(1,)]]
    assert read(warehouse, "has_table_privilege('public', 'marts.conversion_rate', 'insert')") == [(False,)]
    assert read(warehouse, "has_table_privilege('public', 'marts.conversion_rate_counts', 'select')") == [(False,)]


def test_a_mart_with_another_column_keeps_its_readers(
    postgres_url: str, tmp_path: Path, project: Callable[..., Project]
) -> None:
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=postgres_url, registry_url=""))
    Raw(warehouse).channel("a")
    transform(warehouse, project=project({}))
    change(warehouse, "grant select on marts.lead to public")
    wider = "select l.channel_id, l.id, l.amount, 'Website' as source, 7 as extra from stg_leads as l"
    transform(warehouse, project=project({"marts/lead.sql": wider}))
    assert read(warehouse, "has_column_privilege('public', 'marts.lead', 'extra', 'select')") == [(True,)]


def test_a_view_reads_a_view(warehouse: Warehouse, raw: Raw, project: Callable[..., Project]) -> None:
    """It is made anew when the mart below changes."""
    yml = "models:\n" + "".join(
        f"  - name: {name}\n    description: A view.\n    config: {{materialized: view}}\n"
        for name in ("web", "web_id")
    )
    views = {
        "marts/web.sql": "select channel_id, id, amount from lead where source = 'Website'",
        "marts/web_id.sql": "select id from web",
        "marts/web.yml": yml,
    }
    transform(warehouse, project=project(views))
    assert read(warehouse, "* from web_id") == [("1",)]
    wider = "select l.channel_id, l.id || '0' as id, l.amount, 'Website' as source, 7 as extra from stg_leads as l"
    changed = views | {
        "marts/lead.sql": wider,
        "marts/web.sql": "select channel_id, extra, id from lead where id = '10' and channel_id = 'a'",
    }
    transform(warehouse, project=project(changed))
    assert read(warehouse, "* from web_id") == [("10",)]
    assert read(warehouse, "* from web") == [("a", 7, "10")]

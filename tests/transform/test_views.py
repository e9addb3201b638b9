"""Views on marts, and the descriptions that tables, views and columns carry in the database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transform.conftest import PROJECT, Raw
from zoho_pipeline.reading import published
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.errors import ProjectError, TransformError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.postgres_engine import forget_in_marts
from zoho_pipeline.transform.run.published_files.forget import forget_in_published_files
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.postgres_warehouse import PostgresWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

MakeProject = Callable[..., Project]
WEB = "-- Leads of the site.\nselect channel_id, id, amount from lead where source = 'Website'"
YML = """
    models:
      - name: web_lead
        description: A view. It shows the leads of the site, and no other one's.
        config: {materialized: view}
        columns:
          - name: id
            description: Zoho's id of the "lead".
            tests: [unique]
"""
VIEW: dict[str, str | None] = {"marts/web_lead.sql": WEB, "marts/web.yml": YML}
COMMENTS = {
    "duckdb": "select table_name, '', comment from duckdb_tables() where schema_name = 'marts' union all"
    " select view_name, '', comment from duckdb_views() where schema_name = 'marts' union all"
    " select table_name, column_name, comment from duckdb_columns() where schema_name = 'marts'",
    "postgres": "select c.relname, coalesce(a.attname, ''), d.description from pg_description as d"
    " join pg_class as c on c.oid = d.objoid"
    " left join pg_attribute as a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0"
    " where c.relnamespace = 'marts'::regnamespace and d.classoid = 'pg_class'::regclass",
}


def read(warehouse: Warehouse, sql: str = "select * from web_lead order by 1, 2") -> list[tuple[object, ...]]:
    with published.connect(warehouse) as connection:
        return connection.fetch(sql)[1]


def ids(warehouse: Warehouse) -> list[tuple[object, object]]:
    return [(row[0], row[1]) for row in read(warehouse)]


def comments(warehouse: Warehouse) -> dict[tuple[object, object], object]:
    return {(table, column): text for table, column, text in read(warehouse, COMMENTS[warehouse.dialect]) if text}


def test_a_view_shows_what_its_mart_has(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    report = transform(warehouse, project=project(VIEW))
    assert [(m.name, m.rows) for m in report.models if m.name == "web_lead"] == [("web_lead", 1)]
    assert "unique_web_lead_id" not in {check.name for check in report.checks}, "its table was checked"
    assert ids(warehouse) == [("a", "1")]
    raw.lead("b", "2")
    assert transform(warehouse, project=project(VIEW)).channels == ("b",)
    assert ids(warehouse) == [("a", "1"), ("b", "2")]
    assert not transform(warehouse, project=project(VIEW)).published


def test_a_view_that_is_not_there_yet_is_made(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    transform(warehouse, project=project())
    transform(warehouse, project=project(VIEW), select="insight")
    assert ids(warehouse) == [("a", "1")], "a selection makes the views too"


def test_a_selection_before_the_mart_of_a_view(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    transform(warehouse, project=project(VIEW), select="insight")
    with published.connect(warehouse) as connection:
        assert set(connection.tables("marts")) == {"insight"}


def test_a_mart_and_its_view_change_together(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    transform(warehouse, project=project(VIEW))
    wider = PROJECT["marts/lead.sql"].replace("l.amount,", "cast(l.amount as integer) as amount, 7 as extra,")
    transform(warehouse, project=project(VIEW | {"marts/lead.sql": wider}), select="lead")
    assert read(warehouse) == [("a", "1", 2)]
    other = WEB.replace("id, amount", "amount, id, source")
    transform(warehouse, project=project(VIEW | {"marts/lead.sql": wider, "marts/web_lead.sql": other}))
    assert read(warehouse) == [("a", 2, "1", "Website")]


def test_a_view_can_become_a_table_and_a_table_a_view(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    for _ in range(2):
        transform(warehouse, project=project(VIEW | {"marts/web.yml": None}))
        assert ids(warehouse) == [("a", "1")]
        transform(warehouse, project=project(VIEW))
        assert ids(warehouse) == [("a", "1")]


def test_a_view_without_a_model_is_dropped(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    transform(warehouse, project=project(VIEW))
    gone = dict.fromkeys((*VIEW, "marts/lead.sql", "marts/marts.yml"))
    days = {"marts/insight.sql": "select channel_id, as_of_date from int_clock"}
    transform(warehouse, project=project({**gone, **days}))
    with published.connect(warehouse) as connection:
        assert set(connection.tables("marts")) == {"insight"}


def test_a_purged_channel_leaves_the_view(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    raw.lead("b", "2")
    transform(warehouse, project=project(VIEW))
    if isinstance(warehouse, DuckDBWarehouse):
        forget_in_published_files(warehouse, "a")
    elif isinstance(warehouse, PostgresWarehouse):
        forget_in_marts(warehouse, "a")
    assert ids(warehouse) == [("b", "2")]
    assert comments(warehouse)["web_lead", ""]


def test_descriptions_are_in_the_database(warehouse: Warehouse, raw: Raw, project: MakeProject) -> None:
    transform(warehouse, project=project(VIEW))
    wanted = {
        ("lead", ""): "One row per lead.",
        ("lead", "id"): "Zoho's id.",
        ("web_lead", ""): "A view. It shows the leads of the site, and no other one's.",
        ("web_lead", "id"): 'Zoho\'s id of the "lead".',
    }
    assert comments(warehouse) == wanted
    yml = PROJECT["marts/marts.yml"].replace("One row per lead.", "A lead; 100 %?")
    transform(warehouse, project=project(VIEW | {"marts/marts.yml": yml}))
    assert comments(warehouse) == wanted | {("lead", ""): "A lead; 100 %?"}
    raw.lead("a", "3")
    transform(warehouse, project=project(VIEW | {"marts/marts.yml": yml}))
    assert comments(warehouse) == wanted | {("lead", ""): "A lead; 100 %?"}


def test_a_persons_view_on_a_view_is_named(postgres_url: str, project: MakeProject, tmp_path: Path) -> None:
    warehouse = open_warehouse(Settings(home=tmp_path, warehouse_url=postgres_url, registry_url=""))
    raw = Raw(warehouse)
    raw.channel("a")
    transform(warehouse, project=project(VIEW))
    raw.run("create view public.mine as select id from marts.web_lead")
    raw.lead("a", "1")
    transform(warehouse, project=project(VIEW), full=True)
    assert read(warehouse, "select id from public.mine") == [("1",)]
    wider = PROJECT["marts/lead.sql"].replace("l.amount,", "l.amount, 7 as extra,")
    with pytest.raises(TransformError, match=r"marts\.web_lead changed, and view (public\.)?mine reads it"):
        transform(warehouse, project=project(VIEW | {"marts/lead.sql": wider}))


@pytest.mark.parametrize(
    ("file", "sql", "message"),
    [
        ("marts/web_lead.sql", "select channel_id, id from stg_leads", "reads only marts"),
        ("marts/web_lead.sql", "with l as (select * from lead) select id from l", "one SELECT without WITH"),
        ("marts/web_lead.sql", "select 1 as id", "reads only marts"),
    ],
)
def test_a_view_reads_marts(project: MakeProject, file: str, sql: str, message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        project(VIEW | {file: sql})

"""The content catalogue from a database: a table or a query, incremental loads, refused loads, hidden passwords."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from zoho_pipeline.ingest.content.database import load_content_sql
from zoho_pipeline.ingest.content.read_file import ContentError
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

QUERY = "select id as content_id, kind as content_type, published as published_at, title, changed from articles"
ARTICLES = "create table articles (id text, kind text, published text, title text, changed text)"
Load = Callable[..., int]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return open_warehouse(
        Settings(home=tmp_path / "home", warehouse_url=f"duckdb:///{tmp_path}/w.duckdb", registry_url="")
    )


@pytest.fixture
def load(tmp_path: Path, warehouse: Warehouse) -> Load:
    """`load(url, query=…)` loads the catalogue of the channel `acme`."""
    settings = Settings(
        home=tmp_path / "home", warehouse_url=warehouse.url, registry_url=f"sqlite:///{tmp_path}/registry.sqlite"
    )
    settings.home.mkdir(exist_ok=True)
    return lambda url, **how: load_content_sql(settings, warehouse, "acme", Secret(url), **how)


class Site:
    """A SQLite database with articles."""

    def __init__(self, path: Path) -> None:
        self.path, self.url = path, f"sqlite:///{path}"
        self.run(ARTICLES)

    def run(self, sql: str, *values: object) -> None:
        with sqlite3.connect(self.path) as connection:
            connection.execute(sql, values)
        connection.close()

    def article(self, id_: str | None, changed: str | None, title: str = "T", published: str = "2026-05-01") -> None:
        self.run("delete from articles where id = ?", id_)
        self.run("insert into articles values (?, 'blog_post', ?, ?, ?)", id_, published, title, changed)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "site.db")
    site.article("c1", "2026-05-01 10:00", published="2026-05-01T09:30:00+05:30")
    site.article("c2", "2026-05-02 10:00")
    return site


def titles(warehouse: Warehouse) -> dict[str, str]:
    with warehouse.connect() as connection:
        if "content_items" not in connection.tables():
            return {}
        rows = connection.rows("select content_id, title from zoho_raw.content_items order by 1")
    return {row["content_id"]: row["title"] for row in rows}


@pytest.mark.long
def test_a_query_reads_only_what_changed_since(load: Load, site: Site, warehouse: Warehouse) -> None:
    how = {"query": f"{QUERY};", "incremental": "changed"}
    assert load(site.url, **how) == 2
    site.article("c2", "2026-05-02 10:00", title="A tie")
    site.article("c1", "2026-04-01 10:00", title="Changed behind the cursor")
    site.article("c3", "2026-05-03 10:00", title="New")
    site.article("c4", None, title="Never dated")
    assert load(site.url, **how) == 3
    assert titles(warehouse) == {"c1": "T", "c2": "A tie", "c3": "New", "c4": "Never dated"}
    assert load(site.url, **how) == 2, "the newest and the undated are read again"
    assert load(site.url, query=QUERY.replace(", changed", "")) == 4
    assert titles(warehouse)["c1"] == "Changed behind the cursor"
    with warehouse.connect() as connection:
        (item,) = connection.rows("select published_at from zoho_raw.content_items where content_id = 'c1'")
    assert item["published_at"].isoformat().startswith("2026-05-01")


@pytest.mark.long
def test_a_refused_load_moves_no_cursor(load: Load, site: Site, warehouse: Warehouse) -> None:
    how = {"query": QUERY, "incremental": "changed"}
    assert load(site.url, **how) == 2
    site.article("c3", "2026-05-03 10:00", title="New")
    site.article("c4", "2026-05-04 10:00", published="soon")
    with pytest.raises(ContentError, match=r"row 3, column published_at: 'soon' is not a time.*Nothing was loaded"):
        load(site.url, **how)
    assert titles(warehouse) == {"c1": "T", "c2": "T"}
    site.article("c4", "2026-05-02 23:00")
    assert load(site.url, **how) == 3
    assert set(titles(warehouse)) == {"c1", "c2", "c3", "c4"}


def test_a_colon_and_a_percent_in_a_query_are_text(load: Load, site: Site, warehouse: Warehouse) -> None:
    assert load(site.url, query=f"{QUERY.replace(', changed', '')} where title <> ' :name' and id like 'c%'") == 2


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"query": "select id as content_id, published as published_at from articles"}, "content_type is missing"),
        ({"query": QUERY}, "unknown column changed"),
        ({"query": "select * from nowhere"}, "the query: no such table: nowhere"),
        ({"query": QUERY, "incremental": "changd"}, "changd"),
        ({"table": "nowhere"}, "there is no table nowhere"),
        ({"table": "articles"}, "articles: column content_id, content_type, published_at is missing"),
        ({"table": "articles", "incremental": "changd"}, "changd"),
        ({}, "give either a query or a table"),
    ],
)
def test_a_wrong_query_is_reported(
    load: Load, site: Site, warehouse: Warehouse, how: dict[str, str], said: str
) -> None:
    with pytest.raises(ContentError) as caught:
        load(site.url, **how)
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_rows_are_checked_like_lines_of_a_file(load: Load, site: Site, warehouse: Warehouse) -> None:
    site.run("insert into articles values (null, 'video', '2026-05-01', 'T', null)")
    site.run("insert into articles values ('c1', 'video', '2026-05-01', 'T', null)")
    with pytest.raises(ContentError) as caught:
        load(site.url, query=QUERY.replace(", changed", ""))
    assert "row 3, column content_id: is empty; row 4, column content_id: row 1 has 'c1' too" in str(caught.value)
    assert titles(warehouse) == {}


@pytest.mark.long
def test_a_table_of_postgres_by_its_times(load: Load, postgres_url: str, warehouse: Warehouse) -> None:
    with psycopg2.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute("create schema site")
        cursor.execute(
            "create table site.content (content_id int, content_type text, published_at timestamptz, title text,"
            " updated_at timestamptz, editor text)"
        )
        cursor.execute("insert into site.content values (1, 'video', '2026-05-01 00:00+02', 'One', '2026-05-01 1:00')")
    connection.close()
    how = {"table": "site.content", "incremental": "updated_at"}
    assert load(postgres_url, **how) == 1
    with psycopg2.connect(postgres_url) as connection, connection.cursor() as cursor:
        cursor.execute("insert into site.content values (2, 'video', '2026-05-01 00:00+02', 'Two', '2026-05-02 1:00')")
        cursor.execute("insert into site.content values (3, 'video', '2026-05-01 00:00+02', 'Old', '2026-04-01 1:00')")
    connection.close()
    assert load(postgres_url, **how) == 2
    assert titles(warehouse) == {"1": "One", "2": "Two"}
    query = "select content_id::text, content_type, published_at, updated_at from site.content where title <> '50%'"
    assert load(postgres_url, query=query, incremental="updated_at") == 3
    assert load(postgres_url, query=query, incremental="updated_at") == 1


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:hunter22@127.0.0.1:1/site",
        "postgres://someone@127.0.0.1:1/site?password=hunter22",
        "mysql://someone:hunter22@127.0.0.1:1/site",
        "nosuchkind://someone:hunter22@127.0.0.1:1/site",
        "someone:hunter22",
    ],
)
def test_a_password_is_never_shown(load: Load, warehouse: Warehouse, url: str) -> None:
    with pytest.raises(ContentError) as caught:
        load(url, table="content")
    assert "hunter22" not in str(caught.value)
    assert "hunter22" not in repr(caught.value.__cause__)

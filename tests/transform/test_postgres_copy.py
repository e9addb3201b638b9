"""The copy of the marts in Postgres: it equals the published file after each transform, all at once or not at all."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from tests.postgres import free_port
from tests.transform.conftest import Raw, write_project
from zoho_pipeline.settings import Settings, SettingsError, load_settings
from zoho_pipeline.transform.errors import TransformError, TransformFailed
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.open_engine import forget_channel
from zoho_pipeline.transform.run.transform import TransformReport, transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import open_warehouse

TYPED = {
    "marts/typed.sql": """
        select l.channel_id, l.id, cast(l.amount as decimal(12, 4)) as amount, cast(l.amount as double) as rate,
            cast(l.id as bigint) as n, l.id = '1' as is_first, cast('2026-02-28' as date) as day,
            cast('2026-02-28 01:02:03.000004' as timestamp) as created_at,
            cast('2026-02-28 06:32:03' as timestamp) as created_local,
            case when l.id = '1' then '' end as nothing, l.source
        from stg_leads as l
    """,
}
VIEW = {
    "marts/big_lead.sql": "select channel_id, id, amount from lead where amount > 2",
    "marts/big_lead.yml": """
        models:
          - name: big_lead
            description: The leads with a large amount.
            config: {materialized: view}
    """,
}


class Copy:
    """A DuckDB warehouse whose marts are copied to a database, and a session in that database."""

    def __init__(self, tmp_path: Path, url: str) -> None:
        self.tmp_path, self.url = tmp_path, url
        self.warehouse = self.placed(url)
        self.raw = Raw(self.warehouse)
        for channel in ("a", "b"):
            self.raw.channel(channel)
        self.raw.lead("a", "1")
        self.raw.lead("a", "2", amount="2.25", source="ad")
        self.raw.lead("b", "1", source="fair")
        self.admin = psycopg2.connect(url)
        self.admin.autocommit = True

    def placed(self, url: str) -> DuckDBWarehouse:
        names = {"ZOHO_PIPELINE_HOME": f"{self.tmp_path}/home", "ZOHO_PIPELINE_PUBLISHED": url}
        warehouse = open_warehouse(load_settings(names))
        assert isinstance(warehouse, DuckDBWarehouse)
        return warehouse

    def build(self, changes: dict[str, str | None] | None = None, **more: Any) -> TransformReport:
        return transform(self.warehouse, project=write_project(self.tmp_path / "sql", changes), **more)

    def ask(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with self.admin.cursor() as cursor:
            cursor.execute(sql, params or None)
            return cursor.fetchall() if cursor.description else []

    def same(self) -> bool:
        """Whether each mart of the copy has the rows of the published file."""
        with self.warehouse.published() as published:
            assert published is not None
            for mart, columns in published.tables("marts").items():
                listed = ", ".join(f"cast({name} as varchar)" for name in columns if not name.endswith(("_at", "_utc")))
                here = sorted(published.fetch(f"select {listed} from {mart}")[1], key=repr)
                if here != sorted(self.ask(f"select {listed} from marts.{mart}"), key=repr):
                    return False
        return True


@pytest.fixture
def copy(tmp_path: Path, postgres_url: str) -> Iterator[Copy]:
    made = Copy(tmp_path, postgres_url)
    yield made
    made.admin.close()


def versions(copy: Copy, mart: str = "lead") -> dict[tuple[str, str], str]:
    """(channel, id) → the transaction that wrote the row."""
    return {(c, i): x for c, i, x in copy.ask(f"select channel_id, id, xmin::text from marts.{mart}")}


def test_the_copy_has_every_mart_with_exact_types_and_comments(copy: Copy) -> None:
    report = copy.build({**TYPED, **VIEW})
    assert report.copied is not None
    assert (report.copied.channels, report.copied.rows, report.copy_error) == (2, 8, None)
    assert copy.same()
    query = "select column_name, data_type, numeric_precision, numeric_scale from information_schema.columns"
    found = {name: (kind, *more) for name, kind, *more in copy.ask(f"{query} where table_name = 'typed'")}
    assert found["amount"] == ("numeric", 12, 4)
    kinds = {name: kind for name, (kind, *_) in found.items() if name != "amount"}
    assert kinds == {
        "channel_id": "text", "id": "text", "rate": "double precision", "n": "bigint", "is_first": "boolean",
        "day": "date", "created_at": "timestamp with time zone", "created_local": "timestamp without time zone",
        "nothing": "text", "source": "text",
    }  # fmt: skip
    (row,) = copy.ask("select created_at, created_local, nothing from marts.typed where channel_id = 'b'")
    assert row == (datetime(2026, 2, 28, 1, 2, 3, 4, UTC), datetime.fromisoformat("2026-02-28T06:32:03"), "")
    assert copy.ask("select nothing from marts.typed where id = '2'") == [(None,)], "a null is no empty text"
    described = "select obj_description('marts.lead'::regclass), col_description('marts.lead'::regclass, 2)"
    assert copy.ask(described) == [("One row per lead.", "Zoho's id.")]
    assert copy.ask("select obj_description('marts.big_lead'::regclass), count(*) from marts.big_lead") == [
        ("The leads with a large amount.", 1)
    ]


def test_only_what_changed_is_written(copy: Copy) -> None:
    copy.build()
    before = versions(copy)
    nothing = copy.build()
    assert nothing.copied is not None
    assert not nothing.copied.changed
    copy.raw.lead("b", "2")
    report = copy.build()
    assert report.copied is not None
    assert (report.copied.channels, report.copied.rows) == (1, 3), "lead has two rows of b, and insight has one"
    after = versions(copy)
    assert {key for key in after if after[key] != before.get(key)} == {("b", "1"), ("b", "2")}
    assert copy.same()


def test_a_rebuild_of_everything_writes_nothing_where_no_row_changed(copy: Copy) -> None:
    copy.build()
    before = versions(copy)
    report = copy.build(full=True)
    assert report.copied is not None
    assert (report.copied.changed, report.copied.rows) == (True, 0)
    assert versions(copy) == before


def test_a_reader_keeps_one_state_and_another_one_sees_all_marts_of_the_next(copy: Copy) -> None:
    copy.build()
    reader = psycopg2.connect(copy.url)
    reader.set_session(isolation_level="REPEATABLE READ", readonly=True)
    counts = "select (select count(*) from marts.lead), (select sum(leads) from marts.insight)"
    with reader.cursor() as cursor:
        cursor.execute(counts)
        assert cursor.fetchall() == [(3, 3)]
        copy.raw.lead("a", "3")
        assert copy.build().copy_error is None
        cursor.execute(counts)
        assert cursor.fetchall() == [(3, 3)]
    reader.close()
    assert copy.ask(counts) == [(4, 4)]


@pytest.mark.long
def test_a_lost_session_leaves_the_old_state_and_the_next_transform_repairs_it(copy: Copy) -> None:
    copy.build()
    copy.ask(
        "create function marts.end_it() returns trigger language plpgsql as"
        " $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$"
    )
    copy.ask("create trigger end_it before insert on marts.lead for each row execute function marts.end_it()")
    copy.raw.lead("a", "3")
    report = copy.build()
    assert report.published, "the published file is new"
    assert report.copy_error is not None
    assert report.copy_error.count("\n") == 0
    assert "the session with the Postgres copy of the marts ended" in report.copy_error
    with pytest.raises(TransformFailed, match="their copy in Postgres is still that of an earlier transform"):
        report.require_complete()
    assert copy.ask("select count(*), (select sum(leads) from marts.insight) from marts.lead") == [(3, 3)]
    copy.raw.lead("b", "9")
    assert copy.build().copy_error is not None, "another publication is missed"
    copy.ask("drop trigger end_it on marts.lead")
    repaired = copy.build()
    assert not repaired.published
    assert (repaired.copy_error, repaired.copied and repaired.copied.channels) == (None, 2)
    assert copy.same()


def test_a_server_that_is_down_holds_nothing_up(copy: Copy) -> None:
    copy.build()
    password = "s3cr#t/p:w"
    down = copy.placed(f"postgresql://bi:{quote(password, safe='')}@127.0.0.1:{free_port()}/bi")
    copy.raw.lead("a", "3")
    report = transform(down, project=write_project(copy.tmp_path / "sql"))
    assert report.published
    assert report.copy_error is not None
    assert "cannot connect to postgresql://bi:***@127.0.0.1" in report.copy_error
    assert "Check ZOHO_PIPELINE_PUBLISHED" in report.copy_error
    assert password not in report.copy_error
    assert quote(password, safe="") not in report.copy_error
    assert copy.build().copied is not None
    assert copy.same()


def test_a_channel_that_is_removed_or_purged_leaves_the_copy(copy: Copy) -> None:
    copy.build()
    copy.raw.run("delete from zoho_raw.channels where channel_id = 'a'")
    copy.raw.run("delete from zoho_raw.leads where channel_id = 'a'")
    assert copy.build().removed == ("a",)
    assert copy.ask("select distinct channel_id from marts.lead") == [("b",)]
    forget_channel(copy.warehouse, "b")
    assert copy.ask("select count(*) from marts.lead") == [(0,)]
    assert copy.ask("select count(*) from pipeline_state.copied_rows") == [(0,)]


def test_a_purge_says_that_the_copy_still_has_the_rows(copy: Copy) -> None:
    copy.build()
    down = copy.placed(f"postgresql://bi@127.0.0.1:{free_port()}/bi")
    with pytest.raises(Exception, match=r"still has the rows of a: cannot connect .* Then purge again\."):
        forget_channel(down, "a")
    forget_channel(copy.warehouse, "a")
    assert copy.ask("select distinct channel_id from marts.lead") == [("b",)]


MORE = {"marts/lead.sql": "select l.channel_id, l.id, l.amount, l.source, 1 as extra from stg_leads as l"}
LESS = {"marts/lead.sql": "select l.channel_id, l.id, l.source from stg_leads as l"}
SHORT = {
    "marts/insight.sql": """
        select c.channel_id, c.as_of_date, p.is_weekly from int_clock as c cross join run_parameters as p
    """
}
"""A mart of insight that reads no amount."""
OTHER = {
    "marts/lead.sql": "select l.channel_id, l.id, cast(l.amount as varchar) as amount, l.source from stg_leads as l"
}


def test_a_new_column_leaves_views_and_grants_of_users(copy: Copy) -> None:
    copy.build(VIEW)
    copy.ask("drop role if exists bi_reader")
    copy.ask("create role bi_reader")
    copy.ask("grant usage on schema marts to bi_reader")
    copy.ask("grant select on all tables in schema marts to bi_reader")
    copy.ask("create schema bi")
    copy.ask("create view bi.mine as select channel_id, amount from marts.lead")
    copy.ask("create view bi.other as select id from marts.big_lead")
    try:
        report = copy.build({**VIEW, **MORE})
        assert report.copy_error is None
        assert copy.ask("select distinct extra from marts.lead") == [(1,)]
        assert copy.ask("select count(*) from bi.mine") == [(3,)]
        assert copy.same()
        allowed = "select has_table_privilege('bi_reader', 'marts.lead', 'select')"
        assert copy.ask(allowed) == [(True,)]
    finally:
        copy.ask("drop owned by bi_reader")
        copy.ask("drop role bi_reader")


@pytest.mark.parametrize("change", [LESS, OTHER])
def test_a_view_of_a_user_that_needs_a_column_is_named(copy: Copy, change: dict[str, str | None]) -> None:
    copy.build(SHORT)
    copy.ask("create schema bi")
    copy.ask("create view bi.mine as select amount from marts.lead")
    report = copy.build({**SHORT, **change})
    assert report.copy_error is not None
    assert "marts.lead changed, and view bi.mine of that database reads it. Drop that" in report.copy_error
    assert copy.ask("select count(amount) from bi.mine") == [(3,)], "the old state"
    copy.ask("drop view bi.mine")
    assert copy.build({**SHORT, **change}).copy_error is None
    assert copy.same()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("create policy mine on marts.lead using (amount > 0)", "policy mine on table marts.lead"),
        ("create function bi.f() returns numeric return (select sum(amount) from marts.lead)", "function bi.f()"),
        ('create view bi."my view" as select amount from marts.lead', 'view bi."my view"'),
    ],
    ids=["policy", "function", "view"],
)
def test_any_object_that_needs_a_column_is_named(copy: Copy, statement: str, named: str) -> None:
    copy.build(SHORT)
    copy.ask("create schema bi")
    copy.ask(statement)
    assert f"and {named} of that database reads it. Drop that" in str(copy.build({**SHORT, **LESS}).copy_error)


@pytest.mark.parametrize(
    "statement",
    [
        "alter table marts.lead add constraint mine check (id < '3')",
        "create table bi.note (c text, i text, constraint mine foreign key (c, i) references marts.lead)",
    ],
    ids=["check", "foreign key"],
)
def test_a_constraint_of_a_user_is_named_with_the_cure_and_without_values(copy: Copy, statement: str) -> None:
    copy.build()
    copy.ask("create schema bi")
    copy.ask("alter table marts.lead add primary key (channel_id, id)")
    copy.ask(statement)
    if "bi.note" in statement:
        copy.ask("insert into bi.note values ('a', '2')")
        with pytest.raises(TransformError, match="Somebody added this constraint") as raised:
            forget_channel(copy.warehouse, "a")
        assert "\n" not in str(raised.value), "a further line of the server has the values of the key"
    copy.raw.lead("a", "3")
    refused = copy.build().copy_error
    assert refused is not None
    assert '"mine"' in refused
    assert "so drop it, then run the transform again." in refused


def test_a_policy_hides_no_row_from_a_purge(copy: Copy) -> None:
    copy.ask("drop role if exists copier")
    copy.ask("create role copier login")
    copy.ask(f'grant create on database "{copy.url.rsplit("/", 1)[1]}" to copier')
    copy.warehouse = copy.placed(copy.url.replace("postgres@", "copier@"))
    try:
        assert copy.build().copy_error is None
        copy.ask("alter table marts.lead enable row level security, force row level security")
        copy.ask("create policy mine on marts.lead using (channel_id = 'b')")
        with pytest.raises(TransformError, match=r"still has the rows of a: .* NO FORCE ROW LEVEL SECURITY\."):
            forget_channel(copy.warehouse, "a")
        copy.ask("alter table marts.lead no force row level security")
        forget_channel(copy.warehouse, "a")
        assert copy.ask("select distinct channel_id from marts.lead") == [("b",)]
    finally:
        copy.ask("drop owned by copier")
        copy.ask("drop role copier")


def test_limits_of_time_of_the_user_do_not_end_a_copy(copy: Copy) -> None:
    copy.build()
    copy.ask(
        "create function marts.slow() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(1); return new; end $$"
    )
    copy.ask("create trigger slow before insert on marts.lead for each row execute function marts.slow()")
    copy.raw.lead("b", "2")
    copy.warehouse = copy.placed(f"{copy.url}?options=-cstatement_timeout%3D900")
    assert copy.build().copy_error is None
    assert copy.same()


def test_what_a_user_dropped_comes_back_with_the_next_publication(copy: Copy) -> None:
    copy.build(VIEW)
    copy.ask("drop view marts.big_lead")
    copy.raw.lead("a", "3", amount="9")
    assert copy.build(VIEW).copy_error is None
    assert copy.ask("select count(*) from marts.big_lead where id = '3'") == [(1,)]
    copy.ask("drop schema marts cascade")
    forget_channel(copy.warehouse, "a")
    copy.raw.lead("b", "4", amount="9")
    assert copy.build(VIEW).copy_error is None
    assert copy.same()


def test_our_own_views_follow_their_tables(copy: Copy) -> None:
    copy.build(VIEW)
    copy.ask("grant select on marts.big_lead to public")
    other = {**OTHER, **SHORT}
    changed = {**VIEW, "marts/big_lead.sql": "select channel_id, id, amount, source from lead where id = '2'"}
    assert copy.build({**other, **changed}).copy_error is None
    assert copy.ask("select channel_id, id, amount, source from marts.big_lead") == [("a", "2", "2.25", "ad")]
    assert copy.ask("select has_table_privilege('pg_monitor', 'marts.big_lead', 'select')") == [(True,)]
    gone = {**other, "marts/big_lead.sql": None, "marts/big_lead.yml": None}
    assert copy.build(gone).copy_error is None
    assert copy.ask("select to_regclass('marts.big_lead')") == [(None,)]


def test_a_mart_that_no_model_makes_leaves_the_copy(copy: Copy) -> None:
    copy.build(TYPED)
    (copy.tmp_path / "sql" / "marts" / "typed.sql").unlink()
    assert copy.build().copy_error is None
    assert copy.ask("select to_regclass('marts.typed')") == [(None,)]
    assert copy.same()


def test_a_database_with_other_marts_is_refused(copy: Copy) -> None:
    copy.ask("create schema marts")
    copy.ask("create table marts.precious (id int)")
    report = copy.build()
    assert report.copy_error is not None
    assert "which is no copy of these marts. Name another database in ZOHO_PIPELINE_PUBLISHED" in report.copy_error
    assert copy.ask("select count(*) from marts.precious") == [(0,)]


def test_a_user_without_rights_gets_the_cure_and_may_have_ready_schemas(copy: Copy) -> None:
    copy.ask("drop role if exists copier")
    copy.ask("create role copier login")
    other = copy.placed(copy.url.replace("postgres@", "copier@"))
    project = write_project(copy.tmp_path / "sql")
    try:
        refused = transform(other, project=project).copy_error
        assert refused is not None
        assert "permission denied for database" in refused
        assert "must own the schemas marts and pipeline_state" in refused
        copy.ask("create schema marts authorization copier")
        copy.ask("create schema pipeline_state authorization copier")
        assert transform(other, project=project).copy_error is None, "it needs no right on the database"
        assert copy.same()
        copy.ask("alter table marts.lead owner to postgres")
        with pytest.raises(TransformError, match=r"permission denied for table lead\. The user .* Then purge again"):
            forget_channel(other, "a")
    finally:
        copy.ask("drop owned by copier cascade")
        copy.ask("drop role copier")


def test_objects_of_users_in_the_schema_stay(copy: Copy) -> None:
    copy.build()
    copy.ask("create view marts.theirs as select 1 as n")
    copy.ask("create table marts.notes (note text)")
    copy.raw.lead("a", "3")
    assert copy.build().copy_error is None
    assert copy.ask("select n from marts.theirs") == [(1,)]
    assert copy.ask("select count(*) from marts.notes") == [(0,)]


def test_what_the_product_reads_is_the_published_file(copy: Copy) -> None:
    from zoho_pipeline.reading.query import query

    copy.build()
    copy.ask("update marts.lead set source = 'edited'")
    assert query(copy.warehouse, "select source from lead where channel_id = 'b'").rows == [["fair"]]
    assert copy.warehouse.published_path == copy.warehouse.default_published_path


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://u:s3cret@h/d", "is a URL of an unknown kind ('mysql')"),
        ("postgresql://u:s3cret@h:port/d", "is not a Postgres URL"),
        ("postgresql://u:a@s3cret@h/d", "is not a Postgres URL"),
        ("postgresql:/u:s3cret@h/d", "is no URL"),
        ("u:s3cret@h:5432/d", "is no URL"),
        ("host=h dbname=d password=s3cret", "is no URL"),
    ],
)
def test_a_wrong_url_is_named_at_once_without_its_password(tmp_path: Path, url: str, message: str) -> None:
    names = {"ZOHO_PIPELINE_HOME": f"{tmp_path}/home", "ZOHO_PIPELINE_PUBLISHED": url}
    with pytest.raises(SettingsError) as caught:
        load_settings(names)
    assert "ZOHO_PIPELINE_PUBLISHED" in str(caught.value)
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_warehouse_on_postgres_needs_no_copy() -> None:
    names = {"ZOHO_PIPELINE_WAREHOUSE": "postgresql://h/d", "ZOHO_PIPELINE_PUBLISHED": "postgresql://h/e"}
    with pytest.raises(SettingsError, match="people read the schema marts in place"):
        load_settings(names)


def test_the_settings_show_no_password(tmp_path: Path) -> None:
    names = {"ZOHO_PIPELINE_HOME": f"{tmp_path}/home", "ZOHO_PIPELINE_PUBLISHED": "postgresql://u:s3cret@h/d"}
    settings = load_settings(names)
    assert "s3cret" not in repr(settings)
    assert isinstance(settings, Settings)


@pytest.mark.long
def test_the_shipped_marts_are_copied(copy: Copy, project: Callable[..., Project]) -> None:
    """All marts and views of the shipped project, with their rows."""
    from benchmarks.raw_world import fill

    other = copy.placed(copy.url)
    copy.raw.run("drop schema zoho_raw cascade")
    fill(other, channels=3, leads=20)
    report = transform(other)
    assert report.copy_error is None, report.copy_error
    for mart in Project.load().marts:
        with other.published() as published:
            assert published is not None
            count = published.fetch(f"select count(*) from {mart}")[1]
        assert copy.ask(f"select count(*) from marts.{mart}") == count, mart
    described = "select count(*) from pg_description d join pg_class c on c.oid = d.objoid join pg_namespace n on n.oid = c.relnamespace"  # noqa: E501
    ((comments,),) = copy.ask(f"{described} where n.nspname = 'marts'")
    assert comments > 300

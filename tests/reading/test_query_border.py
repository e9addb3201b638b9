"""No query of a person writes, reads another file or acts outside the transaction, on either engine."""

import os
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.params import choice
from tests.transform.conftest import Raw
from zoho_pipeline.reading.query import Limits, query
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

DELETE = "delete from zoho_raw.leads"

TWO_STATEMENTS = (
    f"select 1; {DELETE}",
    f"rollback; {DELETE}",
    f"explain select 1; {DELETE}",
    f"select $a$;$a$; {DELETE}",
    f"select 1 /* ' */; {DELETE} --'",
    f"select '--'; commit; {DELETE}; select 1 as done",
    f'select 1 as "a;"; commit; {DELETE}',
    f"values (1); commit; {DELETE}",
    f"select 1) to stdout; commit; {DELETE} --",
)
NOT_READING = (
    DELETE,
    f"/* /* */ */ {DELETE}",
    f"-- a comment\n{DELETE}",
    f"explain analyze {DELETE}",
    f"explain (analyze) {DELETE}",
    f"with gone as ({DELETE} returning *) select * from gone",
    f"explain analyze with gone as ({DELETE} returning *) select * from gone",
    "explain analyze create table zoho_raw.made as select 1 as a",
    "create table zoho_raw.made as select 1 as a",
    "select 1 as a into zoho_raw.made",
    "insert into zoho_raw.leads select * from zoho_raw.leads",
    "update zoho_raw.leads set id = '0'",
    "drop schema zoho_raw cascade",
    "commit",
    "begin",
    "set transaction read write",
    "prepare p as select 1",
    "execute p",
    "deallocate all",
    "copy zoho_raw.leads to 'copied.csv'",
    "\ufeffdelete from zoho_raw.leads",
    "\u00a0delete from zoho_raw.leads",
)
ON_POSTGRES = (
    f"select E'a'\n'\\' , '; commit; {DELETE}; select 1 as done --'",
    f"select U&'\\0027'; commit; {DELETE}",
    "reset role",
    "set role postgres",
    "set session characteristics as transaction read write",
    f"do $$ begin {DELETE}; commit; end $$",
    "call nothing()",
    "copy (select 1) to program 'touch copied'",
    "copy zoho_raw.leads to stdout",
    "listen channel",
    "notify channel",
    "lock table zoho_raw.leads",
    "declare other cursor for select 1",
    "fetch all from zoho_pipeline_query",
    "close zoho_pipeline_query",
    "show all; commit",
    "explain execute p",
    "select * from zoho_raw.leads for update",
    "select set_config('transaction_read_only', 'off', false)",
    "select \"set_config\"('role', 'none', true)",
    "select pg_catalog . SET_CONFIG('statement_timeout', '0', true)",
    "select U&\"s\\0065t_config\"('role', 'none', true)",
    "select u&\"s!0065t_config\" uescape '!' ('role', 'none', true)",
    "select nextval('zoho_raw.numbers')",
    "select setval('zoho_raw.numbers', 7)",
    "select pg_advisory_lock(1)",
    "explain analyze select pg_advisory_lock(1)",
    "select pg_terminate_backend(pid) from pg_stat_activity",
    "select pg_cancel_backend(1)",
    "select pg_reload_conf()",
    "select pg_stat_reset()",
    "select pg_switch_wal()",
    "select pg_notify('a', 'b')",
    "select pg_logical_emit_message(false, 'a', 'b')",
    "select pg_create_physical_replication_slot('kept')",
    "select pg_read_file('/etc/passwd')",
    "select * from pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
    "select lo_export(1, '/tmp/written')",
    "select lo_create(0)",
    "select query_to_xml('delete from zoho_raw.leads', true, true, '')",
    "select * from ts_stat('select 1')",
    "select erase()",
)
ON_DUCKDB = (
    "attach 'other.duckdb'",
    "install httpfs",
    "load httpfs",
    "export database 'exported'",
    "pragma database_list",
    "call pragma_version()",
    "set threads = 9",
    "set memory_limit = '90GB'",
    "reset threads",
    "use memory",
    "vacuum",
    "checkpoint",
    "create temp table made as select 1 as a",
    "explain analyze create table memory.main.made as select 1 as a",
    "explain analyze copy (select 1) to 'copied.csv'",
    "select * from read_text('/etc/passwd')",
    "select * from read_csv('/etc/passwd')",
    "select * from sniff_csv('/etc/passwd')",
    "select * from glob('/etc/*')",
    "from '/etc/passwd'",
    "select * from query('delete from zoho_raw.leads')",
    "from enable_logging('QueryLog', storage='file', storage_path='logged')",
    "from enable_profiling(save_location='profiled.json')",
    "select * from request",
    "select * from statements",
)


@pytest.fixture
def place(warehouse: Warehouse, raw: Raw, project: Callable[..., Project]) -> Warehouse:
    """A warehouse with raw tables and marts, on Postgres also with a sequence and a function that deletes."""
    transform(warehouse, project=project())
    raw.run("create sequence zoho_raw.numbers")
    if warehouse.dialect == "postgres":
        raw.run(
            "create function zoho_raw.erase() returns int language plpgsql security definer as"
            f" $$ begin {DELETE}; return 1; end $$"
        )
    return warehouse


def state(warehouse: Warehouse) -> object:
    """Return what a query could have changed: rows, tables, the sequence, slots and large objects of the server."""
    with warehouse.connect() as connection:
        found = [connection.fetch("select * from zoho_raw.leads order by 1, 2")[1], connection.tables()]
        if warehouse.dialect == "postgres":
            for source in ("zoho_raw.numbers", "pg_replication_slots", "pg_largeobject_metadata"):
                found.append(connection.fetch(f"select count(*) from {source}")[1])
            found.append(connection.fetch("select last_value, is_called from zoho_raw.numbers")[1])
            advisory = "select count(*) from pg_locks where locktype = 'advisory' and database = "
            found.append(
                connection.fetch(advisory + "(select oid from pg_database where datname = current_database())")
            )
    return found


@pytest.mark.long
@pytest.mark.parametrize("every", [4, 1])
def test_what_does_not_read_is_refused_and_changes_nothing(place: Warehouse, every: int) -> None:
    """Neighbours in the lists are of one kind, so each fourth text shows nearly every kind: `make test` takes those."""
    before = state(place)
    own = ON_POSTGRES if place.dialect == "postgres" else ON_DUCKDB
    for text in (*TWO_STATEMENTS[::every], *NOT_READING[::every], *own[::every]):
        with pytest.raises(QueryError) as caught:
            query(place, text, raw=True)
        assert caught.value.exit_code == 2, text
        assert "zoho_pipeline_query no scroll" not in str(caught.value), text
    assert state(place) == before
    assert not os.listdir()  # the working folder: no file was exported or logged


@pytest.mark.parametrize(
    "text",
    choice(
        [f"select 1; {DELETE}", DELETE, "select E'a'\n'\\' , '; commit; drop schema marts --'"],
        [f"select 1; {DELETE}", "select E'a'\n'\\' , '; commit; drop schema marts --'"],
    ),
)
def test_queries_on_the_published_marts_are_refused_alike(place: Warehouse, text: str) -> None:
    before = state(place)
    for on_marts in (text, text.replace("zoho_raw.leads", "marts.lead")):
        if place.dialect == "duckdb" and "E'a'" in text:
            query(place, on_marts)  # DuckDB correctly reads it as two texts of one SELECT
        else:
            with pytest.raises(QueryError):
                query(place, on_marts)
    assert query(place, "select count(*) from lead").rows == [[3]]
    assert state(place) == before


PIECES = st.sampled_from(
    [
        *("'", "''", "E'", "\\", "\\'", '"', "$$", "$a$", "--", "\n", "/*", "*/", ";", " ", ",", "(", ")", "U&'", "%s"),
        *(
            "select 1",
            "a",
            "commit",
            DELETE,
            "explain ",
            "explain analyze ",
            "show ",
            "with x as (",
            "declare c cursor for ",
        ),
    ]
)


@pytest.mark.long
@pytest.mark.parametrize("examples", [3, 10])
def test_no_mixture_of_quotes_and_statements_deletes(place: Warehouse, examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(PIECES, min_size=1, max_size=14))
    def try_one(pieces: list[str]) -> None:
        for text in ("".join(pieces), f"select '{''.join(pieces)}", f"explain select 1 {''.join(pieces)}"):
            with suppress(QueryError):
                query(place, text, raw=True)
        assert query(place, "select count(*) from zoho_raw.leads", raw=True).rows == [[3]]

    try_one()


READING = (
    ("select count(*) from leads where source <> ';'", [[3]]),
    ("(select 1) union all (select 2) order by 1;", [[1], [2]]),
    ("values (1), (2) -- ; two", [[1], [2]]),
    ("with n as (select 1 as a) select a, a from n", [[1, 1]]),
    ("select '%s %(a)s %' as a /* ' */", [["%s %(a)s %"]]),
    ("select '\\' as a", [["\\"]]),
)


@pytest.mark.long
def test_what_reads_is_answered(place: Warehouse) -> None:
    for text, rows in READING:
        assert query(place, text, raw=True).rows == rows
    assert len(query(place, "table leads", raw=True).rows) == 3
    assert query(place, "explain analyze select * from leads", raw=True).rows
    assert query(place, "explain (select id from leads)", raw=True).rows
    own = "show timezone" if place.dialect == "postgres" else "describe leads"
    assert query(place, own, raw=True).rows


def test_postgres_types_become_json(postgres_url: str, tmp_path: Path) -> None:
    warehouse = at(postgres_url, tmp_path)
    Raw(warehouse)
    text = (
        "select 1.50::numeric, array[1, 2], '{\"a\": 1}'::jsonb, '1 day'::interval, 'infinity'::timestamptz,"
        " '0044-03-15 BC'::date, timestamptz '2026-01-02 03:04+02', time '24:00', timetz '24:00+02', 10::numeric ^ 5000"
    )
    assert query(warehouse, text, raw=True).rows == [
        [
            *(1.5, [1, 2], {"a": 1}, 86400.0, "infinity", "0044-03-15 BC", "2026-01-02T01:04:00+00:00"),
            *("24:00:00", "24:00:00+02", "1" + "0" * 5000),
        ]
    ]


def test_numbers_in_json_keep_their_digits_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    """Python's own reader makes a float of each fraction, and reads no whole number of more than 4,300 digits."""
    warehouse = at(postgres_url, tmp_path)
    Raw(warehouse)
    text = (
        "select '{\"amount\": 12345678901234567.89}'::jsonb, '[0.30000000000000000001, 1.5, 7]'::json,"
        " ('[' || repeat('9', 4500) || ']')::jsonb, '[1e-999999999999999999999]'::json"
    )
    (row,) = query(warehouse, text, raw=True).rows
    assert row == [
        {"amount": Decimal("12345678901234567.89")},
        [Decimal("0.30000000000000000001"), 1.5, 7],
        ["9" * 4500],
        ["1e-999999999999999999999"],  # no decimal of Python has this exponent
    ]


def test_a_session_that_a_pooler_lends_is_left_as_it_was(postgres_url: str, tmp_path: Path) -> None:
    """A statement prepared by name outlives the transaction, and the next client's of the same name is refused."""
    warehouse = at(postgres_url, tmp_path)
    Raw(warehouse)
    many = "select name from generate_series(1, 4000) left join pg_prepared_statements on true where name is not null"
    assert query(warehouse, many, raw=True).rows == []


def at(url: str, home: Path, **more: str) -> Warehouse:
    return open_warehouse(Settings(home=home, warehouse_url=url, registry_url="", **more))  # type: ignore[arg-type]


def test_a_query_takes_a_role_without_rights_and_cannot_leave_it(postgres_url: str, tmp_path: Path) -> None:
    Raw(at(postgres_url, tmp_path))
    reader = "reader " + tmp_path.name
    admin = psycopg2.connect(postgres_url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f'create role "{reader}"')
        cursor.execute(f'grant usage on schema zoho_raw to "{reader}"; grant select on zoho_raw.leads to "{reader}"')
    try:
        warehouse = at(postgres_url, tmp_path, sql_role=reader)
        assert query(warehouse, "select current_user::text, (select count(*) from leads)", raw=True).rows == [
            [reader, 0]
        ]
        for text in ("select * from zoho_raw.channels", "select rolpassword from pg_authid"):
            with pytest.raises(QueryError, match="permission denied"):
                query(warehouse, text, raw=True)
        with pytest.raises(QueryError, match="set_config"):
            query(warehouse, "select set_config('role', 'none', true), * from zoho_raw.channels", raw=True)
        with pytest.raises(QueryError, match=r"ZOHO_PIPELINE_SQL_ROLE.*grant"):
            query(at(postgres_url, tmp_path, sql_role="nobody"), "select 1", raw=True)
    finally:
        with admin.cursor() as cursor:
            cursor.execute(f'drop owned by "{reader}"; drop role "{reader}"')
        admin.close()


ENDLESS = {
    "postgres": (
        "select pg_sleep(600)",
        "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b",
        "with recursive n as (select 1 as i union all select 1 from n) select count(*) from n",
    ),
    "duckdb": (
        "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range % 7 = 3",
        "with recursive n as (select 1 as i union all select 1 from n) select count(*) from n",
    ),
}
HUGE = {
    "postgres": ("select repeat('x', 1000000) from generate_series(1, 100000)",),
    "duckdb": (
        "select length(repeat('x', 2000000000))",
        "select repeat('x', 10000000) from range(2048)",
        "select list_sum(range(0, 3000000000))",
        "select array_agg(a.range) from range(1000000000) a",
    ),
}


@pytest.mark.parametrize("on_raw", choice([False, True], [True]))
def test_endless_queries_end_by_themselves(place: Warehouse, on_raw: bool) -> None:
    for text in ENDLESS[place.dialect]:
        with pytest.raises(QueryError, match=r"longer than 0\.5 s"):
            query(place, text, raw=on_raw, timeout=0.5)
    if place.dialect == "postgres":
        with place.connect() as connection:
            running = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)%' and state = 'active'"
            mine = running + " and pid <> pg_backend_pid() and datname = current_database()"
            assert connection.fetch(mine)[1] == [(0,)]


def test_huge_values_are_refused_before_they_fill_the_machine(place: Warehouse) -> None:
    for text in HUGE[place.dialect]:
        with pytest.raises(QueryError, match=r"memory|MB"):
            query(place, text, limits=Limits(memory_mb=256, answer_bytes=2**20))


def test_rows_and_bytes_held_are_bounded(place: Warehouse) -> None:
    source = "generate_series(1, 2000) as t(i)" if place.dialect == "postgres" else "range(2000) as t(i)"
    with pytest.raises(QueryError, match=r"more than 1,999 rows\..*--max-rows"):
        query(place, f"select i from {source}", limits=Limits(rows=1999))
    assert len(query(place, f"select i from {source}", limits=Limits(rows=2000)).rows) == 2000
    with pytest.raises(QueryError, match=r"more than 0\.5 MB"):
        query(place, f"select repeat('x', 1000) from {source}", limits=Limits(answer_bytes=2**19))

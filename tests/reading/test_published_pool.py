"""The pool of connections to the published marts, on both engines: it follows publications, and no reader notices."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from tests.transform.conftest import Raw, write_project
from zoho_pipeline.settings import Secret
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.connection import DamagedFile, PublishedPool, SqlError, WarehouseBusy, WarehouseError
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.postgres_published import PostgresPublished
from zoho_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return write_project(tmp_path / "sql")


def count(pool: PublishedPool) -> int:
    with pool.reading() as connection:
        assert connection is not None
        return int(connection.fetch("select count(*) from lead where channel_id = ?", ("c",))[1][0][0])


def tried(pool: PublishedPool, statement: str) -> None:
    with pool.reading() as connection:
        assert connection is not None
        connection.execute(statement)


def publish(warehouse: Warehouse, project: Project, raw: Raw, leads: int) -> None:
    for number in range(leads):
        raw.lead("c", str(number))
    transform(warehouse, project=project)


def test_nothing_is_published_yet(warehouse: Warehouse) -> None:
    pool = warehouse.published_pool()
    assert pool.publication() is None
    with pool.reading() as connection:
        assert connection is None
    pool.close()


def test_a_publication_is_seen_by_the_next_block(warehouse: Warehouse, project: Project, raw: Raw) -> None:
    raw.channel("c")
    publish(warehouse, project, raw, 1)
    pool = warehouse.published_pool()
    first = pool.publication()
    assert first is not None
    assert (pool.publication(), count(pool)) == (first, 1)
    publish(warehouse, project, raw, 3)
    assert pool.publication() != first
    assert count(pool) == 3
    pool.close()
    assert count(pool) == 3  # it opens again


def test_a_block_reads_one_publication_to_its_end(warehouse: Warehouse, project: Project, raw: Raw) -> None:
    raw.channel("c")
    publish(warehouse, project, raw, 1)
    pool = warehouse.published_pool()
    with pool.reading() as connection:
        assert connection is not None
        query = "select count(*) from lead where channel_id = 'c'"
        before = connection.fetch(query)[1]
        publish(warehouse, project, raw, 3)
        assert count(pool) == 3
        assert connection.fetch(query)[1] == before == [(1,)]
    pool.close()


@pytest.mark.long
def test_publishing_costs_no_reader_an_error(warehouse: Warehouse, project: Project, raw: Raw) -> None:
    """Readers never see a mixture either: each publication has as many leads as its insight says."""
    raw.channel("c")
    publish(warehouse, project, raw, 1)
    pool, done = warehouse.published_pool(), threading.Event()

    def read_on() -> list[tuple[int, int]]:
        seen = []
        while not done.is_set():
            with pool.reading() as connection:
                assert connection is not None
                leads = connection.fetch("select count(*) from lead where channel_id = 'c'")[1][0][0]
                told = connection.fetch("select leads from insight where channel_id = 'c'")[1][0][0]
                seen.append((leads, told))
        return seen

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(read_on) for _ in range(4)]
        try:
            for number in range(2, 6):
                publish(warehouse, project, raw, number)
        finally:
            done.set()
        seen = [pair for reader in readers for pair in reader.result()]
    pool.close()
    assert all(leads == told for leads, told in seen)
    assert len({leads for leads, _ in seen}) >= 2


def test_no_connection_of_the_pool_can_write(warehouse: Warehouse, project: Project, raw: Raw) -> None:
    raw.channel("c")
    publish(warehouse, project, raw, 1)
    pool = warehouse.published_pool()
    for statement in ("delete from lead", "create table other as select 1 as n", "drop table lead"):
        with pytest.raises(SqlError):
            tried(pool, statement)
    assert count(pool) == 1
    pool.close()


def test_duckdb_reaches_no_other_file(duckdb_warehouse: DuckDBWarehouse, project: Project, tmp_path: Path) -> None:
    raw = Raw(duckdb_warehouse)
    raw.channel("c")
    publish(duckdb_warehouse, project, raw, 1)
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    pool = duckdb_warehouse.published_pool()
    for statement in (
        f"select * from read_csv('{secret}')",
        f"attach '{tmp_path / 'x.duckdb'}'",
        f"copy lead to '{tmp_path / 'out.csv'}'",
        "set enable_external_access = true",
        "set threads = 4",
    ):
        with pytest.raises(SqlError):
            tried(pool, statement)
    pool.close()


@pytest.mark.long
def test_duckdb_keeps_one_instance_and_closes_the_old_one(duckdb_warehouse: DuckDBWarehouse, project: Project) -> None:
    """An old file would keep its space on the disk as long as it is open."""
    raw = Raw(duckdb_warehouse)
    raw.channel("c")
    publish(duckdb_warehouse, project, raw, 1)
    pool = duckdb_warehouse.published_pool()
    for number in range(2, 5):
        count(pool)
        publish(duckdb_warehouse, project, raw, number)
    assert count(pool) == 4
    assert len(open_files(duckdb_warehouse.published_path)) <= 1
    pool.close()
    assert open_files(duckdb_warehouse.published_path) == []


def open_files(path: Path) -> list[str]:
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    targets = [os.readlink(link) for link in links if os.path.lexists(link)]
    return [target for target in targets if target.startswith(str(path))]


def test_sessions_have_the_time_zone_of_the_marts(duckdb_warehouse: DuckDBWarehouse, project: Project) -> None:
    raw = Raw(duckdb_warehouse)
    raw.channel("c")
    publish(duckdb_warehouse, project, raw, 1)
    pool = duckdb_warehouse.published_pool()
    with pool.reading() as one, pool.reading() as other:
        for connection in (one, other):
            assert connection is not None
            assert connection.fetch("select current_setting('TimeZone')")[1] == [("UTC",)]
    pool.close()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("no database"),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:6000]),
    "folder": _folder,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_file_is_one_line_with_a_cure_that_works(
    tmp_path: Path, project: Project, damage: Callable[[Path], object]
) -> None:
    """The pool and a single session say the same, and the pool lives on. The path has the characters of SQL."""
    home = tmp_path / 'it\'s [a] "home"'
    warehouse = DuckDBWarehouse.from_url(f"duckdb:///{home}/warehouse.duckdb")
    raw = Raw(warehouse)
    raw.channel("c")
    publish(warehouse, project, raw, 2)
    pool, path = warehouse.published_pool(), warehouse.published_path
    assert count(pool) == 2
    damage(path)

    lines = []
    for _ in range(3):
        with pytest.raises(DamagedFile) as raised:
            count(pool)
        lines.append(str(raised.value))
    with pytest.raises(DamagedFile) as raised, warehouse.published():
        pass
    assert set(lines) == {str(raised.value)}
    assert str(path) in lines[0]
    assert "move it away" in lines[0]
    assert "\n" not in lines[0]

    path.rename(path.with_name("damaged"))
    with pool.reading() as connection:
        assert connection is None
    transform(warehouse, project=project)
    assert count(pool) == 2
    pool.close()


def test_a_session_of_a_damaged_instance_is_not_used_again(duckdb_warehouse: DuckDBWarehouse, project: Project) -> None:
    """DuckDB answers nothing more in an instance that met damage. A file that is whole again is opened again."""
    raw = Raw(duckdb_warehouse)
    raw.channel("c")
    publish(duckdb_warehouse, project, raw, 1)
    pool, path = duckdb_warehouse.published_pool(), duckdb_warehouse.published_path
    with pool.reading() as before, pytest.raises(DamagedFile), pool.reading():
        raise DamagedFile("found in the middle of a block")
    assert before is not None
    assert count(pool) == 1
    assert len(open_files(path)) == 1
    pool.close()
    assert open_files(path) == []


def test_postgres_opens_a_session_again_that_the_server_ended(postgres_url: str) -> None:
    pool = PostgresPublished(Secret(postgres_url), "postgresql://…")
    assert pool.publication() is None
    admin = psycopg2.connect(postgres_url)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name like '% web'")
        assert cursor.rowcount == 1
    assert pool.publication() is None
    pool.close()
    admin.close()


def test_postgres_has_a_bounded_number_of_sessions(postgres_url: str) -> None:
    pool = PostgresPublished(Secret(postgres_url), "postgresql://…", sessions=1, wait=0.05)
    with pool.reading(), pytest.raises(WarehouseBusy):
        pool.publication()
    assert pool.publication() is None
    pool.close()


def test_a_server_that_is_away_is_an_error_without_the_password() -> None:
    pool = PostgresPublished(Secret("postgresql://u:hush@127.0.0.1:1/x"), "postgresql://u:***@127.0.0.1:1/x")
    with pytest.raises(WarehouseError) as raised:
        pool.publication()
    assert "hush" not in str(raised.value)

"""Opening the registry: permissions, migrations by many processes at once, places that cannot be used."""

import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.registry import migrations, tables
from zoho_pipeline.channels.registry.migrate import HEAD, VERSION_TABLE, migrate
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import PipelineError, Settings, SettingsError, load_settings


def test_the_migrations_end_at_the_tables_as_declared(settings: Settings) -> None:
    database = Database(settings)
    assert migrate(database)
    assert not migrate(database)
    with database.read() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": VERSION_TABLE, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []
    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head() == HEAD


OPEN = """
import sys
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import load_settings
sys.stdin.readline()
assert Registry(load_settings()).list() == ()
"""


@pytest.mark.long
@pytest.mark.parametrize("settings", ["sqlite", "postgres"], indirect=True)
def test_many_processes_may_open_a_new_registry_at_once(
    settings: Settings, settings_env: Callable[..., dict[str, str]]
) -> None:
    env = settings_env(ZOHO_PIPELINE_REGISTRY=settings.registry_url)
    openers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", OPEN], env=env, stdin=subprocess.PIPE, cwd=Path.cwd())
        for _ in range(4)
    ]
    for opener in openers:  # all processes have started and wait; now they begin together
        assert opener.stdin is not None
        opener.stdin.close()
    assert [opener.wait() for opener in openers] == [0] * 4


WRITES = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


def test_opening_the_registry_again_keeps_the_locks_of_other_threads(sqlite_settings: Settings) -> None:
    """The system drops the locks of a process on a file when it closes any descriptor of that file.

    So two processes wrote at once, and a sync failed with `disk I/O error`."""
    database = Registry(sqlite_settings).database
    with database.write():
        Database(sqlite_settings)
        with Database(sqlite_settings).keeping_connections().engine.connect():
            pass
        found = subprocess.run([sys.executable, "-c", WRITES, str(database.path)], capture_output=True, text=True)
    assert found.stdout.strip() == "database is locked", found.stderr


def test_a_kept_connection_sees_a_file_that_was_put_back(sqlite_settings: Settings, tmp_path: Path) -> None:
    """Its rows would otherwise go to the file that nobody can see any more."""
    registry = Registry(sqlite_settings)
    kept = registry.database.keeping_connections()
    assert kept.path is not None
    copy = tmp_path / "copy"
    shutil.copy(kept.path, copy)
    with kept.write() as connection:
        connection.execute(text("create table before (x)"))
    copy.replace(kept.path)
    with kept.write() as connection:
        connection.execute(text("create table after (x)"))
    with registry.database.read() as connection:
        names = set(connection.scalars(text("select name from sqlite_master")))
    assert "after" in names
    assert "before" not in names


def test_kept_connections_without_a_limit_keep_nobody_waiting(settings: Settings) -> None:
    """A web server has more threads than connections that it keeps: each of them reads at once."""
    kept = Registry(settings).database.keeping_connections(2, most=None)
    with ExitStack() as readers:
        opened = [readers.enter_context(kept.read()) for _ in range(12)]
        assert [connection.scalar(text("select 1")) for connection in opened] == [1] * 12
    kept.engine.dispose()


def test_a_batch_opens_few_connections_and_closes_them_at_its_end(settings: Settings) -> None:
    """A sync has a dozen transactions, and each would open a connection of its own."""
    database, opened, closed = Registry(settings).database, list[object](), list[object]()
    with database.kept_open(), database.kept_open():
        event.listen(database.engine, "connect", lambda raw, _: opened.append(raw))
        event.listen(database.engine, "close", lambda raw, _: closed.append(raw))
        for _ in range(20):
            with database.write() as connection:
                connection.execute(text("select 1"))
        with ExitStack() as readers:
            for _ in range(20):
                readers.enter_context(database.read())
    assert len(opened) == 20
    assert len(closed) == 20
    with database.read() as connection:
        assert connection.scalar(text("select 1")) == 1


@pytest.mark.parametrize("kept", [False, True])
def test_a_file_that_was_moved_away_is_not_made_anew(sqlite_settings: Settings, kept: bool) -> None:
    """A server that goes on would leave an empty registry in its place, for all to read."""
    found = Registry(sqlite_settings).database
    database = found.keeping_connections() if kept else found
    assert database.path is not None
    with database.write() as connection:
        connection.execute(text("create table before (x)"))
    away = database.path.rename(database.path.with_name("away"))
    for transaction in (database.read, database.write):
        with pytest.raises(RegistryError, match=r"not there any more.*ZOHO_PIPELINE_HOME"), transaction():
            pass
    assert not database.path.exists()
    away.rename(database.path)
    with database.read() as connection:
        assert connection.scalar(text("select count(*) from before")) == 0


@pytest.mark.parametrize("how", ["over it", "in its place"])
def test_a_kept_connection_sees_a_backup(sqlite_settings: Settings, tmp_path: Path, how: str) -> None:
    kept = Registry(sqlite_settings).database.keeping_connections()
    assert kept.path is not None
    shutil.copy(kept.path, tmp_path / "copy")
    for name in ("one", "two", "three"):
        with kept.write() as connection:
            connection.execute(text(f"create table {name} (x)"))
    if how == "over it":
        kept.path.write_bytes((tmp_path / "copy").read_bytes())
    else:
        (tmp_path / "copy").replace(kept.path)
    with kept.write() as connection:
        connection.execute(text("create table four (x)"))
    with Registry(sqlite_settings).database.read() as connection:
        names = set(connection.scalars(text("select name from sqlite_master")))
        assert connection.scalar(text("pragma integrity_check")) == "ok"
    assert names & {"one", "two", "three", "four"} == {"four"}


def test_a_registry_of_a_newer_release_is_refused(settings: Settings) -> None:
    registry = Registry(settings)
    with registry.database.write() as connection:
        connection.execute(text(f"update {VERSION_TABLE} set version_num = '9999'"))
    with pytest.raises(RegistryError, match="this release does not know the tables"):
        Registry(settings)


def test_everything_in_home_is_its_owners_alone(sqlite_settings: Settings) -> None:
    Registry(sqlite_settings)
    made = [sqlite_settings.home, *sqlite_settings.home.rglob("*")]
    assert {path.name for path in made} >= {"registry.sqlite", "secret.key", "locks"}
    for path in made:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_write_that_fails_leaves_nothing(registry: Registry) -> None:
    def break_off() -> None:
        with registry.database.write() as connection:
            connection.execute(text("insert into registry_states (nonce, used_at) values ('n', '2026-01-01 00:00:00')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    with registry.database.read() as connection:
        assert connection.scalar(text("select count(*) from registry_states")) == 0


def test_a_statement_that_fails_shows_no_value(registry: Registry) -> None:
    statement = text("insert into registry_states (nonce, no_such_column) values (:value, 1)")
    with pytest.raises(RegistryError) as caught, registry.database.write() as connection:
        connection.execute(statement, {"value": "a-secret-value"})
    assert "a-secret-value" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_folder_in_the_place_of_the_file_is_named(
    settings_env: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    with pytest.raises(RegistryError, match=r"it is a folder.*move it away"):
        Registry(load_settings(settings_env(ZOHO_PIPELINE_REGISTRY=f"sqlite:///{tmp_path}")))


def test_a_file_that_is_no_database_is_named(sqlite_settings: Settings) -> None:
    sqlite_settings.ensure_home()
    (sqlite_settings.home / "registry.sqlite").write_text("no database " * 100)
    with pytest.raises(RegistryError, match="not a database"):
        Registry(sqlite_settings)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_registry_in_memory_is_refused(settings_env: Callable[..., dict[str, str]], url: str) -> None:
    with pytest.raises(SettingsError, match="ZOHO_PIPELINE_REGISTRY"):
        Registry(load_settings(settings_env(ZOHO_PIPELINE_REGISTRY=url)))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hidden-pass@127.0.0.1:1/x", "postgresql://u:hidden-pass@127.0.0.1:port/x",
        "postgresql://u:p@hidden-pass@127.0.0.1:1/x", "postgresql://u:p@hidden-pass/x@127.0.0.1:1/x",
        "postgresql://u:p@1/hidden-pass@127.0.0.1:1/x", "postgresql://u@127.0.0.1:1/x?password=hidden-pass",
        "postgresql://u@127.0.0.1:1/x?passwort=hidden-pass", "postgresql://u@127.0.0.1:1/x?sslmode=hidden-pass",
        "host=127.0.0.1 user=u password=hidden-pass", "postgresql:/u:hidden-pass@127.0.0.1:1/x", "u:hidden-pass://h",
    ],
)  # fmt: skip
def test_an_unreachable_server_is_said_without_its_password(
    settings_env: Callable[..., dict[str, str]], url: str
) -> None:
    with pytest.raises(PipelineError, match="ZOHO_PIPELINE_REGISTRY") as caught:
        Registry(load_settings(settings_env(ZOHO_PIPELINE_REGISTRY=url)))
    assert "hidden-pass" not in f"{caught.value}"


def test_postgres_may_be_spelled_both_ways(postgres_url: str, sqlite_settings: Settings) -> None:
    short = postgres_url.replace("postgresql://", "postgres://", 1)
    assert Registry(replace(sqlite_settings, registry_url=short)).database.is_postgres

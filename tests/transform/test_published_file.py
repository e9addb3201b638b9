"""The published file: older DuckDB versions and BI servers read it, and it stays where the settings put it."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pytest

from benchmarks.raw_world import fill
from tests.transform.conftest import Raw, write_project
from zoho_pipeline.reading import published
from zoho_pipeline.settings import Settings, SettingsError, load_settings
from zoho_pipeline.transform import channel_pages
from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.published_files.files import STORAGE_VERSION
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import open_warehouse

OTHER_VERSIONS = ("1.1.3", "1.5.6")
"""DuckDB 1.1, which many BI tools still bundle, and the newest 1.x."""

_COUNT_ALL = """
import json, sys
sys.path.insert(0, sys.argv[1])
import duckdb
with duckdb.connect(sys.argv[2], read_only=True) as connection:
    names = "select table_name from information_schema.tables where table_schema = 'marts'"
    names = connection.execute(names).fetchall()
    counts = {n: connection.execute(f"select * from marts.{n}").fetchall().__len__() for (n,) in names}
    days = connection.execute("select typeof(as_of_date), as_of_date::text from marts.channel_insight").fetchall()
    print(json.dumps([duckdb.__version__, counts, days]))
"""


def installed(version: str) -> Path:
    """A folder with that version of the package duckdb, installed once beside the libraries of this environment.

    Two versions of one package do not fit into one environment or one requirements file. So the wheel is installed
    with `pip --target`. Where no package registry answers, the test is skipped, and in CI it fails.
    """
    folder = Path(sys.prefix) / "other-duckdb" / version
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            target = Path(draft) / "package"
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            command = [*pip, "--only-binary", ":all:", "--target", str(target), f"duckdb=={version}"]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                said = f"NOT TESTED: duckdb {version} cannot be installed: {done.stderr.strip()[-300:]}"
                pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
            try:
                target.rename(folder)
            except OSError:  # another process was first
                assert folder.is_dir()
    return folder


def read_with(version: str, path: Path) -> list[object]:
    """What another DuckDB finds: its version, mart → rows, and the days of channel_insight."""
    command = [sys.executable, "-P", "-S", "-c", _COUNT_ALL, str(installed(version)), str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-600:]
    answer: list[object] = json.loads(done.stdout)
    return answer


def placed(tmp_path: Path, published: Path | None = None) -> DuckDBWarehouse:
    url = f"duckdb:///{tmp_path}/home/warehouse.duckdb"
    warehouse = open_warehouse(Settings(tmp_path / "home", url, "", published=published))
    assert isinstance(warehouse, DuckDBWarehouse)
    return warehouse


def small(tmp_path: Path) -> tuple[Project, Raw]:
    raw = Raw(placed(tmp_path))
    raw.channel("a")
    raw.lead("a", "1")
    return write_project(tmp_path / "sql"), raw


@pytest.mark.long  # each version is a process that reads every row
@pytest.mark.parametrize("version", OTHER_VERSIONS)
def test_older_versions_of_duckdb_read_every_mart(version: str, duckdb_warehouse: DuckDBWarehouse) -> None:
    """The shipped project, after a run that builds anew and one that changes a copy."""
    from benchmarks.raw_world import fill, touch

    assert importlib.metadata.version("duckdb").startswith("2."), "else this shows nothing"
    fill(duckdb_warehouse, channels=3, leads=20)
    for channels in (("ch0", "ch1", "ch2"), ("ch1",)):
        assert transform(duckdb_warehouse).channels == channels
        with published.connect(duckdb_warehouse) as ours:
            counts = {mart: ours.fetch(f"select * from {mart}")[1].__len__() for mart in Project.load().marts}
            days = [["DATE", str(day)] for (day,) in ours.fetch("select as_of_date from channel_insight")[1]]
        assert counts["lead"] == 60
        assert read_with(version, duckdb_warehouse.published_path) == [version, counts, days]
        touch(duckdb_warehouse, "ch1", 1)


def test_a_file_in_a_newer_format_is_rewritten_even_when_nothing_changed(tmp_path: Path) -> None:
    models, _ = small(tmp_path)
    warehouse = placed(tmp_path)
    transform(warehouse, project=models)
    old = warehouse.published_path.with_suffix(".old")
    with duckdb.connect() as connection:  # as releases before this one wrote it
        connection.execute(f"attach '{warehouse.published_path}' as was (read_only)")
        connection.execute(f"attach '{old}' as now")
        connection.execute("copy from database was to now")
    old.rename(warehouse.published_path)
    assert storage_version(warehouse.published_path) != STORAGE_VERSION
    assert not transform(warehouse, project=models).published
    assert storage_version(warehouse.published_path) == STORAGE_VERSION
    assert warehouse.published_path.stat().st_mode & 0o777 == 0o600
    with published.connect(warehouse) as connection:
        assert connection.fetch("select id from lead")[1] == [("1",)]


def storage_version(path: Path) -> str:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{path}' as looked (read_only)")
        tags = "select tags['storage_version'] from duckdb_databases() where database_name = 'looked'"
        return str(connection.execute(tags).fetchall()[0][0]).rstrip("+")


def test_the_file_goes_where_the_settings_say_and_takes_its_history_along(tmp_path: Path) -> None:
    models, raw = small(tmp_path)
    first = placed(tmp_path)
    transform(first, project=models)
    folder = tmp_path / "for bi's"
    folder.mkdir(mode=0o750)
    os.chmod(folder, 0o750)
    second = placed(tmp_path, folder / "zoho.duckdb")
    assert not transform(second, project=models).published, "nothing changed, and the file has moved all the same"
    assert second.published_path.stat().st_mode & 0o777 == 0o640
    assert not first.published_path.exists(), "an old copy would go stale, and would keep what a purge deletes"
    raw.channel("a", synced=raw.stamp().replace(month=4))
    transform(second, project=models)
    with published.connect(second) as connection:
        assert len(connection.fetch("select * from insight")[1]) == 2, "the insight of the first day is kept"
    assert second.published_path.stat().st_mode & 0o777 == 0o640
    assert folder.stat().st_mode & 0o777 == 0o750
    assert [path.name for path in folder.iterdir()] == ["zoho.duckdb"], "lock, draft and spilled rows are not here"
    assert (tmp_path / "home" / "warehouse.published.duckdb.lock").exists()


def test_a_foreign_database_is_not_replaced(tmp_path: Path) -> None:
    models, _ = small(tmp_path)
    mine = tmp_path / "mine.duckdb"
    with duckdb.connect(str(mine)) as connection:
        connection.execute("create table precious as select 1 as one")
    before = mine.read_bytes()
    with pytest.raises(TransformError, match="no transform has written"):
        transform(placed(tmp_path, mine), project=models)
    assert mine.read_bytes() == before


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("nowhere/zoho.duckdb", "does not exist"),
        ("folder", "a folder"),
        ("folder/", "a folder"),
        ("home/warehouse.duckdb", "which is the warehouse"),
        ("folder/../home/warehouse.duckdb", "which is the warehouse"),
        ("home/warehouse.duckdb.wal", "which is the warehouse"),
        ("link.duckdb", "which is the warehouse"),
        ("hard.duckdb", "which is the warehouse"),
        ("home/registry.sqlite", "which is the registry"),
        ("home/secret.key", "which is the key file"),
        ("notes.txt", "not a DuckDB database"),
        ("empty", "not a DuckDB database"),
    ],
)
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, place: str, hint: str) -> None:
    for folder in ("home", "folder"):
        (tmp_path / folder).mkdir()
    warehouse = tmp_path / "home" / "warehouse.duckdb"
    warehouse.write_bytes(b"12345678DUCK")
    (tmp_path / "link.duckdb").symlink_to(warehouse)
    os.link(warehouse, tmp_path / "hard.duckdb")
    (tmp_path / "notes.txt").write_text("my notes of years")
    (tmp_path / "empty").touch()
    names = {"ZOHO_PIPELINE_HOME": f"{tmp_path}/home", "ZOHO_PIPELINE_PUBLISHED": f"{tmp_path}/{place}"}
    with pytest.raises(SettingsError, match=hint) as caught:
        load_settings(names)
    assert "ZOHO_PIPELINE_PUBLISHED" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_warehouse_on_postgres_has_no_published_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ZOHO_PIPELINE_PUBLISHED is set, but the warehouse is on Postgres"):
        load_settings({"ZOHO_PIPELINE_WAREHOUSE": "postgresql://h/d", "ZOHO_PIPELINE_PUBLISHED": f"{tmp_path}/x"})


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    models, _ = small(tmp_path)
    folder = tmp_path / "bi"
    folder.mkdir()
    warehouse = placed(tmp_path, folder / "zoho.duckdb")
    shutil.rmtree(folder)
    with pytest.raises(TransformError, match=str(folder)):
        transform(warehouse, project=models)


READ_PER_CHANNEL = {"lead", "lead_source_attribution", "lead_contact", "content_item"}
"""Marts that the pages and the API read for one channel, besides those of `channel_pages`."""


@pytest.mark.long
def test_a_channel_lies_together_in_the_marts_that_are_read_per_channel(
    duckdb_warehouse: DuckDBWarehouse,
) -> None:
    project = Project.load()
    clustered = {name for name, mart in project.marts.items() if mart.docs.cluster_by == ("channel_id",)}
    read = project.select(READ_PER_CHANNEL | set(channel_pages.MARTS))  # a view stands for the tables that it reads
    assert clustered == {name for name in read if not project.marts[name].is_view}
    fill(duckdb_warehouse, channels=5, leads=30)
    transform(duckdb_warehouse).require_complete()
    with published.connect(duckdb_warehouse) as connection:
        for mart in clustered:
            channels = [row[0] for row in connection.fetch(f"select channel_id from {mart}")[1]]
            assert channels == sorted(channels)
            assert len(set(channels)) == 5 or mart in ("content_item", "conversion_rate_earlier")

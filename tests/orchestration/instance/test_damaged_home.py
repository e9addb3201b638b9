"""Each file of the Dagster folder, damaged in several ways: one line that names it, and a cure after which it works."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from scripts.production import ROOT
from tests.orchestration.instance.conftest import submit_run
from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.orchestration.instance.run_queue import PooledRunQueue
from zoho_pipeline.settings import PipelineError, Settings, load_settings

DATABASES = ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"]


def cut(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut in half": cut,
    "emptied": lambda path: path.write_bytes(b""),
    "random bytes": lambda path: path.write_bytes(random.Random(7).randbytes(20_000)),
    "a folder": folder,
    "text of another kind": lambda path: path.write_text("lorem ipsum\n" * 2_000),
}
each_damage = pytest.mark.parametrize("damage", DAMAGES)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A HOME whose Dagster folder has been used: all databases exist."""
    home = tmp_path_factory.mktemp("used") / "home"
    works(load_settings({"ZOHO_PIPELINE_HOME": str(home)}))
    return home


@pytest.fixture
def settings(used: Path, tmp_path: Path) -> Settings:
    shutil.copytree(used, tmp_path / "home")
    return load_settings({"ZOHO_PIPELINE_HOME": str(tmp_path / "home")})


def works(settings: Settings) -> None:
    """A run can be queued, and the events, the runs and the schedules can be read."""
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        assert isinstance(instance.run_coordinator, PooledRunQueue)
        run = submit_run(instance)
        assert instance.all_logs(run.run_id)
        assert instance.get_runs_count() >= 1
        assert instance.all_instigator_state() == []


def one_line(settings: Settings, path: Path, *named: str) -> None:
    with pytest.raises(PipelineError) as caught:
        prepare_dagster_home(settings)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    for text in named:
        assert text in message, message


@each_damage
def test_the_configuration(settings: Settings, damage: str) -> None:
    config = settings.home / "dagster" / "dagster.yaml"
    DAMAGES[damage](config)
    one_line(settings, config, "is damaged", "remove it")
    shutil.rmtree(config) if config.is_dir() else config.unlink()
    works(settings)


@pytest.mark.long
def test_a_configuration_that_ends_too_early(settings: Settings) -> None:
    """Each length but those that end with a whole section: its owner may have left out the later ones."""
    config = settings.home / "dagster" / "dagster.yaml"
    whole = config.read_bytes()
    for length in range(len(whole) - 1):  # the last line break may be missing
        config.write_bytes(whole[:length])
        ends_a_line = whole[:length].count(b"\n") > 1 and whole[:length].endswith(b"\n")
        if ends_a_line and whole[length : length + 1].isalpha():
            prepare_dagster_home(settings)
        else:
            one_line(settings, config, "is damaged", "remove it")
    config.write_bytes(whole.replace(b"max_retries: 2", b"max_retries: 5").rstrip(b"\n"))
    prepare_dagster_home(settings)


@each_damage
@pytest.mark.parametrize("name", DATABASES)
def test_a_database(settings: Settings, damage: str, name: str) -> None:
    database = settings.home / "dagster" / name
    for log in database.parent.glob(f"{database.name}-*"):
        log.unlink()  # what SQLite has not moved into the file yet
    DAMAGES[damage](database)
    if damage != "emptied":  # Dagster makes the tables of an empty file again
        one_line(settings, database, "is damaged", f"move {database} away")
        database.rename(database.with_name("damaged"))
    works(settings)


def test_a_database_that_is_whole_is_never_called_damaged(settings: Settings) -> None:
    database = settings.home / "dagster" / DATABASES[0]
    for journal in ("delete", "wal"):
        connection = sqlite3.connect(database)
        connection.execute(f"pragma journal_mode = {journal}")
        connection.execute("create table if not exists t (a blob)")
        for rows in (200, -150):
            count = connection.execute("select count(*) from t").fetchone()[0]
            if rows > 0:
                connection.executemany("insert into t values (randomblob(4000))", [()] * rows)
            else:
                connection.execute("delete from t where rowid <= ?", (count + rows,))
            connection.commit()
            prepare_dagster_home(settings)
        connection.execute("vacuum")
        prepare_dagster_home(settings)
        connection.close()
        prepare_dagster_home(settings)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(tmp_path)})
    (tmp_path / "dagster").write_text("a file")
    one_line(settings, tmp_path / "dagster", "Remove what is in its place")
    (tmp_path / "dagster").unlink()
    works(settings)


@pytest.mark.parametrize("name", ['o\'brien "x" 100 a#b {0} $x;y né ü ~e a=1', "-dash"])
def test_a_home_with_an_odd_name(tmp_path: Path, name: str) -> None:
    works(load_settings({"ZOHO_PIPELINE_HOME": str(tmp_path / name)}))
    assert (tmp_path / name / "dagster" / "history" / "runs.db").exists()


@pytest.mark.parametrize("name", ["[ab]", "a*"])
def test_a_home_in_which_dagster_would_not_find_its_configuration(tmp_path: Path, name: str) -> None:
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(tmp_path / name)})
    one_line(settings, tmp_path / name, "ZOHO_PIPELINE_HOME")
    assert list(tmp_path.iterdir()) == []


def test_the_program_prints_one_line(tmp_path: Path) -> None:
    for home, code in ((tmp_path / "a*", 1), (tmp_path / "what?", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "zoho_pipeline.orchestration.instance"],
            env={**os.environ, "ZOHO_PIPELINE_HOME": str(home), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (code, "")
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("error: ")
        assert "ZOHO_PIPELINE_HOME" in line

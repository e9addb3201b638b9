"""No command writes outside HOME; what a killed one leaves there is removed by the next command."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import CLIENT, environment_for
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.work_folders import WorkFolder, remove_all_dead, spill_folder
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

MAIN = "from zoho_pipeline.cli import main; main()"
LEADS = 36_000
"""From about 34,000 rows on, a job costs fewer credits than queries."""
PATIENCE = 90.0


class Watched:
    """Processes whose temporary folder, home folder and working folder are three empty folders that are watched."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.home = folder / "pipeline"
        self.watched = [folder / name for name in ("tmp", "user", "cwd")]
        for path in self.watched:
            path.mkdir()
        tmp, user, self._cwd = self.watched
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
            **environment_for(simulator, self.home),
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP", "SQLITE_TMPDIR"), str(tmp)),
            "HOME": str(user),
        }

    def start(self, *arguments: str, stdin: str = "") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, *arguments],
            env=self._environment,
            cwd=self._cwd,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.flush()
        return process

    def run(self, *arguments: str, stdin: str = "") -> str:
        out, err = (process := self.start(*arguments, stdin=stdin)).communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        return out

    @property
    def strays(self) -> list[Path]:
        return [path for folder in self.watched for path in folder.rglob("*")]

    @property
    def temporary(self) -> list[Path]:
        return list((self.home / "tmp").rglob("*"))


@pytest.fixture
def watched(simulator: Simulator, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A channel with 40 leads, or with as many as the parameter of the test says."""
    org = simulator.add_org(name="Acme")
    leads = getattr(request, "param", 40)
    org.insert_many("Leads", [{"Last_Name": f"Rao {n}", "Company": "Firm"} for n in range(leads)])
    made = Watched(simulator, tmp_path)
    arguments = ("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", "-")
    made.run(*arguments, stdin=org.grant(*CLIENT, DEFAULT_SCOPES))
    yield made
    assert made.strays == []


@pytest.mark.long
@pytest.mark.parametrize("watched", [LEADS], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_bulk_read_that_is_killed(watched: Watched, number: signal.Signals) -> None:
    process = watched.start("sync", "acme", "--modules", "Leads")
    end = time.monotonic() + PATIENCE
    while not list((watched.home / "tmp").glob("*/result.zip")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.002)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert watched.strays == []
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        assert any(path.name == "result.zip" for path in watched.temporary), "the kill came in the bulk read"
        watched.run("channels", "list")
    else:
        assert process.returncode == 143
    assert watched.temporary == []
    assert list((watched.home / "dlt").rglob("*.parquet")) == []
    report = json.loads(watched.run("sync", "acme", "--modules", "Leads", "--format", "json"))
    assert [module["outcome"] for module in report[0]["modules"]] == ["complete"]
    count = watched.run("sql", "--raw", "select count(*) as n from zoho_raw.leads", "--format", "json")
    assert json.loads(count) == [{"n": LEADS}]


HOLDS = """
import sys, threading, time
from pathlib import Path
import click
from zoho_pipeline.cli.program import Program
from zoho_pipeline.work_folders import WorkFolder

def hold():
    folder = WorkFolder(Path(sys.argv[1]))
    (folder.path / "result.zip").write_bytes(b"leads")
    print("holds", flush=True)
    time.sleep(600)

@click.group(cls=Program)
def cli(): pass

@cli.command()
def hangs():
    threading.Thread(target=hold, daemon=True).start()
    time.sleep(600)

cli(["hangs"])
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_thread_that_does_not_end_leaves_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "tmp"
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert list(folder.rglob("*")) == []


SEES = """
import os, sys, threading
from pathlib import Path
from zoho_pipeline.work_folders import WorkFolder, remove_own

folder = WorkFolder(Path(sys.argv[1]))
for number in range(4000):
    (folder.path / str(number)).touch()
seen = set()

def look():
    while True:
        try:
            seen.add(len(os.listdir(folder.path)))
        except FileNotFoundError:
            return

thread = threading.Thread(target=look)
thread.start()
while not seen:
    pass
remove_own()
thread.join()
print(sorted(seen))
"""


def test_a_thread_that_still_runs_sees_its_folder_whole_or_gone(tmp_path: Path) -> None:
    """A package of dlt that loses one file after the other looks as if its files were loaded."""
    done = subprocess.run([sys.executable, "-c", SEES, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "[4000]\n", done.stderr
    assert list(tmp_path.iterdir()) == []


DAY = (
    ["sync"],
    ["transform", "--full"],
    ["reconcile", "acme"],
    ["insight", "acme"],
    ["sql", "select l.*, r.* from lead as l, lead as r order by l.zoho_lead_id, r.zoho_lead_id limit 5"],
    ["sql", "--raw", "select count(*) from zoho_raw.leads"],
    ["channels", "verify", "acme"],
    ["channels", "remove", "acme", "--purge"],
)
LOADS_AND_BUILDS = (*DAY[:2], DAY[4])


@pytest.mark.long
@pytest.mark.parametrize("commands", [LOADS_AND_BUILDS, DAY], ids=["loads and builds", "day"])
def test_commands_write_nothing_outside_home(watched: Watched, commands: tuple[list[str], ...]) -> None:
    for command in commands:
        watched.run(*command)
        assert watched.strays == [], command
        assert watched.temporary == [], command


def test_a_session_spills_into_home_only(tmp_path: Path) -> None:
    """A sort that does not fit into memory, in each kind of session of the warehouse."""
    from zoho_pipeline.settings import load_settings
    from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
    from zoho_pipeline.warehouse.warehouse import open_warehouse

    settings = load_settings(
        {"ZOHO_PIPELINE_HOME": str(tmp_path / "home"), "ZOHO_PIPELINE_WAREHOUSE": f"duckdb:///{tmp_path}/big/w.duckdb"}
    )
    warehouse = open_warehouse(settings)
    assert isinstance(warehouse, DuckDBWarehouse)
    with warehouse.connect(read_only=False) as connection:
        connection.execute("create schema marts")
    warehouse.published_path.write_bytes(warehouse.path.read_bytes())
    sessions = (
        lambda: warehouse.connect(read_only=True),
        lambda: warehouse.connect(read_only=False),
        lambda: warehouse.lend(warehouse.destination()),
        warehouse.published,
    )
    for session in sessions:
        with session() as connection:
            assert connection is not None
            place = Path(connection.rows("select current_setting('temp_directory') as place")[0]["place"])
            assert place.parent == settings.home / "tmp"
            assert place.is_dir()
        assert not place.exists()
    assert sorted(path.name for path in (tmp_path / "big").iterdir() if "lock" not in path.name) == [
        "w.duckdb",
        "w.published.duckdb",
    ]


def test_a_home_that_cannot_be_written_means_no_spilling(tmp_path: Path) -> None:
    from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

    blocked = tmp_path / "a-file"
    blocked.write_text("")
    warehouse = DuckDBWarehouse.from_url(f"duckdb:///{tmp_path}/w.duckdb", work=blocked / "tmp")
    with warehouse.connect() as connection:
        assert connection.rows("select current_setting('temp_directory') as place") == [{"place": ""}]


def test_the_folder_of_a_living_process_stays(tmp_path: Path) -> None:
    dead = tmp_path / "tmp" / "dead"
    dead.mkdir(parents=True)
    (dead / "result.zip").write_text("leads")
    alive = WorkFolder(tmp_path / "dlt" / "zoho_crm__acme")
    with spill_folder(tmp_path / "tmp") as folder:
        assert folder is not None
        (folder / "result.zip").write_text("leads")
        remove_all_dead(tmp_path)
        assert (folder / "result.zip").exists()
        assert alive.path.exists()
        assert not dead.exists()
    assert list((tmp_path / "tmp").iterdir()) == []
    alive.close()
    remove_all_dead(tmp_path / "there-is-none")

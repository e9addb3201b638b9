"""Ctrl-C and SIGTERM in real processes: one line, exit code 130 or 143, no traceback, and nothing is half done."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import duckdb
import pytest

from tests.cli.conftest import CLIENT, environment_for, small_org
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

MAIN = "from zoho_pipeline.cli import main; main()"
ENDS = {signal.SIGINT: ("Ctrl-C", 130), signal.SIGTERM: ("SIGTERM", 143)}
PATIENCE = 90.0


class Place:
    """A HOME with one channel of the simulator, in which real processes run."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator, self.home, self.folder = simulator, folder / "home", folder
        self.environment = {**os.environ, **environment_for(simulator, self.home), "ZOHO_PIPELINE_LOG_LEVEL": "INFO"}
        self.org: Org = small_org(simulator)

    def start(self, *arguments: str, program: str = MAIN) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", program, *arguments]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self.environment, cwd=self.folder, text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def run(self, *arguments: str, stdin: str = "") -> str:
        command = [sys.executable, "-c", MAIN, *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=self.folder, text=True, capture_output=True, input=stdin, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_channel(self) -> None:
        token = self.org.grant(*CLIENT, DEFAULT_SCOPES)
        self.run("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", "-", stdin=token)


@pytest.fixture
def place(simulator: Simulator, tmp_path: Path) -> Place:
    return Place(simulator, tmp_path)


def wait_until(condition: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "the moment did not come"
        time.sleep(0.02)


def stopped(process: "subprocess.Popen[str]", number: signal.Signals) -> str:
    """Send the signal, and check how the process ends. Returns its stderr."""
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    name, code = ENDS[number]
    assert process.returncode == code, err
    assert f"stopped by {name}: finished work is kept." in err
    assert "Traceback" not in err
    assert "error:" not in err
    return out + err


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "number"),
    [
        pytest.param("sync", signal.SIGINT, marks=pytest.mark.long),
        ("sync", signal.SIGTERM),
        pytest.param("reconcile", signal.SIGINT, marks=pytest.mark.long),
    ],
)
def test_a_command_that_reads_zoho(place: Place, command: str, number: signal.Signals) -> None:
    place.add_channel()
    place.simulator.faults.next(50, "slow", "/crm/v7/", after=4, seconds=0.5)
    process = place.start(command)
    before = len(place.simulator.requests)
    wait_until(lambda: len(place.simulator.requests) > before + 4, process)
    stopped(process, number)
    place.simulator.faults.clear()
    place.run("sync", "--format", "json")
    counted = json.loads(place.run("sql", "--raw", "select count(*) as n from zoho_raw.leads", "--format", "json"))
    assert counted[0]["n"] >= 3, "the next sync completes"


@pytest.mark.parametrize("number", list(ENDS))
def test_connect_that_waits_for_a_person(place: Place, number: signal.Signals) -> None:
    process = place.start("connect", "acme", "--data-center", "sim", "--port", "0", "--no-browser")
    assert process.stdout is not None
    while "/oauth/v2/auth" not in process.stdout.readline():
        assert process.poll() is None
    stopped(process, number)


IMPORT = """
import enum, os, sys, time
import click
from zoho_pipeline.cli.program import Program
set_attribute = enum.EnumMeta.__setattr__
def and_stop(kind, name, value):
    set_attribute(kind, name, value)
    if "duckdb" in sys.modules:
        enum.EnumMeta.__setattr__ = set_attribute
        os.kill(os.getpid(), int(sys.argv[2]))
@click.group(cls=Program)
def main(): pass
@main.command()
@click.argument("number")
def run(number):
    enum.EnumMeta.__setattr__ = and_stop
    import duckdb
    time.sleep(60)
    print("it went on")
main()
"""


@pytest.mark.parametrize("number", list(ENDS))
def test_a_signal_while_an_engine_is_imported(place: Place, number: signal.Signals) -> None:
    """DuckDB defines its enumerations while it is imported, and aborts the process if one of them fails."""
    process = place.start("run", str(int(number)), program=IMPORT)
    out, err = process.communicate(timeout=PATIENCE)
    name, code = ENDS[number]
    assert process.returncode == code, err
    assert err.strip() == f"stopped by {name}: finished work is kept. Run the same command again to do the rest."
    assert not out


UNSTARTED_THREAD = """
import os, sys, threading, time
import click
from zoho_pipeline.cli.program import Program
start = getattr(threading, "_start_joinable_thread", None) or threading._start_new_thread
def later(*args, **kwargs):
    time.sleep(60)
    return start(*args, **kwargs)
@click.group(cls=Program)
def main(): pass
@main.command()
@click.argument("number")
def run(number):
    patched = threading.Event()
    threading.Thread(target=lambda: (patched.wait(), threading.Thread(target=print).start()), daemon=True).start()
    for name in ("_start_joinable_thread", "_start_new_thread"):
        if hasattr(threading, name):
            setattr(threading, name, later)
    patched.set()
    while all(thread.is_alive() for thread in threading.enumerate()):
        time.sleep(0.01)
    os.kill(os.getpid(), int(number))
    time.sleep(60)
    print("it went on")
main()
"""


def test_a_signal_while_a_thread_is_listed_and_not_started(place: Place) -> None:
    """A busy machine stopped a command between the two: waiting for its threads, the command failed with a bug."""
    process = place.start("run", str(int(signal.SIGTERM)), program=UNSTARTED_THREAD)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == ENDS[signal.SIGTERM][1], err
    assert err.strip() == "stopped by SIGTERM: finished work is kept. Run the same command again to do the rest."
    assert not out


WORLDS = {
    "duckdb": "with DuckDBWarehouse.from_url(url).connect(read_only=False) as connection:",
    "memory": "with closing_duckdb(duckdb.connect()) as connection:",
    "postgres": "with PostgresWarehouse.from_url(url).connect() as connection:",
}
LONG = {
    "duckdb": "select count(*) from range(100000000000) as r(i) where hash(i) % 11 = 4",
    "postgres": "select pg_sleep(600)",
}
STATEMENT = """
import sys, duckdb, click
from zoho_pipeline.cli.program import Program
from zoho_pipeline.warehouse.connection import SqlError
from zoho_pipeline.warehouse.duckdb_connection import closing_duckdb
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.postgres_warehouse import PostgresWarehouse
@click.group(cls=Program)
def main(): pass
@main.command()
@click.argument("url")
def run(url):
    {opening}
        print("begun", flush=True)
        {call}
main()
"""
CALLS = {
    "fetch": "connection.fetch({sql!r})",
    "execute": "connection.execute({sql!r})",
    # whoever turns the error of the engine into another one does not hide the stop
    "wrapped": """
        try:
            connection.fetch({sql!r})
        except Exception as error:
            raise SqlError("refused") from error""",
    # a library that swallows the first interruption meets the next one
    "raw": "connection.raw.{raw}({sql!r})",
}


STOPS = [*((call, signal.SIGINT) for call in CALLS), ("fetch", signal.SIGTERM)]
QUICK_STOPS = [("duckdb", STOPS[-1]), ("duckdb", STOPS[2]), ("memory", STOPS[3]), ("postgres", STOPS[0])]


@pytest.mark.parametrize(
    ("world", "call", "number"),
    [
        pytest.param(world, *stop, marks=() if (world, stop) in QUICK_STOPS else pytest.mark.long)
        for world in WORLDS
        for stop in STOPS
    ],
)
def test_a_long_statement_of_an_engine(
    place: Place, world: str, call: str, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    """A transform, a load or a page of insight spends its time there."""
    url = request.getfixturevalue("postgres_url") if world == "postgres" else f"duckdb:///{place.folder}/w.duckdb"
    sql = LONG["postgres" if world == "postgres" else "duckdb"]
    raw = "cursor().execute" if world == "postgres" else "execute"
    if (world, call) == ("postgres", "raw"):
        pytest.skip("psycopg2 has no other way to run a statement than the one of `fetch`")
    program = STATEMENT.format(opening=WORLDS[world], call=CALLS[call].format(sql=sql, raw=raw))
    process = place.start("run", url, program=program)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.5)  # the statement runs; an earlier signal must end the process just as well
    stopped(process, number)


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "moments"),
    list(product([signal.SIGINT, signal.SIGTERM], [(0.5,), (0.0, 0.5)])),
)
def test_a_transform_at_many_moments(place: Place, number: signal.Signals, moments: tuple[float, ...]) -> None:
    """The signal comes at another moment each time. The published marts are whole afterwards, or there are none."""
    place.add_channel()
    place.run("sync", "--format", "json")
    published = place.home / "warehouse.published.duckdb"
    lock = place.home / "warehouse.published.duckdb.lock"
    for moment in moments:
        lock.unlink(missing_ok=True)
        process = place.start("transform", "--full")
        wait_until(lock.exists, process)
        time.sleep(moment)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode in (0, ENDS[number][1]), err
        assert "Traceback" not in err
        assert ("stopped by" in err) == (process.returncode != 0)
        assert not list(place.home.glob("*.draft*"))
    place.run("transform", "--full")
    with duckdb.connect(str(published), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.lead").fetchone() == (3,)


@pytest.mark.parametrize("number", list(ENDS))
def test_a_query_of_a_person(place: Place, number: signal.Signals) -> None:
    place.home.mkdir(mode=0o700)
    with duckdb.connect(str(place.home / "warehouse.published.duckdb")) as connection:
        connection.execute("create schema marts")
    query = "select count(*) from range(100000000000) as r(i) where hash(i) % 11 = 4"
    process = place.start("sql", query)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(lambda: children.read_text().strip(), process)
    child = int(children.read_text().split()[0])
    stopped(process, number)
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{child}").exists():  # it ends with its parent, at the latest when it reads its request
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("number", list(ENDS))
@pytest.mark.long
def test_the_demo(place: Place, number: signal.Signals) -> None:
    process = place.start("demo", "--leads", "60")
    wait_until((place.home / "registry.sqlite").exists, process)
    stopped(process, number)


@pytest.mark.parametrize("number", list(ENDS))
def test_the_simulator_ends_without_an_error(place: Place, number: signal.Signals) -> None:
    """A signal is its usual end."""
    process = place.start("simulator", "--port", "0", "--state", "zoho.json")
    assert process.stdout is not None
    while "Ctrl-C" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert (place.folder / "zoho.json").exists()


def test_a_signal_that_the_parent_ignores_stays_ignored(place: Place) -> None:
    """`nohup`, or `&` in a script, starts a command with SIGINT ignored."""
    program = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {MAIN}"
    process = place.start("connect", "acme", "--data-center", "sim", "--port", "0", "--no-browser", program=program)
    assert process.stdout is not None
    while "/oauth/v2/auth" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    stopped(process, signal.SIGTERM)

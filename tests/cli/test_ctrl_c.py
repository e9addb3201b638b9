"""Ctrl-C while Zoho, a database or an endpoint does not answer: each long command ends at once, and says that it stops.

The answer would come after ten minutes, and the test waits 45 seconds. How long the end took is printed (`pytest -s`).
"""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import CLIENT, Answer, environment_for, runner
from tests.cli.test_stopping import MAIN, Place, wait_until
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.cli.demo.browser import accept
from zoho_pipeline.settings import load_settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES, NOTIFICATION_SCOPES, WRITE_BACK_SCOPES

NO_ANSWER_SECONDS = 600.0
WAIT_SECONDS = 45.0
SCOPES = (*DEFAULT_SCOPES, *NOTIFICATION_SCOPES, *WRITE_BACK_SCOPES)
STOPPED = "stopped by Ctrl-C: finished work is kept. Run the same command again to do the rest."


class Bench(Place):
    """A place with the channel `acme`, which may do everything. It was never synced."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        super().__init__(simulator, folder)
        self.environment["ZOHO_PIPELINE_PUBLIC_URL"] = "https://crm.example.com"
        own = environment_for(simulator, self.home) | {"ZOHO_PIPELINE_PUBLIC_URL": "https://crm.example.com"}
        self._run = runner(own)
        self.started: list[subprocess.Popen[Any]] = []
        self.token = folder / "token"
        self.token.write_text(self.org.grant(*CLIENT, SCOPES))
        self.done(
            "channels", "add", "acme", "--data-center", "sim", "--tenant", "t", "--refresh-token-file", str(self.token)
        )

    def start(self, *arguments: str, program: str = MAIN) -> "subprocess.Popen[str]":
        process = super().start(*arguments, program=program)
        self.started.append(process)
        return process

    def done(self, *arguments: str) -> Answer:
        """Run a command in this process, which is quicker than another process, and require that it succeeds."""
        answer = self._run(*arguments)
        assert answer.code == 0, answer.err
        return answer

    @property
    def registry(self) -> Registry:
        return Registry(load_settings(self.environment, dotenv=self.folder / "no.env"))

    def hold(self, path: str) -> None:
        """From now on, no call whose path contains this gets an answer."""
        self.simulator.faults.next(1_000, "slow", path, seconds=NO_ANSWER_SECONDS)

    def release(self) -> None:
        self.simulator.faults.clear()


@pytest.fixture
def bench(simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.chdir(tmp_path)  # the files of the commands, also of those that run in this process
    made = Bench(simulator, tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.communicate()


def interrupt(process: "subprocess.Popen[str]", what: str) -> tuple[str, str]:
    """Press Ctrl-C once, and wait. Returns what the process wrote to stdout and to stderr."""
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=WAIT_SECONDS)
    finally:
        process.kill()
    print(f"{what}: ended {time.monotonic() - began:.2f} s after Ctrl-C")
    assert "Traceback" not in err, err
    assert "error:" not in err, err
    return out, err


@dataclass(frozen=True)
class Case:
    """A command that waits for Zoho.

    Attributes:
        command: its words.
        held: the part of a path. No call with it gets an answer.
        before: commands that have to run first.
    """

    command: tuple[str, ...]
    held: str
    before: tuple[tuple[str, ...], ...] = ()


EMAILS = ("channels", "set", "acme", "--param", "sync_emails=true")
PUSHED = ("push", "on", "acme")
MAPPED = ("writeback", "on", "acme", "--map", "map.json")
CASES = {
    "sync": Case(("sync",), "/crm/v7/"),
    "sync --full": Case(("sync", "--full"), "/crm/v7/", before=(("sync",),)),
    "sync of e-mails": Case(("sync",), "/Emails", before=(EMAILS,)),
    "reconcile": Case(("reconcile",), "/crm/v7/"),
    "reconcile of e-mails": Case(("reconcile",), "/Emails", before=(EMAILS,)),
    "channels verify": Case(("channels", "verify", "acme"), "/crm/v7/"),
    "channels remove": Case(("channels", "remove", "acme"), "/oauth/v2/token/revoke"),
    "push on": Case(PUSHED, "/actions/watch"),
    "push renew": Case(("push", "renew", "acme"), "/actions/watch", before=(PUSHED,)),
    "push off": Case(("push", "off", "acme"), "/actions/watch", before=(PUSHED,)),
    "writeback on": Case(MAPPED, "/settings/fields"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", list(CASES))
def test_a_command_that_waits_for_zoho(bench: Bench, name: str) -> None:
    case = CASES[name]
    (bench.folder / "map.json").write_text(json.dumps({"to_zoho": {"c": "Contacted"}, "from_zoho": {"Contacted": "c"}}))
    for words in case.before:
        bench.done(*words)
    bench.hold(case.held)
    process = bench.start(*case.command)
    wait_until(lambda: bench.simulator.faults.fired, process)
    _, err = interrupt(process, name)
    assert process.returncode == 130
    assert STOPPED in err
    bench.release()
    bench.done(*case.command)
    if case.command[0] in ("sync", "reconcile"):
        counted = bench.done("sql", "--raw", "select count(*) as n from zoho_raw.leads", "--format", "json").json
        assert counted[0]["n"] >= 3


@pytest.mark.long
def test_a_database_of_content_that_does_not_answer(bench: Bench, postgres_url: str) -> None:
    """Its driver waits for the answer in C, and sees no signal before."""
    (bench.folder / "url").write_text(postgres_url)
    query = "select 'a' as content_id, 'post' as content_type, now() as published_at from pg_sleep(600)"
    process = bench.start("content", "load", "acme", "--url-file", "url", "--query", query)
    wait_until(lambda: _waits(postgres_url, "PgSleep"), process)
    _, err = interrupt(process, "content load")
    assert (process.returncode, err.strip().splitlines()[-1]) == (130, STOPPED)
    bench.done("content", "load", "acme", "--url-file", "url", "--query", query.replace("(600)", "(0)"))


def _waits(url: str, event: str) -> bool:
    """Whether a session of the database waits for this event."""
    import psycopg2

    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from pg_stat_activity where wait_event = %s", (event,))
        found = cursor.fetchone()
    connection.close()
    return bool(found and found[0])


# the browser of the test is cut off, in a thread of its own, when the command ends
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.long
def test_connect_while_the_code_is_exchanged(bench: Bench) -> None:
    process = bench.start("connect", "bolt", "--data-center", "sim", "--port", "0", "--no-browser")
    assert process.stdout is not None
    url = ""
    while "/oauth/v2/auth" not in url:
        assert process.poll() is None
        url = process.stdout.readline().strip()
    bench.hold("/oauth/v2/token")
    browser = accept(url, bench.org.admin.id)
    wait_until(lambda: bench.simulator.faults.fired, process)
    _, err = interrupt(process, "connect")
    browser.join(60)  # its error must not reach the next test
    assert (process.returncode, STOPPED in err) == (130, True)


@dataclass
class Silent:
    """An endpoint on loopback that takes a connection and never answers."""

    asked: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/hook"
        self.held: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        with suppress(OSError):  # the caller ends, or the test does
            self.held.append(self.socket.accept()[0])
            self.held[0].recv(1)
            self.asked.set()

    def close(self) -> None:
        for one in (*self.held, self.socket):
            one.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent()
    yield made
    made.close()


@pytest.mark.long
def test_an_endpoint_that_does_not_answer(bench: Bench, silent: Silent) -> None:
    bench.environment["ZOHO_PIPELINE_PUBLIC_URL"] = "http://localhost:8480"
    added = json.loads(bench.run("web", "endpoints", "add", silent.url, "--all-tenants", "--format", "json"))
    process = bench.start("web", "endpoints", "test", added["id"])
    wait_until(silent.asked.is_set, process)
    _, err = interrupt(process, "web endpoints test")
    assert (process.returncode, STOPPED in err) == (130, True)


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.long
def test_a_worker(bench: Bench, once: bool) -> None:
    """It is a service, so Ctrl-C is its usual end. But `--once` has not done what it should."""
    registry = bench.registry
    request, _ = queue.request_sync(registry, "acme", reason="user", requested_by="key:k")
    bench.hold("/crm/v7/")
    process = bench.start("work", *(["--once"] if once else []))
    wait_until(lambda: bench.simulator.faults.fired, process)
    out, err = interrupt(process, "work")
    assert process.returncode == (130 if once else 0)
    assert err.count("Stopping: syncs end at their next checkpoint") == 1
    assert "The worker has stopped. What it had taken is in the queue again." in out
    left = queue.get(registry, request.id)
    assert left is not None
    assert left.state == "queued"


STOPPED_EARLY = f"""
import signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "zoho_pipeline.worker.worker":
            signal.raise_signal(signal.SIGINT)
            print("it went on")
sys.meta_path.insert(0, Finder())
{MAIN}
"""
"""A program that Ctrl-C stops while the worker is imported."""


@pytest.mark.long
@pytest.mark.parametrize("once", [False, True])
def test_a_worker_that_is_still_being_imported(bench: Bench, once: bool) -> None:
    process = bench.start("work", *(["--once"] if once else []), program=STOPPED_EARLY)
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == (130 if once else 0), err
    assert out == "The worker has stopped. It had taken nothing.\n"
    assert err.count("Stopping") == 1


@pytest.mark.long
def test_a_web_server_with_an_open_stream_and_a_worker(bench: Bench) -> None:
    registry = bench.registry
    key = json.loads(bench.done("web", "keys", "add", "k", "--tenant", "t", "--scope", "read", "--format", "json").out)[
        "key"
    ]
    request, _ = queue.request_sync(registry, "acme", reason="user", requested_by="key:k")
    bench.hold("/crm/v7/")
    process = bench.start("serve", "--port", "0", "--format", "json")
    said = ""
    assert process.stdout is not None
    while not said.rstrip().endswith("}"):
        said += process.stdout.readline()
        assert process.poll() is None, process.communicate()[1]
    stream = http.client.HTTPConnection("127.0.0.1", json.loads(said)["port"], timeout=60)
    stream.request("GET", "/v1/channels/acme/events", headers={"Authorization": f"Bearer {key}"})
    answer = stream.getresponse()
    assert answer.status == 200, answer.read()
    wait_until(lambda: bench.simulator.faults.fired, process)
    out, err = interrupt(process, "serve")
    stream.close()
    assert (process.returncode, out) == (0, "")
    assert err.count("Stopping: requests that run are finished") == 1
    left = queue.get(registry, request.id)
    assert left is not None
    assert left.state == "queued", "the worker beside it gave back its request"


@pytest.mark.long
def test_an_agent_that_asks_nothing(bench: Bench) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, "mcp"], env=bench.environment, cwd=bench.folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n")
    process.stdin.flush()
    assert process.stdout.readline()
    out, err = interrupt(process, "mcp")
    assert (process.returncode, out) == (130, "")
    assert "stopped by Ctrl-C" in err


@pytest.mark.long
@pytest.mark.parametrize("moment", ["== Connect", "== First sync", "== The insight", "== Second sync"])
def test_the_demo_at_its_moments(bench: Bench, moment: str) -> None:
    bench.environment["ZOHO_PIPELINE_HOME"] = str(bench.folder / "demo")
    process = bench.start("demo", "--leads", "60")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(moment):
            break
    out, err = interrupt(process, f"demo at {moment}")
    assert (process.returncode, STOPPED in err) == (130, True), out
    bench.run("demo", "--leads", "60")


SLOW_END = """
import sys, time
import click
from zoho_pipeline.cli.program import Program
@click.group(cls=Program)
def main(): pass
@main.command()
@click.argument("seconds", type=float)
def run(seconds):
    try:
        print("begun", flush=True)
        time.sleep(600)
    finally:
        print("cleaning", flush=True)
        time.sleep(seconds)
        print("cleaned", flush=True)
main()
"""


BUSY = "import sys; sys.setswitchinterval(600)\n"
"""The thread that runs keeps running, so the main thread is always before the watcher, as on a busy machine."""


@pytest.mark.parametrize("before", ["", BUSY], ids=["idle", "busy"])
def test_a_second_ctrl_c_ends_at_once(bench: Bench, before: str) -> None:
    process = bench.start("run", "600", program=before + SLOW_END)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    time.sleep(0.5)  # less would be the same Ctrl-C
    out, err = interrupt(process, "the second Ctrl-C")
    assert (process.returncode, out) == (130, "")
    assert (
        err.strip()  # a new line may come before it: the terminal shows ^C there
        == "stopped at once by a second Ctrl-C: what was under way is as after a kill. The next run does it again."
    )


def test_one_ctrl_c_that_comes_twice_is_one(bench: Bench) -> None:
    """`make` and `uv run` pass on the signal that the terminal has sent to all of them."""
    process = bench.start("run", "1", program=SLOW_END)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    out, err = process.communicate(timeout=WAIT_SECONDS)
    assert (process.returncode, out) == (130, "cleaned\n")
    assert err.strip() == STOPPED

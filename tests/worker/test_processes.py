"""Workers as processes: killed in a sync, stopped by a signal, drained by the command."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.worker.conftest import Place, wait_for
from tests.worker.test_worker import ask, leads, now, told
from zoho_pipeline.channels.platform.purges import Purges
from zoho_pipeline.channels.sync_requests import workers

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "from zoho_pipeline.cli import main; main()", "work")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(place: Place, settings_env: Callable[..., dict[str, str]], registry_env: dict[str, str]) -> Iterator[Start]:
    """`start(*command)` starts a process with the settings of the place. It is killed at the end of the test."""
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{place.sim.url}"}}', PYTHONPATH=str(ROOT), **registry_env)
    started: list[subprocess.Popen[str]] = []

    def run(*command: str) -> "subprocess.Popen[str]":
        environment = {"PATH": os.environ["PATH"], **env}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, **pipes))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.long
@pytest.mark.parametrize("registry_env", ["sqlite", "postgres"], indirect=True)
def test_the_request_of_a_killed_worker_is_done_by_the_next_one(place: Place, start: Start) -> None:
    place.connect("acme", leads=5)
    request = ask(place)
    place.sim.faults.next(100, "slow", "/crm/v7/Leads", seconds=15.0)
    dying = start(sys.executable, "-m", "tests.worker.working", "4")
    wait_for(lambda: place.sim.faults.fired, 120)
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    place.sim.faults.clear()
    held = now(place, request)
    assert held.state == "running"
    assert held.lease_until is not None
    next_one = place.worker()
    wait_for(lambda: place.registry.database.now() > held.lease_until)
    assert next_one.run(once=True)
    done = now(place, request)
    assert (done.state, done.worker) == ("done", next_one.id)
    assert done.worker != held.worker
    assert leads(place) == {"acme": 5}
    assert told(place, "acme").count("sync.finished") == 1


def test_a_signal_ends_the_command_well_and_gives_the_request_back(place: Place, start: Start) -> None:
    place.connect("acme")
    request = ask(place)
    place.sim.faults.next(100, "slow", "/crm/v7/Leads", seconds=20.0)
    process = start(*COMMAND)
    wait_for(lambda: place.sim.faults.fired, 120)
    assert workers.worker_alive(place.registry)
    process.send_signal(signal.SIGTERM)
    _, problems = process.communicate(timeout=60)  # Zoho still does not answer: the process does not wait for it
    assert process.returncode == 0, problems
    assert "Traceback" not in problems
    assert now(place, request).state == "queued"
    assert not workers.worker_alive(place.registry)


def test_a_worker_that_breaks_beside_a_purge_that_hangs_ends_with_exit_code_1(place: Place, start: Start) -> None:
    place.connect("acme")
    place.connect("bolt")
    place.registry.remove("acme", purge_for="key:x")
    with place.registry.database.write() as transaction:  # a row that no release can have written
        number = "insert into registry_lead_changes_untold values ('bolt', x'00', '2026-01-01 00:00:00.000000')"
        transaction.execute(text(number))
    with place.warehouse.exclusive():  # as a long load of another process: the purge waits for it
        process = start(*COMMAND)
        out, problems = process.communicate(timeout=120)
    assert "its part 'pulse' met an unexpected error" in problems
    assert (process.returncode, out) == (1, ""), problems
    assert problems.splitlines()[-1].startswith("error: the worker ended: an unexpected error")
    assert Purges(place.registry.database).waiting() == ["acme"]


@pytest.mark.long
def test_the_command_drains_the_queue_and_shows_failures_by_its_exit_code(place: Place, start: Start) -> None:
    place.connect("acme")
    place.connect("bolt")
    requests = [ask(place), ask(place, "bolt")]
    place.registry.pause("bolt")
    process = start(*COMMAND, "--once", "--format", "json")
    out, problems = process.communicate(timeout=300)
    assert process.returncode == 1
    found = json.loads(out)
    assert (found["done"], list(found["failed"]), found["left"]) == ([requests[0].id], [requests[1].id], {})
    assert "error: channel bolt is paused" in problems
    again = start(*COMMAND, "--once")
    out, problems = again.communicate(timeout=300)
    assert (again.returncode, out) == (0, "0 requests are done, 0 failed, 0 are left.\n"), problems

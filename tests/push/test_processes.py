"""Processes that are killed: a web server right behind its answer, and a worker while it reads what was named."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock

import httpx
import pytest
from sqlalchemy import select

from tests.channels.conftest import CONNECTION
from tests.params import choice
from tests.postgres import free_port
from tests.push.conftest import PushBench, lane, wait_for
from tests.worker.conftest import Place
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.push import hooks
from zoho_pipeline.push.store import SubscriptionStore
from zoho_pipeline.settings import Secret

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-c", "from zoho_pipeline.cli import main; main()")
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(place: Place, settings_env: Callable[..., dict[str, str]], registry_env: dict[str, str]) -> Iterator[Start]:
    """`start(*words, **env)` starts a command with the settings of the place. It is killed at the end of the test."""
    simulated = json.dumps({"sim": place.sim.url})
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=simulated, PYTHONPATH=str(ROOT), **registry_env)
    started: list[subprocess.Popen[bytes]] = []

    def run(*words: str, **more: str) -> "subprocess.Popen[bytes]":
        environment = {"PATH": os.environ["PATH"], **env, **more}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        started.append(subprocess.Popen((*PROGRAM, *words), env=environment, **quiet))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("registry_env", choice(["sqlite", "all on postgres"], ["sqlite"]), indirect=True)
def test_an_answer_200_outlives_a_kill_right_behind_it(place: Place, start: Start) -> None:
    registry = place.registry
    registry.add("acme", Secret("1000.known"), CONNECTION)
    given = {"hook": hooks.new_secret(), "token": hooks.new_secret()}
    SubscriptionStore(registry).insert("acme", "1", given, registry.database.now())
    port = free_port()
    url, body = f"http://127.0.0.1:{port}", {"module": "Leads", "token": given["token"].reveal()}
    server = start("serve", "--no-worker", "--port", str(port), ZOHO_PIPELINE_PUBLIC_URL=url)
    acknowledged: set[str] = set()
    guard = Lock()

    def send(sender: int) -> None:
        with suppress(httpx.TransportError), httpx.Client(timeout=60) as client:  # the server was killed
            for number in range(10_000):
                id_ = str(10**6 * (sender + 1) + number)
                answer = client.post(f"{url}{hooks.WEBHOOK}/{given['hook'].reveal()}", json=body | {"ids": [id_]})
                with guard:
                    if answer.status_code == 200:
                        acknowledged.add(id_)
                    if len(acknowledged) == 60:
                        server.kill()

    def is_up() -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{url}/healthz").status_code == 200
        return False

    wait_for(is_up, 120)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    assert server.wait(60) != 0
    with registry.database.read() as transaction:
        stored = set(transaction.scalars(select(tables.push_dirty.c.record_id)))
    assert len(acknowledged) >= 60
    assert acknowledged <= stored


@pytest.mark.long
def test_a_worker_that_is_killed_while_it_reads_loses_no_record(synced: PushBench, start: Start) -> None:
    lead = synced.org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan"})
    synced.told()
    sim = synced.place.sim
    sim.faults.next(1, "slow", "/crm/v7/coql", seconds=8.0)
    worker = start("work", ZOHO_PIPELINE_PUSH_DEBOUNCE="0", ZOHO_PIPELINE_PUBLIC_URL=synced.url)
    wait_for(lambda: sim.faults.fired, 120)
    worker.kill()
    worker.wait()
    sim.faults.clear()
    assert synced.dirty()[lead]["state"] == "new"
    synced.work()
    assert synced.dirty()[lead]["state"] == "published"
    events = tables.channel_events.c
    with synced.place.registry.database.read() as transaction:
        told = transaction.scalars(select(events.data).where(events.type == "lead.changed")).all()
    assert [data["lead_id"] for data in told] == [lead]


@pytest.mark.long
def test_what_a_killed_worker_had_loaded_is_listed_by_the_next_one(synced: PushBench) -> None:
    """It was killed before the publication. Nobody else would publish it before the next whole sync."""
    lead = synced.org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan"})
    synced.told()
    lane(synced).serve("acme")
    assert synced.dirty()[lead]["state"] == "loaded"
    synced.work()
    assert synced.dirty()[lead]["state"] == "published"
    assert lead in {row["zoho_lead_id"] for row in synced.place.published("select zoho_lead_id from recent_lead")}


@pytest.mark.long
def test_a_worker_ends_with_the_server_that_was_killed(place: Place, start: Start) -> None:
    """It lived on, and the next server started another one beside it."""
    port = free_port()
    server = start("serve", "--port", str(port), ZOHO_PIPELINE_PUBLIC_URL=f"http://127.0.0.1:{port}")

    def workers() -> list[str]:
        """Those that have not said that they end."""
        with place.registry.database.read() as transaction:
            return list(transaction.scalars(select(tables.workers.c.id)))

    wait_for(lambda: workers(), 120)
    server.kill()
    server.wait()
    wait_for(lambda: not workers(), 60)


def test_nothing_is_left_at_zoho_of_a_first_switching_on_that_a_person_stopped(bench: PushBench, start: Start) -> None:
    """Ctrl-C while Zoho does not answer. It had the subscription, and the registry forgot it."""
    bench.connect()
    bench.place.sim.faults.next(
        1, "slow", path="/actions/watch", after=2, seconds=300.0
    )  # the reading after the change
    command = start("push", "on", "acme", "--module", "Leads", ZOHO_PIPELINE_PUBLIC_URL=bench.url)
    wait_for(lambda: not bench.place.sim.faults.pending or command.poll() is not None, 120)
    assert (command.poll(), len(bench.org.subscriptions)) == (None, 1)
    command.send_signal(signal.SIGINT)
    assert command.wait(120) != 0
    assert list(bench.org.subscriptions) == []

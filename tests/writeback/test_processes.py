"""A process that is killed between the change at Zoho and its record: nothing is lost, and nothing is told twice."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.worker.conftest import wait_for
from tests.writeback.conftest import QUICK, Bench
from zoho_pipeline.channels.registry.platform_tables import writebacks
from zoho_pipeline.writeback.sender import WritebackSender
from zoho_pipeline.zoho.connection.server_clock import parse_time

ROOT = Path(__file__).resolve().parents[2]


def run_and_kill(bench: Bench, env: dict[str, str], is_time: Callable[[], object]) -> None:
    """Start a sender, kill it with SIGKILL at a time, and end its lease."""
    command = (sys.executable, "-m", "tests.writeback.working")
    process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **env}, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: is_time() or process.poll() is not None, 120)
        assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    with bench.registry.database.write() as transaction:
        past = bench.registry.database.now_in(transaction) - timedelta(seconds=1)
        transaction.execute(update(writebacks).values(lease_until=past))


@pytest.mark.long
@pytest.mark.parametrize("registry_env", ["sqlite", "postgres"], indirect=True)
def test_a_change_whose_record_was_killed_is_our_own(
    bench: Bench, settings_env: Callable[..., dict[str, str]], registry_env: dict[str, str]
) -> None:
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{bench.sim.url}"}}', PYTHONPATH=str(ROOT), **registry_env)
    wish = bench.ask("contacted")
    bench.sim.faults.next(1, "slow", "/crm/v7/Leads/", after=2, seconds=8.0)  # the look after the change
    run_and_kill(bench, env, bench.puts)
    left = bench.get(wish)
    assert (left.state, left.worker) == ("sending", "dying")
    assert left.sending_since is not None
    bench.drain()
    assert (bench.get(wish).state, bench.status()) == ("done", "Contacted")
    assert len(bench.puts()) == 1
    assert bench.kinds() == ["writeback.done"]


WORK = (sys.executable, "-c", "from zoho_pipeline.cli import main; main()", "work")


LONG = pytest.mark.long


@pytest.mark.long
@pytest.mark.parametrize(
    ("registry_env", "at"),
    [
        ("sqlite", 1),
        *(pytest.param("sqlite", at, marks=LONG) for at in (0, 2)),
        *(pytest.param("postgres", at, marks=LONG) for at in (0, 1, 2)),
    ],
    indirect=["registry_env"],
)
def test_a_killed_worker_leaves_one_change_and_a_true_record(
    bench: Bench, settings_env: Callable[..., dict[str, str]], registry_env: dict[str, str], at: int
) -> None:
    """The command `work` itself, killed in the reading, the change or the look after it, and started again."""
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{bench.sim.url}"}}', PYTHONPATH=str(ROOT), **registry_env)
    env = {"PATH": os.environ["PATH"], **env}
    wish = bench.ask("contacted", "new")
    bench.sim.faults.next(1, "slow", f"/crm/v7/Leads/{bench.lead}", after=at, seconds=6.0)
    process = subprocess.Popen(WORK, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        wait_for(lambda: bench.sim.faults.fired or process.poll() is not None, 120)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    left = bench.get(wish)
    assert (left.state, left.sending_since is not None) == (("queued", False) if at == 0 else ("sending", True))
    with bench.registry.database.write() as transaction:
        past = bench.registry.database.now_in(transaction) - timedelta(seconds=1)
        transaction.execute(update(writebacks).values(lease_until=past))
    again = subprocess.run((*WORK, "--once"), env=env, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    found = bench.get(wish)
    assert (found.state, bench.status()) == ("done", "Contacted")
    assert found.zoho_modified_at == parse_time(bench.org.row("Leads", bench.lead)["Modified_Time"])
    wait_for(lambda: all(call.status for call in bench.puts()), 30)
    assert [call.status for call in bench.puts()].count(200) == 1, "one change took effect, and no other one"
    assert bench.kinds() == ["writeback.done"]


@pytest.mark.long
def test_a_worker_that_is_killed_after_a_lost_change_leaves_the_time_of_that_change(
    bench: Bench, settings_env: Callable[..., dict[str, str]]
) -> None:
    """Zoho carried the change out, and three seconds later a person took it back. The next worker wrote over that."""
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{bench.sim.url}"}}', PYTHONPATH=str(ROOT))

    def restore() -> None:
        bench.sim.clock.advance(3)
        bench.org.update("Leads", bench.lead, {"Lead_Status": "Not Contacted"})

    path = f"/crm/v7/Leads/{bench.lead}"
    bench.sim.on_call(2, restore, path, after=True)
    bench.sim.faults.next(1, "slow", path, after=3, seconds=6.0)  # the reading that follows the loss
    wish = bench.ask("contacted", "new")
    run_and_kill(bench, env, lambda: bool(bench.sim.faults.fired))
    assert (bench.get(wish).state, bench.path(wish)[-1]) == ("queued", ("queued", "lost"))
    bench.drain()
    assert (bench.get(wish).state, bench.status(), len(bench.puts())) == ("conflict", "Not Contacted", 1)


def test_the_part_of_the_worker_sends_and_becomes_idle(bench: Bench) -> None:
    import threading

    wish = bench.ask("contacted")
    sender = WritebackSender(bench.registry, "w", QUICK)
    assert not sender.is_idle()
    thread = threading.Thread(target=sender.run, daemon=True)
    thread.start()
    wait_for(sender.is_idle)
    sender.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert bench.get(wish).state == "done"

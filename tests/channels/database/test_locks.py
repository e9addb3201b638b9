"""Locks between threads and between processes, on both engines."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.postgres import end_lock_sessions
from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.file_lock import lock_path
from zoho_pipeline.channels.database.locks import LockTimeout, channel_lock, exclusive
from zoho_pipeline.channels.errors import ChannelBusy, LockLost, RegistryError
from zoho_pipeline.settings import Settings

HOLD = """
import sys
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.settings import load_settings
with channel_lock(load_settings(), "acme"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(settings: Settings, settings_env: Callable[..., dict[str, str]]) -> subprocess.Popen[str]:
    """Another process that holds channel acme until its standard input closes."""
    env = settings_env(ZOHO_PIPELINE_REGISTRY=settings.registry_url)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_channel_that_another_process_holds_is_left_with_a_clear_message(
    settings: Settings, holder: subprocess.Popen[str]
) -> None:
    waited: list[str] = []
    with (
        pytest.raises(ChannelBusy, match="channel acme is in use by another process"),
        channel_lock(settings, "acme", wait=0.2, on_wait=lambda: waited.append("once")),
    ):
        pytest.fail("two hold the channel")
    assert waited == ["once"]
    with channel_lock(settings, "beta", wait=0):
        pass  # another channel is free
    holder.communicate()
    with channel_lock(settings, "acme", wait=10):
        pass


def test_a_killed_holder_leaves_no_lock_behind(settings: Settings, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()
    with channel_lock(settings, "acme", wait=10):
        pass


def test_a_thread_may_take_its_own_lock_again_and_others_may_not(settings: Settings) -> None:
    def other() -> None:
        with channel_lock(settings, "acme", wait=0):
            pass

    with ThreadPoolExecutor(1) as pool, channel_lock(settings, "acme", wait=0):
        with channel_lock(settings, "acme", wait=0):
            pass
        with pytest.raises(ChannelBusy):
            pool.submit(other).result()
    other()


def test_a_failure_inside_gives_the_lock_back(settings: Settings) -> None:
    with pytest.raises(RuntimeError), channel_lock(settings, "acme", wait=0):
        raise RuntimeError
    with channel_lock(settings, "acme", wait=0):
        pass


def test_one_holds_the_lock_at_a_time_and_everyone_gets_it(settings: Settings) -> None:
    database, barrier, guard = Database(settings), Barrier(8), Lock()
    turns: list[int] = []

    def work(number: int) -> None:
        barrier.wait()
        with exclusive(database, "name", wait=60):
            assert guard.acquire(blocking=False), "two threads hold the lock at the same time"
            turns.append(number)
            guard.release()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert sorted(turns) == list(range(8))


@pytest.mark.parametrize("settings", ["postgres"], indirect=True)
def test_a_lock_whose_session_ended_stays_lost(settings: Settings) -> None:
    with channel_lock(settings, "acme", wait=0) as lock:
        lock.ensure_held()
        assert end_lock_sessions(settings.registry_url) == 1
        for _ in range(2):
            with pytest.raises(LockLost, match="channel acme: the lock that keeps other runs out was lost"):
                lock.ensure_held()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_take, settings).result()
    _take(settings)


@pytest.mark.parametrize("again", [False, True])
def test_a_lock_whose_file_was_removed_is_lost(sqlite_settings: Settings, again: bool) -> None:
    folder = Database(sqlite_settings).locks_folder
    assert folder is not None
    with channel_lock(sqlite_settings, "acme", wait=0) as lock:
        lock.ensure_held()
        shutil.rmtree(folder)
        with ThreadPoolExecutor(1) as pool:
            if again:  # another process holds a file of the same name
                pool.submit(_take, sqlite_settings).result()
            with pytest.raises(LockLost, match="replaced" if again else "removed"):
                lock.ensure_held()


def _take(settings: Settings) -> None:
    with channel_lock(settings, "acme", wait=0) as lock:
        lock.ensure_held()


def test_waiting_ends(settings: Settings) -> None:
    database = Database(settings)
    with exclusive(database, "name", 0), pytest.raises(LockTimeout), exclusive(Database(settings), "name", 0.2):
        pytest.fail("two hold the lock")


def test_a_lock_ends_beside_connections_that_are_kept(settings: Settings) -> None:
    """A kept session of Postgres would keep its lock, and no process could request a token for this connection."""
    database = Database(settings)
    for kept in (database, database.keeping_connections()):
        with kept.kept_open():
            for _ in range(3):
                with exclusive(kept, "name", 0) as lock, kept.read():
                    lock.ensure_held()
            with exclusive(Database(settings), "name", 0):
                pass


@given(st.text(max_size=80), st.text(max_size=80))
def test_two_names_never_share_a_file_and_none_leaves_the_folder(one: str, two: str) -> None:
    folder = Path("/locks")
    assert lock_path(folder, one).parent == folder
    assert (lock_path(folder, one) == lock_path(folder, two)) == (one == two)


def test_a_folder_in_the_place_of_a_lock_file_is_named_with_its_cure(settings: Settings) -> None:
    database = Database(settings)
    if database.is_postgres:
        return
    assert database.locks_folder is not None
    path = lock_path(database.locks_folder, "channel acme")
    path.mkdir(parents=True)
    with pytest.raises(RegistryError, match=r"channel-acme.*Remove it"), channel_lock(settings, "acme", wait=0):
        pass
    path.rmdir()
    with channel_lock(settings, "acme", wait=0) as lock:
        lock.ensure_held()

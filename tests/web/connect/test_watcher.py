"""Waiting for the end of a consent: at once when it ends, with one reader for all waiters, and no thread for each."""

import asyncio
import threading
import time
from collections.abc import Collection
from typing import Any

from tests.channels.wire import Person
from tests.web.connect.conftest import Browser, Platform
from zoho_pipeline.web.connect.watcher import MOST_WAITERS, SessionWatcher


class Sessions:
    """Sessions in memory, in place of the registry."""

    def __init__(self) -> None:
        self.over: set[str] = set()
        self.version = 0
        self.reads: list[Collection[str]] = []

    def end(self, session_id: str) -> None:
        self.over.add(session_id)
        self.version += 1

    def ended(self, ids: Collection[str]) -> set[str]:
        self.reads.append(ids)
        return self.over & set(ids)

    def watcher(self) -> SessionWatcher:
        return SessionWatcher(self.ended, lambda: self.version)


def test_many_waiters_need_few_threads_and_few_reads() -> None:
    sessions = Sessions()
    watcher = sessions.watcher()

    async def run() -> list[float]:
        started = time.monotonic()

        async def one(number: int) -> float:
            await watcher.wait(f"s{number % 50}", 20)
            return time.monotonic() - started

        waiting = [asyncio.create_task(one(number)) for number in range(500)]
        await asyncio.sleep(0.6)
        before = threading.active_count()
        for number in range(50):
            sessions.end(f"s{number}")
        found = await asyncio.gather(*waiting)
        assert before < 60
        return list(found)

    assert max(asyncio.run(run())) < 20
    assert len(sessions.reads) < 20


def test_an_unchanged_registry_is_not_read_again() -> None:
    sessions = Sessions()
    asyncio.run(sessions.watcher().wait("a", 1.2))
    assert len(sessions.reads) == 1


def test_a_session_that_has_ended_before_is_told_at_once() -> None:
    sessions = Sessions()
    watcher = sessions.watcher()

    async def run() -> None:
        first = asyncio.create_task(watcher.wait("a", 20))
        await asyncio.sleep(0.6)
        sessions.over.add("b")  # nothing changed since the last look, but this session was not looked at
        await watcher.wait("b", 20)
        sessions.end("a")
        await first

    asyncio.run(run())
    assert watcher._waiters == {}


def test_a_waiter_too_many_does_not_wait() -> None:
    sessions = Sessions()
    watcher = sessions.watcher()

    async def run() -> int:
        waiting = [asyncio.create_task(watcher.wait("a", 20)) for _ in range(MOST_WAITERS)]
        await asyncio.sleep(0)
        await watcher.wait("a", 20)
        left = sum(not task.done() for task in waiting)
        sessions.end("a")
        await asyncio.gather(*waiting)
        return left

    assert asyncio.run(run()) == MOST_WAITERS


def test_a_page_that_waits_is_answered_when_the_consent_ends(
    platform: Platform, browser: Browser, person: Person
) -> None:
    begun = platform.connect().json()
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(platform.status(begun["session_id"], wait=25)))
    started = time.monotonic()
    waiting.start()
    params = person.callback(browser.start(begun["start_url"]))
    assert browser.back(params).status_code == 200
    waiting.join(24)
    assert answers[0].json()["status"] == "connected"
    assert time.monotonic() - started < 24


def test_the_time_of_a_wait_has_bounds(platform: Platform) -> None:
    begun = platform.connect().json()
    assert [platform.status(begun["session_id"], wait=wait).status_code for wait in (-1, 26)] == [422, 422]
    assert platform.status(begun["session_id"], wait=1).json()["status"] == "pending"

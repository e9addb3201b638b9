"""Waits for the end of consents without a thread per waiter: one task looks for all of them."""

import asyncio
from collections.abc import Callable, Collection, Hashable

from starlette.concurrency import run_in_threadpool

LOOK_SECONDS = 0.25
MOST_WAITERS = 1_000
"""A waiter too many is answered at once, as if it had not asked to wait."""


class SessionWatcher:
    """Tells waiters that their session has ended.

    Args:
        ended: the ids of those sessions that do not wait any more; it reads the registry.
        stamp: differs after each change of the registry, so that an unchanged one is not read.
    """

    def __init__(self, ended: Callable[[Collection[str]], set[str]], stamp: Callable[[], Hashable]) -> None:
        self._ended, self._stamp = ended, stamp
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None

    async def wait(self, session_id: str, seconds: float) -> None:
        """Return when the session has ended, or after `seconds`."""
        if seconds <= 0 or sum(map(len, self._waiters.values())) >= MOST_WAITERS:
            return
        event = asyncio.Event()
        self._waiters.setdefault(session_id, set()).add(event)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            events = self._waiters.get(session_id, set())
            events.discard(event)
            if not events:
                self._waiters.pop(session_id, None)

    async def _look(self) -> None:
        seen: object = None
        asked: set[str] = set()
        while self._waiters:
            wanted = set(self._waiters)
            stamp = await run_in_threadpool(self._stamp)
            if stamp != seen or not wanted <= asked:
                for session_id in await run_in_threadpool(self._ended, wanted):
                    for event in self._waiters.get(session_id, ()):
                        event.set()
                seen, asked = stamp, wanted
            await asyncio.sleep(LOOK_SECONDS)

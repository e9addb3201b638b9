"""Runs an action for many channels at the same time, because a sync spends most of its time on waits.

The threads are daemons, and nobody waits for them after Ctrl-C: one may be in a call that cannot be interrupted. A
process that ends in the middle of a sync loses nothing, whatever its threads were doing.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Generic, TypeVar

POLL_SECONDS = 0.2
"""How often the waiting thread looks for a signal."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Ended(Generic[Result]):
    """The end of one channel: the result of its action, or the error that ended it."""

    channel_id: str
    result: Result | None = None
    error: BaseException | None = None

    def value(self) -> Result:
        """The result. It raises the error, if there is one."""
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


def side_by_side(
    channel_ids: Sequence[str], action: Callable[[str], Result], at_once: int, stop: Event | None = None
) -> Iterator[Ended[Result]]:
    """Run `action` once per channel, and give the ends in the order in which they come.

    The channels begin in their order, at most `at_once` at the same time. If the caller leaves the loop early, no
    further channel begins, and the running ones are not waited for.

    Args:
        stop: is set when the caller leaves early, so that running actions can end.
    """
    waiting, ended = deque(channel_ids), SimpleQueue[Ended[Result]]()
    stop = stop or Event()

    def work() -> None:
        while not stop.is_set():
            try:
                channel_id = waiting.popleft()
            except IndexError:
                return
            try:
                ended.put(Ended(channel_id, action(channel_id)))
            except BaseException as error:  # also KeyboardInterrupt, which a statement that is broken off becomes
                ended.put(Ended(channel_id, error=error))

    is_whole = False
    try:
        for number in range(min(at_once, len(channel_ids))):
            Thread(target=copy_context().run, args=(work,), name=f"channels {number}", daemon=True).start()
        for _ in channel_ids:
            yield _next(ended)
        is_whole = True
    finally:
        if not is_whole:
            stop.set()


def _next(ended: "SimpleQueue[Ended[Result]]") -> Ended[Result]:
    while True:
        with suppress(Empty):  # a wait without end would not hear a signal on every system
            return ended.get(timeout=POLL_SECONDS)

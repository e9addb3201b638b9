"""Runs an action for many channels at the same time, because a sync spends most of its time on waits.

The threads are daemons, and nobody waits for them after Ctrl-C: one may be in a call that cannot be interrupted. A
process that ends in the middle of a sync loses nothing, whatever its threads were doing.
"""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

POLL_SECONDS = 0.2
"""How often the waiting thread looks for a signal."""

SWITCH_SECONDS = 0.05
"""How long a thread waits for the interpreter's lock before it asks for it, while channels run side by side.

Python's own 5 ms are for a few threads. A batch has hundreds, and each one that waits wakes up that often: beside other
work on two cores, 80 quiet channels took 0.20 s of CPU each, and take 0.16 s with 50 ms."""

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
        with _SWITCHES.rare():
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


class _Switches:
    """Sets how often threads ask for the interpreter's lock, which is a setting of the whole process."""

    def __init__(self) -> None:
        self._lock, self._batches, self._usual = Lock(), 0, 0.0

    @contextmanager
    def rare(self) -> Iterator[None]:
        """A block with rare switches. The last of several such blocks sets back what was set before the first."""
        with self._lock:
            if not self._batches:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(max(self._usual, SWITCH_SECONDS))
            self._batches += 1
        try:
            yield
        finally:
            with self._lock:
                self._batches -= 1
                if not self._batches:
                    sys.setswitchinterval(self._usual)


_SWITCHES = _Switches()

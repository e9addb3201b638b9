"""Threads that read, and the bounded queue between them and the thread that loads.

They are daemons: a call to Zoho cannot be interrupted, and a process that is being stopped must not wait for its
answer. `concurrent.futures` would join its threads at the end of the process.
"""

import queue
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from threading import Event, Lock, Semaphore, Thread
from types import TracebackType
from typing import Self

from zoho_pipeline import stopping
from zoho_pipeline.ingest.extract.checkpoints import Checkpoint
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.settings import PipelineError

STOP_POLL_SECONDS = 0.2

Work = Callable[[], Iterable[Checkpoint]]


@dataclass(frozen=True)
class Done:
    """A piece of work has ended. `error` is an expected failure."""

    name: str
    seconds: float
    error: PipelineError | None = None


@dataclass(frozen=True)
class Waiting:
    """All work that has not ended pauses: the loading thread has time."""


@dataclass(frozen=True)
class _Broken:
    error: BaseException


class Interrupted(PipelineError):
    """The work was stopped because the sync could not continue."""


class SyncStopped(PipelineError):
    """Somebody asked the sync to stop."""


class _Cancelled(Exception):
    """Ends a piece of work that is not needed any more."""


class WorkerPool:
    """Runs pieces of work at the same time. `items` gives their checkpoints and ends to the loading thread.

    Args:
        stop: once another thread has set it, `items` raises SyncStopped at the next checkpoint.
    """

    def __init__(self, limits: SyncLimits, stop: Event | None = None) -> None:
        self._stop = stop
        self._threads: list[Thread] = []
        self._places = Semaphore(limits.threads)
        self._queue: queue.SimpleQueue[Checkpoint | Done | Waiting | _Broken] = queue.SimpleQueue()
        self._room = Semaphore(limits.queued_checkpoints)
        self._cancelled = Event()
        self._open = 0
        self._lock, self._unended, self._paused = Lock(), 0, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        for thread in self._threads:
            while thread.is_alive() and not self._is_stopping(error):
                thread.join(STOP_POLL_SECONDS)

    def start(self, name: str, work: Work) -> None:
        self._open += 1
        self._count(unended=1)
        # a thread for each: one that pauses keeps its thread, and gives up only its place
        work_on = (self._run, name, work)
        thread = Thread(target=copy_context().run, args=work_on, name=f"extract {name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def cancel(self) -> None:
        """Let the work stop at its next checkpoint. It ends as interrupted."""
        self._cancelled.set()

    def sleep(self, seconds: float) -> None:
        """Wait within a piece of work. A cancellation ends the wait at once, because a bulk job may take an hour."""
        if self._cancelled.wait(seconds):
            raise _Cancelled

    def pause(self, seconds: float) -> None:
        """Wait within a piece of work, and let others run meanwhile: six modules that wait would keep out the rest."""
        self._places.release()
        self._count(paused=1)
        try:
            self.sleep(seconds)
        finally:
            self._count(paused=-1)
            self._places.acquire()

    def items(self) -> Iterator[Checkpoint | Done | Waiting]:
        """Yield checkpoints and ends as they come, until all work has ended. An unexpected error is raised here.

        Where all the work waits, `Waiting` is among them.

        Raises:
            SyncStopped: `stop` was set.
        """
        while self._open:
            item = self._next()
            if isinstance(item, _Broken):
                raise item.error
            if isinstance(item, Done):
                self._open -= 1
            elif isinstance(item, Checkpoint):
                self._room.release()
            given = [item]
            del item  # else this frame would keep its rows while they are loaded
            yield given.pop()

    def _is_stopping(self, error: BaseException | None) -> bool:
        """Whether the process ends: then nobody waits for an answer of Zoho."""
        return stopping.requested() is not None or isinstance(error, KeyboardInterrupt)

    def _next(self) -> Checkpoint | Done | Waiting | _Broken:
        while self._stop is None or not self._stop.is_set():
            with suppress(queue.Empty):
                return self._queue.get(timeout=STOP_POLL_SECONDS)
        raise SyncStopped("the sync was stopped. Its finished steps are kept, and the next sync does the rest.")

    def _run(self, name: str, work: Work) -> None:
        started = time.monotonic()

        def done(error: PipelineError | None = None) -> None:
            self._queue.put(Done(name, time.monotonic() - started, error))
            self._count(unended=-1)

        self._places.acquire()
        try:
            self._go_on()
            for checkpoint in work():
                while not self._room.acquire(timeout=0.5):
                    self._go_on()
                self._queue.put(checkpoint)
                del checkpoint  # else its rows would stay in memory until the next ones are read
                self._go_on()
            done()
        except _Cancelled:
            done(Interrupted("not read: the sync could not continue"))
        except PipelineError as error:
            done(error)
        except BaseException as error:
            self._queue.put(_Broken(error))
        finally:
            self._places.release()

    def _count(self, *, unended: int = 0, paused: int = 0) -> None:
        """Count a piece of work that begins, pauses, goes on or ends."""
        with self._lock:
            self._unended += unended
            self._paused += paused
            if 0 < self._unended == self._paused and (paused > 0 or unended < 0):
                self._queue.put(Waiting())

    def _go_on(self) -> None:
        if self._cancelled.is_set():
            raise _Cancelled

"""Group commit: one thread writes everything that waits in one transaction, and tells each sender after its commit.

With a transaction per delivery, twenty senders would wait for one another's locks on SQLite for seconds.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Generic, TypeVar

from sqlalchemy import Connection

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import RegistryError

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
"""Without new items for so long, the thread ends."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class QueueFull(Exception):
    """Too much waits to be written."""


class GroupCommit(Generic[Item, Answer]):
    """The writer of one kind of item in one process. Its thread starts with the first item.

    Args:
        name: of what is written, for the thread and the log, e.g. `form submissions`.
        write: writes items in a transaction and returns their answers in the same order.
        most: how much may wait, or be written at this moment.
        size: how much an item is.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        write: Callable[[Connection, Sequence[Item]], Sequence[Answer]],
        *,
        most: int,
        size: Callable[[Item], int] = lambda _: 1,
    ) -> None:
        self._database, self._name, self._write, self._most, self._size_of = database, name, write, most, size
        self._changed = Condition()
        self._pending: list[tuple[Item, Future[Answer]]] = []
        self._size = 0
        self._thread: Thread | None = None

    def put(self, item: Item) -> "Future[Answer]":
        """Queue an item. The future has its answer after the commit, or the exception that prevented it.

        Raises:
            QueueFull: too much waits. RuntimeError: the system starts no thread. In both cases, nothing was queued.
        """
        done: Future[Answer] = Future()
        done.set_running_or_notify_cancel()  # a request that ends early cancels what it waits for, not the writer
        with self._changed:
            if self._size >= self._most:
                raise QueueFull
            if self._thread is None:
                thread = Thread(target=self._run, name=f"writer of {self._name}", daemon=True)
                thread.start()  # the system may have no thread to spare; the next item tries again
                self._thread = thread
            self._pending.append((item, done))
            self._size += self._size_of(item)
            self._changed.notify()
        return done

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._pending:
                    self._changed.wait(IDLE_SECONDS)
                if not self._pending:
                    self._thread = None
                    return
                batch, self._pending = self._pending, []
            self._settle(batch)
            with self._changed:
                self._size -= sum(self._size_of(item) for item, _ in batch)

    def _settle(self, batch: Sequence[tuple[Item, "Future[Answer]"]]) -> None:
        try:
            with self._database.write() as transaction:
                answers = self._write(transaction, [item for item, _ in batch])
        except Exception as error:
            if not isinstance(error, RegistryError):
                log.exception("%s cannot be stored: unexpected error", self._name)
            for _, done in batch:
                done.set_exception(error)
        else:
            for (_, done), answer in zip(batch, answers, strict=True):
                done.set_result(answer)

"""Stores notifications: one thread that writes everything that waits in one transaction (group commit).

A delivery is acknowledged only after that commit. With a transaction per delivery, twenty senders would wait for one
another's locks on SQLite for seconds.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread

from sqlalchemy import Connection, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform.push_queue import Hint
from zoho_pipeline.channels.platform.push_subscriptions import ON, STOPPED, change_state, hold_channels
from zoho_pipeline.channels.registry.platform_tables import push_subscriptions
from zoho_pipeline.push.hooks import Heard, still_heard

log = logging.getLogger(__name__)

MOST_WAITING = 10_000
"""Records that wait for the commit. Beyond it, the sender must try again."""

IDLE_SECONDS = 5.0


class QueueFull(Exception):
    """Too much waits to be written."""


@dataclass(frozen=True)
class _Waiting:
    heard: Heard
    hints: Sequence[Hint]
    is_doubtful: bool
    done: "Future[bool]"


class PushWriter:
    """The writer of one process. Its thread starts with the first delivery and ends when nothing comes.

    Args:
        most_waiting: records that may wait.
    """

    def __init__(self, database: Database, most_waiting: int = MOST_WAITING) -> None:
        self._database, self._most = database, most_waiting
        self._changed = Condition()
        self._pending: list[_Waiting] = []
        self._size = 0
        self._thread: Thread | None = None

    def put(self, heard: Heard, hints: Sequence[Hint], *, doubtful: bool = False) -> "Future[bool]":
        """Queue a delivery. The future ends after its commit: True if it is stored, False if the hook is not heard any
        more.

        Raises:
            QueueFull: more than `most_waiting` records wait. Nothing was queued.
        """
        waiting = _Waiting(heard, hints, doubtful, Future())
        with self._changed:
            if self._size > self._most:
                raise QueueFull
            self._pending.append(waiting)
            self._size += len(hints)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="push writer", daemon=True)
                self._thread.start()
            self._changed.notify()
        return waiting.done

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
                self._size -= sum(len(waiting.hints) for waiting in batch)

    def _settle(self, batch: Sequence[_Waiting]) -> None:
        try:
            with self._database.write() as transaction:
                there = self._write(transaction, batch)
        except RegistryError as error:
            for waiting in batch:
                waiting.done.set_exception(error)
        except Exception as error:
            log.exception("notifications cannot be stored: unexpected error")
            for waiting in batch:
                waiting.done.set_exception(error)
        else:
            for waiting in batch:
                waiting.done.set_result(waiting.heard in there)

    def _write(self, transaction: Connection, batch: Sequence[_Waiting]) -> set[Heard]:
        """Store the deliveries whose hooks are still heard. Returns these hooks.

        The subscriptions come first, in one order: whoever changes them and records of the queue locks them first too.
        """
        asked = {waiting.heard for waiting in batch}
        now = self._database.now_in(transaction)
        hold_channels(transaction, {heard.channel_id for heard in asked})
        there = still_heard(transaction, asked, now)
        kept = [waiting for waiting in batch if waiting.heard in there]
        for channel_id in sorted({heard.channel_id for heard in there}):
            mine = [waiting for waiting in kept if waiting.heard.channel_id == channel_id]
            own_row = push_subscriptions.c.channel_id == channel_id
            doubtful = sum(waiting.is_doubtful for waiting in mine)
            columns = push_subscriptions.c
            values = {"deliveries": columns.deliveries + len(mine), "doubtful": columns.doubtful + doubtful}
            heard = update(push_subscriptions).where(own_row).values(**values, last_delivery_at=now, silent_since=None)
            state = transaction.scalar(heard.returning(columns.state))
            if state == STOPPED:
                change_state(transaction, channel_id, ON, None, now)
        push_queue.add(transaction, (hint for waiting in kept for hint in waiting.hints), now)
        return there

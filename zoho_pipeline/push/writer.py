"""Stores notifications by group commit. A delivery is acknowledged only after its commit."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import Connection, update

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.group_commit import GroupCommit
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.platform.push_queue import Hint
from zoho_pipeline.channels.platform.push_subscriptions import ON, STOPPED, change_state, hold_channels
from zoho_pipeline.channels.registry.platform_tables import push_subscriptions
from zoho_pipeline.push.hooks import Heard, still_heard

MOST_WAITING = 10_000
"""Records that wait for the commit. Beyond it, the sender must try again."""


@dataclass(frozen=True)
class _Delivery:
    heard: Heard
    hints: Sequence[Hint]
    is_doubtful: bool


class PushWriter:
    """The writer of one process.

    Args:
        most_waiting: records that may wait.
    """

    def __init__(self, database: Database, most_waiting: int = MOST_WAITING) -> None:
        self._database = database
        self._queue = GroupCommit(
            database, "notifications", self._write, most=most_waiting, size=lambda delivery: len(delivery.hints)
        )

    def put(self, heard: Heard, hints: Sequence[Hint], *, doubtful: bool = False) -> "Future[bool]":
        """Queue a delivery. The future ends after its commit: True if it is stored, False if the hook is not heard any
        more.

        Raises:
            QueueFull: `most_waiting` records wait. Nothing was queued.
        """
        return self._queue.put(_Delivery(heard, hints, doubtful))

    def _write(self, transaction: Connection, batch: Sequence[_Delivery]) -> list[bool]:
        """Store the deliveries whose hooks are still heard.

        The subscriptions come first, in one order: whoever changes them and records of the queue locks them first too.
        """
        asked = {sent.heard for sent in batch}
        now = self._database.now_in(transaction)
        hold_channels(transaction, {heard.channel_id for heard in asked})
        there = still_heard(transaction, asked, now)
        kept = [sent for sent in batch if sent.heard in there]
        for channel_id in sorted({heard.channel_id for heard in there}):
            mine = [sent for sent in kept if sent.heard.channel_id == channel_id]
            own_row = push_subscriptions.c.channel_id == channel_id
            doubtful = sum(sent.is_doubtful for sent in mine)
            columns = push_subscriptions.c
            values = {"deliveries": columns.deliveries + len(mine), "doubtful": columns.doubtful + doubtful}
            heard = update(push_subscriptions).where(own_row).values(**values, last_delivery_at=now, silent_since=None)
            state = transaction.scalar(heard.returning(columns.state))
            if state == STOPPED:
                change_state(transaction, channel_id, ON, None, now)
        push_queue.add(transaction, (hint for sent in kept for hint in sent.hints), now)
        return [sent.heard in there for sent in batch]

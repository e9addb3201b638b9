"""Passes the events of channels on to open pages: one reader of the registry per process, a short queue per page.

The reader looks once per second, for all channels that somebody listens to: first at the number of each channel's
newest event, then at the events of those channels that have new ones. A page costs a queue, and no thread.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, or_, select

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.registry.channel_events import CHANNEL_STATUS, SYNC_PROGRESS, stored_number
from zoho_pipeline.channels.registry.platform_tables import channel_events, event_numbers, web_keys
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.tables import states
from zoho_pipeline.web.auth.operator import logout_nonce

log = logging.getLogger(__name__)

TYPES = (SYNC_PROGRESS, "sync.finished", "sync.failed", CHANNEL_STATUS, "insight.published")
"""The types that a page gets."""

REPLAYED = timedelta(hours=1)
POLL_SECONDS = 1.0
QUEUE_LENGTH = 100
"""Events that wait for one page. A page that does not take them is dropped; it comes again with its last number."""

_AT_ONCE = 400  # values in one statement; SQLite takes 32,766, and long ones are slow to parse


@dataclass(frozen=True)
class PageEvent:
    """An event as a page gets it. `seq` is its number in the channel; not every number is an event for pages."""

    seq: int
    tenant: str | None
    type: str
    data: dict[str, Any]


@dataclass(eq=False)
class Listener:
    """One open page.

    Attributes:
        tenant: the tenant of the channel when the page began. Events of the same id under another tenant are not
            for this page.
        proof: the API key behind the page, or the operator's login; the page ends with it. None: there is none.
        after: the number of the last event that the page needs no more.
        has_ended: it got all events that it will get.
    """

    channel_id: str
    tenant: str | None
    proof: str | None
    after: int
    has_ended: bool = False
    _queue: "asyncio.Queue[PageEvent | None]" = field(default_factory=lambda: asyncio.Queue(QUEUE_LENGTH + 1))

    async def next(self) -> PageEvent | None:
        """The next event; None if the page has ended."""
        event = await self._queue.get()
        self.has_ended = event is None
        return event

    def offer(self, event: PageEvent) -> bool:
        """Give an event to the page; False if it does not take its events, and is dropped."""
        if event.seq <= self.after or event.tenant != self.tenant:
            return True
        if self._queue.qsize() >= QUEUE_LENGTH:
            self.end()
            return False
        self.after = event.seq
        self._queue.put_nowait(event)
        return True

    def end(self) -> None:
        """End the page after the events that it has."""
        with suppress(asyncio.QueueFull):
            self._queue.put_nowait(None)

    def cut(self) -> None:
        """End the page now. What waits for it is dropped: who reads slowly may have lost the right to it meanwhile."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self.end()


@dataclass
class _Topic:
    cursor: int
    listeners: set[Listener] = field(default_factory=set)


class EventHub:
    """The open pages of one process. All methods belong to its event loop.

    Args:
        poll_seconds: between two readings of the registry.
    """

    def __init__(self, registry: Registry, poll_seconds: float = POLL_SECONDS) -> None:
        self._registry, self._poll_seconds = registry, poll_seconds
        self._topics: dict[str, _Topic] = {}
        self._reader: asyncio.Task[None] | None = None

    async def listen(
        self, channel_id: str, tenant: str | None, last_seen: int | None, proof: str | None = None
    ) -> Listener:
        """Open a page of a channel.

        Args:
            tenant: the channel's present tenant.
            proof: the id of the API key behind the page, or `operator:…` of a login. When the key is revoked, or the
                login ended, the page gets no further event and ends.
            last_seen: the number of the last event that the page got; the later ones of the last hour come first.
                None: the page begins now.

        Raises:
            RegistryError: the registry cannot be read.
        """
        while True:
            newest, missed = await asyncio.to_thread(self._begin, channel_id, last_seen)
            topic = self._topics.get(channel_id)
            if topic is None or topic.cursor <= newest:
                break  # else the reader went on meanwhile, and what it told would be missing
        after = min(last_seen, newest) if last_seen is not None else newest
        listener = Listener(channel_id, tenant, proof, after)
        for event in missed[-QUEUE_LENGTH:]:
            listener.offer(event)
        listener.after = newest
        self._topics.setdefault(channel_id, _Topic(newest)).listeners.add(listener)
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        return listener

    def leave(self, listener: Listener) -> None:
        """Close a page."""
        topic = self._topics.get(listener.channel_id)
        if topic is not None:
            topic.listeners.discard(listener)
            if not topic.listeners:
                del self._topics[listener.channel_id]

    def close(self) -> None:
        """End all pages: the process stops."""
        for topic in self._topics.values():
            for listener in topic.listeners:
                listener.end()

    async def _read(self) -> None:
        """Read while somebody listens."""
        try:
            while self._topics:
                await asyncio.sleep(self._poll_seconds)
                cursors = {channel_id: topic.cursor for channel_id, topic in self._topics.items()}
                proofs = {page.proof for topic in self._topics.values() for page in topic.listeners if page.proof}
                try:
                    found, good = await asyncio.to_thread(self._after, cursors, proofs)
                except RegistryError as error:
                    log.warning("the events cannot be read, and are tried again: %s", error)
                    continue
                self._end_pages(proofs - good)
                for channel_id, (newest, events) in found.items():
                    self._tell(channel_id, newest, events)
        finally:
            self._reader = None

    def _end_pages(self, ended: set[str]) -> None:
        """End the pages behind which these keys and logins are."""
        pages = [page for topic in self._topics.values() for page in topic.listeners if page.proof in ended]
        for page in pages:
            page.cut()
            self.leave(page)

    def _tell(self, channel_id: str, newest: int, events: list[PageEvent]) -> None:
        topic = self._topics.get(channel_id)
        if topic is None:
            return
        topic.cursor = max(topic.cursor, newest)
        for listener in list(topic.listeners):
            if not all(listener.offer(event) for event in events):
                self.leave(listener)

    def _begin(self, channel_id: str, last_seen: int | None) -> tuple[int, list[PageEvent]]:
        """The number of the newest event, and the events after the last seen one, as of one instant."""
        own = channel_events.c.channel_id == channel_id
        with self._registry.database.read() as transaction:
            query = select(event_numbers.c.seq).where(event_numbers.c.channel_id == channel_id)
            newest = stored_number(transaction.scalar(query))
            if last_seen is None or last_seen >= newest:
                return newest, []
            since = self._registry.database.now_in(transaction) - REPLAYED
            later = (channel_events.c.seq > last_seen, channel_events.c.seq <= newest, channel_events.c.at > since)
            rows = select(channel_events).where(own, *later, channel_events.c.type.in_(TYPES))
            events = transaction.execute(rows.order_by(channel_events.c.seq)).mappings()
            return newest, [PageEvent(row["seq"], row["tenant"], row["type"], row["data"]) for row in events]

    def _after(
        self, cursors: dict[str, int], proofs: set[str]
    ) -> tuple[dict[str, tuple[int, list[PageEvent]]], set[str]]:
        """Channel → its newest number and its events after the cursor, for the channels that have new ones; and
        those of the keys and logins that are good still."""
        found: dict[str, tuple[int, list[PageEvent]]] = {}
        logins = {logout_nonce(proof): proof for proof in proofs if proof.startswith("operator:")}
        good = set(logins.values())
        with self._registry.database.read() as transaction:
            for part in _parts(sorted(proofs - good)):
                known = select(web_keys.c.id).where(web_keys.c.id.in_(part), web_keys.c.revoked_at.is_(None))
                good |= set(transaction.scalars(known))
            for part in _parts(sorted(logins)):
                ended = transaction.scalars(select(states.c.nonce).where(states.c.nonce.in_(part)))
                good -= {logins[nonce] for nonce in ended}
            for part in _parts(sorted(cursors)):
                numbers = select(event_numbers).where(event_numbers.c.channel_id.in_(part))
                for row in transaction.execute(numbers):
                    if stored_number(row.seq) > cursors[row.channel_id]:
                        found[row.channel_id] = (row.seq, [])
            for part in _parts(sorted(found)):
                wanted = [
                    and_(
                        channel_events.c.channel_id == channel_id,
                        channel_events.c.seq > cursors[channel_id],
                        channel_events.c.seq <= found[channel_id][0],
                    )
                    for channel_id in part
                ]
                rows = select(channel_events).where(or_(*wanted), channel_events.c.type.in_(TYPES))
                for event in transaction.execute(rows.order_by(channel_events.c.seq)).mappings():
                    page_event = PageEvent(event["seq"], event["tenant"], event["type"], event["data"])
                    found[event["channel_id"]][1].append(page_event)
        return found, good


def _parts(values: list[str]) -> Iterable[list[str]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))

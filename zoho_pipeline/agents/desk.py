"""Where every call of an agent is decided: rights, limits, time, size, audit.

The order matters. The channel is looked up first, so that a caller cannot use up the calls of a channel that it may
not see. The audit is written before the answer is given: an answer without its row does not exist.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as TooLate
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from threading import Lock, Semaphore, Thread
from typing import Any, TypeVar

from pydantic import BaseModel

from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.agents.limits import CHARACTERS, PER_MINUTE, ROWS, SECONDS, WORKERS, WORKERS_PER_TENANT
from zoho_pipeline.agents.model import Answer, ChannelInList, Channels, ChannelsAnswer, MetricExplanation
from zoho_pipeline.agents.refusals import Refused, no_such_channel, too_large, too_many_calls, too_slow
from zoho_pipeline.agents.sections.reading import Reading, iso
from zoho_pipeline.agents.untrusted import clean
from zoho_pipeline.channels.database.clock import DatabaseClock
from zoho_pipeline.channels.errors import InvalidSetting, UnknownChannel
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.call_windows import CallWindows
from zoho_pipeline.channels.registry.channel_rows import read_channel_page
from zoho_pipeline.channels.registry.identity import check_id
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.reading.channel_numbers import ChannelNumbers, DataStatus, data_status, read_numbers
from zoho_pipeline.warehouse.connection import Connection, PublishedPool

log = logging.getLogger(__name__)

Made = TypeVar("Made")
Section = Callable[[Reading], tuple[Made, int]]
STOP_AGAIN = 0.1
"""Seconds between two tries to break off a call."""

SMALLER = "Ask for fewer rows with the arguments of the tool."


@dataclass
class _Running:
    """The session that a call uses at the moment, so that another thread can break off its statement."""

    guard: Lock = field(default_factory=Lock)
    connection: Connection | None = None

    @contextmanager
    def using(self, connection: Connection | None) -> Any:
        with self.guard:
            self.connection = connection
        try:
            yield
        finally:
            with self.guard:  # afterwards the session belongs to somebody else
                self.connection = None

    def stop(self, future: "Future[Any]") -> None:
        """Break off one statement after the other until the work has ended.

        Once would not do: the work may be between two statements, or wait for its session.
        """
        while not future.done():
            with self.guard:
                if self.connection is not None:
                    self.connection.interrupt()
            wait([future], timeout=STOP_AGAIN)


@dataclass
class _Note:
    """What the audit says about a call. `channel_id` is that of a channel that the caller may see."""

    channel_id: str | None = None
    detail: str = "failed"


class Desk:
    """Answers the calls of agents. Threads may share it.

    Args:
        registry: opened at the first call.
        published: the pool of the published marts; opened at the first call.
        clock: seconds that never go back, for the limit per minute.
    """

    def __init__(
        self,
        registry: Callable[[], Registry],
        published: Callable[[], PublishedPool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_registry, self._open_published = registry, published
        self._windows = CallWindows(clock)
        self._guard = Lock()
        self._turns: dict[str | None, Semaphore] = {}
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="agent-call")

    @cached_property
    def _registry(self) -> Registry:
        return self._open_registry()

    @cached_property
    def _clock(self) -> DatabaseClock:
        return DatabaseClock(self._registry.database)

    def answer(
        self,
        caller: Caller,
        action: str,
        channel_id: str,
        section: Section[Made],
        shape: type[Answer],
        cure: str = SMALLER,
    ) -> str:
        """The answer of a tool about a channel, as JSON of `shape`.

        Args:
            action: the name of the tool, for the audit.
            section: makes the data and says how many rows it has.
            cure: how to ask for less, where the answer is too long.

        Raises:
            Refused: the call is not answered; the message says why.
            PipelineError: the registry or the warehouse cannot be used.
        """
        return self._run(
            caller,
            action,
            lambda note, running: self._of_channel(caller, channel_id, section, shape, note, running),
            cure,
        )

    def text(self, caller: Caller, action: str, channel_id: str, make: Section[str]) -> str:
        """An answer that is no JSON: a brief, a prompt. Raises what `answer` raises."""

        def work(note: _Note, running: _Running) -> tuple[str, int]:
            channel = self._visible(caller, channel_id, note)
            with self._open_published().reading() as marts, running.using(marts):
                return make(self._reading(caller, channel, marts))

        return self._run(caller, action, work, SMALLER)

    def channels(self, caller: Caller) -> str:
        """The channels that the caller may read, as JSON of `ChannelsAnswer`. Raises what `answer` raises."""

        def work(note: _Note, running: _Running) -> tuple[str, int]:
            self._count(caller, note)
            shown, more = self.visible_channels(caller)
            with self._open_published().reading() as marts, running.using(marts):
                numbers = read_numbers(marts, [channel.id for channel in shown]) if marts else {}
            listed = [self._listed(channel, numbers.get(channel.id)) for channel in shown]
            data = Channels(channels=listed, more=more)
            return _json(ChannelsAnswer(generated_at=self._now(), untrusted=True, data=data)), len(listed)

        return self._run(caller, "list_channels", work, "Ask the operator for a key of fewer channels.")

    def explanation(self, caller: Caller, explain: Callable[[], MetricExplanation]) -> str:
        """The meaning of a number, as JSON of `MetricExplanation`. Raises what `answer` and `explain` raise."""

        def work(note: _Note, _: _Running) -> tuple[str, int]:
            self._count(caller, note)
            found = explain()
            return _json(found), len(found.paragraphs)

        return self._run(caller, "explain_metric", work, SMALLER)

    def refused(self, caller: Caller, action: str) -> None:
        """Write the audit row of a call that could not be understood."""
        Audit(self._registry.database).record(
            caller.name, f"agent.{action}", tenant=caller.tenant, detail="refused: not understood"
        )

    def visible_channels(self, caller: Caller) -> tuple[list[Channel], bool]:
        """The channels that the caller may see, by id, and whether there are more than an answer can hold."""
        database = self._registry.database
        with database.read() as transaction:
            found = read_channel_page(database, transaction, limit=ROWS + 1, tenant=caller.tenant, ids=caller.channels)
        return [channel for channel in found[:ROWS] if caller.sees(channel)], len(found) > ROWS

    def _run(self, caller: Caller, action: str, work: Callable[[_Note, _Running], tuple[str, int]], cure: str) -> str:
        note = _Note()
        try:
            text, rows = self._in_time(caller, partial(work, note))
            if len(text) > CHARACTERS:
                raise too_large(cure)
            note.detail = f"rows: {rows}"
        except Refused as refused:
            note.detail = f"refused: {refused.code}"
            raise
        finally:
            Audit(self._registry.database).record(
                caller.name, f"agent.{action}", tenant=caller.tenant, channel_id=note.channel_id, detail=note.detail
            )
        return text

    def _in_time(self, caller: Caller, work: Callable[[_Running], tuple[str, int]]) -> tuple[str, int]:
        """What the work returns, in a thread of the desk. Refused `too_slow`: its turn or its end came too late."""
        running, ends = _Running(), time.monotonic() + SECONDS
        with self._guard:
            turn = self._turns.setdefault(caller.tenant, Semaphore(WORKERS_PER_TENANT))
        if not turn.acquire(timeout=SECONDS):
            raise too_slow()
        future: Future[tuple[str, int]] = self._workers.submit(work, running)
        future.add_done_callback(lambda _: turn.release())
        try:
            return future.result(max(0.0, ends - time.monotonic()))
        except TooLate:
            if not future.cancel():
                Thread(target=running.stop, args=(future,), name="agent-call-stop", daemon=True).start()
            raise too_slow() from None

    def _of_channel(
        self,
        caller: Caller,
        channel_id: str,
        section: Section[Made],
        shape: type[Answer],
        note: _Note,
        running: _Running,
    ) -> tuple[str, int]:
        channel = self._visible(caller, channel_id, note)
        with self._open_published().reading() as marts, running.using(marts):
            reading = self._reading(caller, channel, marts)
            data, rows = section(reading)
        answer = shape.model_validate(
            {
                "channel": channel.id,
                "as_of": iso(reading.as_of),
                "data_status": reading.data_status,
                "generated_at": self._now(),
                "untrusted": True,
                "data": data,
            }
        )
        return _json(answer), rows

    def _visible(self, caller: Caller, channel_id: str, note: _Note) -> Channel:
        """The channel, if the caller may see it; the call is counted."""
        try:
            channel = self._registry.get(check_id(channel_id), damaged_too=True)  # its numbers can be read
        except (UnknownChannel, InvalidSetting):
            channel = None
        if channel is None or not caller.sees(channel):
            self._count(caller, note)
            raise no_such_channel()
        note.channel_id = channel.id
        self._count(caller, note)
        return channel

    def _count(self, caller: Caller, note: _Note) -> None:
        seconds = self._windows.take((caller.name, caller.tenant, note.channel_id), PER_MINUTE)
        if seconds is not None:
            raise too_many_calls(seconds)

    def _reading(self, caller: Caller, channel: Channel, marts: Connection | None) -> Reading:
        numbers = read_numbers(marts, [channel.id]).get(channel.id) if marts else None
        return Reading(
            marts=marts,
            channel_id=channel.id,
            as_of=numbers.as_of if numbers else None,
            as_of_date=numbers.as_of_date if numbers else None,
            data_status=self._status(channel, numbers),
            sees_initials=caller.sees_initials,
        )

    def _listed(self, channel: Channel, numbers: ChannelNumbers | None) -> ChannelInList:
        as_of = iso(numbers.as_of) if numbers else None
        status = self._status(channel, numbers)
        return ChannelInList(id=channel.id, name=clean(channel.org_name), as_of=as_of, data_status=status)

    def _status(self, channel: Channel, numbers: ChannelNumbers | None) -> DataStatus:
        return data_status(numbers, channel.parameters.get("stale_after_hours"), self._clock())

    def _now(self) -> str:
        now: datetime = self._clock()
        return str(iso(now))


def _json(answer: BaseModel) -> str:
    """Without what was never set: sections that nobody asked for."""
    return answer.model_dump_json(exclude_unset=True)

"""A call that one thread makes for many: what each of them asks is gathered, and answered together.

A session of the warehouse costs nearly the same for one channel as for twenty: a DuckDB file is opened and a query is
planned. The first thread that may call does so for all that wait. So there is no thread of its own that could outlive a
command.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Generic, TypeVar

from zoho_pipeline.warehouse.connection import ConnectionLost, SqlError, WarehouseError

log = logging.getLogger(__name__)

GATHER_SECONDS = 2.0
"""The longest wait for others: less than half of what a quiet sync waits for Zoho."""

MOST = 25
"""Channels in one call. More of them save little, and whoever else needs the warehouse would wait longer."""

Asked = TypeVar("Asked")
Given = TypeVar("Given")


@dataclass(eq=False)
class _Waiting(Generic[Asked, Given]):
    channel_id: str
    asked: Asked
    since: float
    wakes: Event = field(default_factory=Event)
    is_taken: bool = False
    is_answered: bool = False
    given: Given | None = None
    error: BaseException | None = None


class GroupCall(Generic[Asked, Given]):
    """Calls `answer` for the threads of one process. Each channel asks once per sync.

    Args:
        answer: gives the answers in the order of what was asked. `again`: an earlier call for several failed, so each
            is asked alone, and the earlier call may have had an effect.
        gather: the seconds that a channel waits for others, if others are expected.
    """

    def __init__(
        self, answer: Callable[[Sequence[Asked], bool], Sequence[Given]], gather: float = GATHER_SECONDS
    ) -> None:
        self._answer, self._gather = answer, gather
        self._guard = Lock()
        self._waiting: list[_Waiting[Asked, Given]] = []
        self._expected: set[str] = set()
        self._is_calling = False

    def expect(self, channel_id: str) -> None:
        """This channel will ask: others wait for it, for a while."""
        with self._guard:
            self._expected.add(channel_id)

    def expect_no_more(self, channel_id: str) -> None:
        """This channel has asked, or its sync ended without asking."""
        with self._guard:
            self._expected.discard(channel_id)
            self._wake_first()

    def ask(self, channel_id: str, asked: Asked) -> Given:
        """The answer for one channel, once a call for it and for others is over. It raises what `answer` raises.

        A call that fails for several is repeated for each of them, so one odd channel costs only itself.
        """
        with self._guard:
            own: _Waiting[Asked, Given] = _Waiting(channel_id, asked, time.monotonic())
            self._waiting.append(own)
        while not own.is_answered:
            group, seconds = self._take(own)
            if group:
                try:
                    self._call(group)
                finally:
                    self._end(group)
            else:
                own.wakes.wait(seconds)
                own.wakes.clear()
        if own.error is not None:
            raise own.error
        return own.given  # type: ignore[return-value]

    def _take(self, own: _Waiting[Asked, Given]) -> tuple[list[_Waiting[Asked, Given]], float | None]:
        """Those for which this thread calls now. None of them: it waits for so many seconds, or until it is woken."""
        with self._guard:
            if own.is_taken or self._is_calling:
                return [], None  # the end of the call that runs wakes it if it is answered, or the first to wait
            left = self._waiting[0].since + self._gather - time.monotonic()
            if left > 0 and not self._is_whole():
                return [], left
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            for one in group:
                one.is_taken = True
                self._expected.discard(one.channel_id)
            self._is_calling = True
            return group, None

    def _end(self, group: Sequence[_Waiting[Asked, Given]]) -> None:
        with self._guard:
            self._is_calling = False
            for one in group:
                one.is_answered = True
                one.wakes.set()
            self._wake_first()

    def _wake_first(self) -> None:
        """Wake the first that waits: it calls, or waits for as long as is left. All of them would cost too much."""
        if self._waiting:
            self._waiting[0].wakes.set()

    def _is_whole(self) -> bool:
        """Whether a call is full, or nobody else is expected."""
        return len(self._waiting) >= MOST or self._expected <= {one.channel_id for one in self._waiting}

    def _call(self, group: Sequence[_Waiting[Asked, Given]], *, again: bool = False) -> None:
        try:
            given = self._answer([one.asked for one in group], again)
            for one, answer in zip(group, given, strict=True):
                one.given = answer
        except Exception as error:
            # each of them would wait for a busy warehouse for ten minutes too, one after another
            if len(group) == 1 or not _may_be_of_one(error):
                _fail(group, error)
                return
            log.info("the call for %d channels is repeated for each of them, because: %s", len(group), error)
            for place, one in enumerate(group):
                self._call([one], again=True)
                if one.error is not None and not _may_be_of_one(one.error):
                    _fail(group[place:], one.error)
                    return
        except BaseException as error:  # the command is being stopped
            _fail(group, error)


def _fail(group: "Sequence[_Waiting[Asked, Given]]", error: BaseException) -> None:
    for one in group:
        one.error = error


def _may_be_of_one(error: BaseException) -> bool:
    """Whether the others are still asked: not after a stop, nor where the warehouse is busy or cannot be reached."""
    is_of_all = isinstance(error, WarehouseError) and not isinstance(error, (SqlError, ConnectionLost))
    return isinstance(error, Exception) and not is_of_all

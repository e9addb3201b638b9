"""The part of a worker that sends wishes: it looks for due ones, sends several at a time, and checks the maps daily."""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.writeback import claims
from zoho_pipeline.writeback.limits import WritebackLimits
from zoho_pipeline.writeback.model import Writeback
from zoho_pipeline.writeback.sending import Sending
from zoho_pipeline.writeback.switch import check_map, due_for_check

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05


class WritebackSender:
    """Sends what is due, until `stop`.

    Args:
        worker: the name under which it claims wishes.
    """

    def __init__(self, registry: Registry, worker: str, limits: WritebackLimits | None = None) -> None:
        self._registry, self._worker = registry, worker
        self._limits = limits or WritebackLimits()
        self._sending = Sending(registry, worker, self._limits)
        self._stop, self._busy = Event(), Event()
        self._checked = float("-inf")

    def stop(self) -> None:
        """Begin nothing more. A wish that is being sent goes on to its end."""
        self._stop.set()

    def is_idle(self) -> bool:
        """Whether nothing is under way or due."""
        # a wish leaves the due ones after the mark is set, and may come back before it is removed: so it asks twice
        due = claims.next_due(self._registry)
        return not due and not self._busy.is_set() and not claims.next_due(self._registry)

    def run(self) -> None:
        """The body of the thread."""
        running: set[Future[None]] = set()
        with ThreadPoolExecutor(self._limits.threads, "write-back") as pool:
            looked_at = float("-inf")
            while not self._stop.is_set():
                running = {job for job in running if not job.done()}
                free = self._limits.threads - len(running)
                if free and time.monotonic() - looked_at >= self._limits.poll_seconds:
                    self._busy.set()  # before the claim, so that nobody sees neither a due nor a busy one
                    claimed = self._claimed(free)
                    running |= {pool.submit(self._send, wish) for wish in claimed}
                    looked_at = float("-inf") if claimed else time.monotonic()
                if not running:
                    self._busy.clear()
                    self._tidy()
                self._stop.wait(TICK_SECONDS)

    def _claimed(self, most: int) -> list[Writeback]:
        try:
            if not claims.next_due(self._registry):
                return []
            return claims.claim(self._registry, self._worker, most, self._limits)
        except RegistryError as error:
            log.warning("the wishes of write-back cannot be read, and are tried again: %s", error)
            return []

    def _send(self, wish: Writeback) -> None:
        """Send one wish. The body of a job of the pool, so it raises nothing."""
        try:
            if self._stop.is_set():
                claims.give_back(self._registry, wish.id, self._worker)
                return
            self._sending.send(wish)
        except RegistryError as error:  # the claim ends, and the wish is taken up again, with its mark if it has one
            log.warning("write-back %s: its result cannot be stored: %s", wish.id, error)
        except Exception:
            log.exception("write-back %s: unexpected error", wish.id)

    def _tidy(self) -> None:
        """End old wishes and compare maps with Zoho's lists, now and then."""
        if time.monotonic() - self._checked < self._limits.tidy_seconds:
            return
        self._checked = time.monotonic()
        try:
            claims.expire(self._registry, self._limits)
            for channel_id in due_for_check(self._registry, self._limits.check_every):
                if self._stop.is_set() or claims.next_due(self._registry):
                    self._checked = float("-inf")  # wishes come first
                    return
                self._compare(channel_id)
        except PipelineError as error:
            log.warning("the maps of write-back cannot be checked now: %s", error)

    def _compare(self, channel_id: str) -> None:
        """Compare the map of one channel. A damaged row of one must not keep the worker from the maps of the others."""
        try:
            check_map(self._registry, channel_id, self._limits.pacing)
        except PipelineError as error:
            log.warning("channel %s: the map of write-back cannot be compared now: %s", channel_id, error)

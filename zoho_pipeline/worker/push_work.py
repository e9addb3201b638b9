"""The worker's part for notifications: it reads named records, asks for whole syncs, and renews subscriptions."""

import logging
import time
from collections.abc import Callable
from threading import Event, Lock, Thread

from zoho_pipeline.channels.errors import ChannelBusy, DamagedChannel, LockLost, RegistryError
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.push.clock_watch import ClockWatch
from zoho_pipeline.push.insight_lane import InsightLane
from zoho_pipeline.push.limits import PushLimits
from zoho_pipeline.push.record_lane import RecordLane
from zoho_pipeline.push.subscribe import Subscriber
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.worker.rounds import Rounds

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
PRUNE_SECONDS = 3_600.0
BUSY_WAIT = 1.0
"""How long a channel waits that a sync has in use."""


class PushWork:
    """Works until `stop`. A channel's records are read in a thread of their own, so that none delays another.

    Args:
        publish_lists: is called with a channel whose list of newest leads can differ.
    """

    def __init__(
        self,
        opened: tuple[Settings, Registry, Warehouse],
        service: ServiceSettings,
        limits: PushLimits,
        sync_limits: SyncLimits,
        publish_lists: Callable[[str], None],
    ) -> None:
        settings, self._registry, warehouse = opened
        self._limits, self._publish_lists = limits, publish_lists
        self._lane = RecordLane(settings, self._registry, warehouse, service.push_debounce, limits, sync_limits)
        self._insight = InsightLane(self._registry, service, limits)
        self._clock = ClockWatch(settings, self._registry, sync_limits.pacing)
        self._subscriber = Subscriber(settings, self._registry, service, sync_limits.pacing)
        self._stop = Event()
        self._guard = Lock()
        self._threads: dict[str, Thread] = {}
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, float] = {}
        self._due = Rounds()
        self._at_once = False
        self._rounds = 0

    def drain(self) -> None:
        """Do what waits without waiting for quiet: the worker ends when nothing is left."""
        self._at_once = True

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    def is_idle(self) -> bool:
        """Whether nothing is left to do now. It asks for the whole syncs that are needed."""
        with self._guard:
            if not self._rounds or self._threads:
                return False
        return not self._startable() and not self._insight.request_syncs(at_once=True)

    def run(self) -> None:
        """The body of the thread. A registry that cannot be reached is tried again."""
        while not self._stop.wait(TICK_SECONDS):
            try:
                self._step()
            except RegistryError as error:
                log.warning("notifications wait, because the registry cannot be reached: %s", error)
                self._stop.wait(1.0)

    def _step(self) -> None:
        if not self._rounds:
            for channel_id in self._lane.unlisted():
                self._publish_lists(channel_id)
        if self._due.is_due("renewals", self._limits.renewals_seconds) and "" not in self._threads:
            self._start("", self._renew)
        if self._due.is_due("records", self._limits.poll_seconds):
            for channel_id in self._startable():
                if len(self._threads) > self._limits.threads:  # one of them renews
                    break
                self._start(channel_id, self._serve)
        if self._due.is_due("requests", self._limits.requests_seconds):
            self._insight.request_syncs(at_once=self._at_once)
        if self._due.is_due("prune", PRUNE_SECONDS):
            with self._registry.database.write() as transaction:
                push_queue.prune(transaction, self._registry.database.now_in(transaction))
        self._rounds += 1

    def _startable(self) -> list[str]:
        now = time.monotonic()
        with self._guard:
            busy = set(self._threads)
        due = self._lane.due(at_once=self._at_once)
        return [c for c in due if c not in busy and self._not_before.get(c, 0.0) <= now]

    def _start(self, name: str, body: Callable[[str], None]) -> None:
        def run() -> None:
            try:
                body(name)
            except Exception:
                log.exception("notifications of %s: unexpected error", name or "all channels")
                self._wait(name)
            finally:
                with self._guard:
                    self._threads.pop(name, None)

        thread = Thread(target=run, name=f"push {name}", daemon=True)
        with self._guard:
            self._threads[name] = thread
        thread.start()

    def _serve(self, channel_id: str) -> None:
        try:
            turn = self._lane.serve(channel_id)
        except (ChannelBusy, LockLost):
            self._not_before[channel_id] = time.monotonic() + BUSY_WAIT
            return
        except PipelineError as error:
            wait = self._wait(channel_id)
            log.warning("channel %s: named records wait %.0f s: %s", channel_id, wait, error)
            return
        self._failures.pop(channel_id, None)
        if turn.lists_changed:
            self._publish_lists(channel_id)

    def _wait(self, channel_id: str) -> float:
        """Let a channel wait after a failure; the seconds."""
        failures = self._failures[channel_id] = self._failures.get(channel_id, 0) + 1
        wait = min(self._limits.first_wait * 2.0 ** min(failures - 1, 10), self._limits.longest_wait)
        self._not_before[channel_id] = time.monotonic() + wait
        return wait

    def _renew(self, _: str) -> None:
        if not self._at_once:  # a worker that ends at once may run every minute, and each look would cost a credit
            self._clock.look()
        for channel_id in self._subscriber.due():
            if self._stop.is_set():
                return
            try:
                self._subscriber.renew(channel_id, only_if_due=True, wait=0.0)
                log.info("channel %s: its subscription was renewed.", channel_id)
            except ChannelBusy:
                continue
            except DamagedChannel as error:
                log.warning("channel %s: its subscription cannot be renewed: %s", channel_id, error)
            except RegistryError:
                raise
            except PipelineError as error:  # the row says why, and when the next try comes
                log.warning("channel %s: its subscription was not renewed: %s", channel_id, error)

"""The pulse of a worker: one thread that says that it lives, writes progress, and makes leases longer."""

import logging
import time
from collections.abc import Callable, Iterable
from threading import Event

from zoho_pipeline.channels.errors import RegistryError
from zoho_pipeline.channels.platform import lead_changes, webhook_deliveries
from zoho_pipeline.channels.registry import channel_events
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import claims, workers
from zoho_pipeline.channels.sync_requests.claims import SignOfLife
from zoho_pipeline.worker.job import Job
from zoho_pipeline.worker.limits import WorkerLimits

log = logging.getLogger(__name__)

CLEAN_SECONDS = 3_600.0
NUMBERS_SECONDS = 60.0
"""Between two looks for numbers of changed leads that waited for their hour."""


class Pulse:
    """Beats until `stop` is set. All requests of the worker share one transaction per beat.

    Args:
        jobs: gives the requests that the worker has now.
    """

    def __init__(
        self, registry: Registry, worker: str, limits: WorkerLimits, jobs: Callable[[], Iterable[Job]], stop: Event
    ) -> None:
        self._registry, self._worker, self._limits = registry, worker, limits
        self._jobs, self._stop = jobs, stop
        self._beat_at = self._renewed_at = self._cleaned_at = self._told_at = float("-inf")

    def run(self) -> None:
        """The body of the thread. A registry that cannot be reached is tried again: the leases outlast it."""
        while not self._stop.wait(self._limits.pulse_seconds):
            try:
                self.beat()
            except RegistryError as error:
                log.warning("the worker cannot reach the registry, and tries again: %s", error)

    def beat(self) -> None:
        """Renew what is due, and write what changed."""
        now = time.monotonic()
        if now - self._beat_at >= self._limits.worker_lease.total_seconds() / 3:
            workers.heartbeat(self._registry, self._worker, lease=self._limits.worker_lease)
            self._beat_at = now
        self._tell(list(self._jobs()), now)
        if now - self._told_at >= NUMBERS_SECONDS:
            lead_changes.tell_waiting_numbers(self._registry)
            self._told_at = now
        if now - self._cleaned_at >= CLEAN_SECONDS:
            self._clean()
            self._cleaned_at = now

    def _tell(self, jobs: list[Job], now: float) -> None:
        renew = now - self._renewed_at >= self._limits.lease.total_seconds() / 3
        said = [(job, job.untold()) for job in jobs]
        signs = [SignOfLife(job.request.id, rows, renew) for job, rows in said if renew or rows is not None]
        if not signs:
            return
        lost = claims.signs_of_life(self._registry, self._worker, signs, lease=self._limits.lease)
        self._renewed_at = now if renew else self._renewed_at
        for job in jobs:
            if job.request.id in lost:
                log.warning("request %s is no longer this worker's. Its sync stops.", job.request.id)
                job.stop.set()

    def _clean(self) -> None:
        with self._registry.database.write() as transaction:
            channel_events.prune(transaction, self._registry.database.now_in(transaction))
        webhook_deliveries.prune(self._registry)

"""The loop of the worker: claims requests, syncs several channels at a time, builds their marts, ends the requests."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from threading import Event, Lock, Thread

from zoho_pipeline.channels.errors import ChannelBusy, LockLost, RegistryError
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import claims, workers
from zoho_pipeline.channels.sync_requests.first_syncs import request_first_syncs
from zoho_pipeline.channels.sync_requests.model import PUSH
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.report import SyncReport
from zoho_pipeline.ingest.sync.kept_tables import SIDE_TABLES_KEPT
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.ingest.sync.worker_pool import SyncStopped
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.warehouse.warehouse import open_warehouse
from zoho_pipeline.worker.forms_work import FormsWork
from zoho_pipeline.worker.job import Job
from zoho_pipeline.worker.limits import WorkerLimits
from zoho_pipeline.worker.marts_builder import MartsBuilder
from zoho_pipeline.worker.pulse import Pulse
from zoho_pipeline.worker.purges import purge_removed
from zoho_pipeline.worker.push_work import PushWork
from zoho_pipeline.worker.rounds import Rounds
from zoho_pipeline.worker.sender import Sender
from zoho_pipeline.writeback.sender import WritebackSender

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
BUSY_SECONDS = 1.0
"""How long a sync waits for its channel. Then its thread does something else, and the request waits in the queue."""


class Worker:
    """One worker, which runs once. Several workers share a registry, on one host or on many.

    Args:
        limits: sizes, leases and times.
        sync_limits: the limits of each sync; None means those of the product.

    Attributes:
        id: the name under which it claims requests.
        failed: request id → why it failed, of the requests that this worker ended.
        done: the ids of the requests that it ended well.
        left: request id → why it was given back to the queue, of the requests whose channel was in use.
        hangs: after `run`, whether a thread did not end in time. Then the process must leave by `os._exit`.
    """

    def __init__(
        self,
        settings: Settings,
        service: ServiceSettings,
        *,
        limits: WorkerLimits | None = None,
        sync_limits: SyncLimits | None = None,
    ) -> None:
        self.id = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(3)}"
        self.failed: dict[str, str] = {}
        self.done: set[str] = set()
        self.left: dict[str, str] = {}
        self.hangs = False
        self._settings, self._limits = settings, limits or WorkerLimits()
        self._sync_limits = replace(sync_limits or SyncLimits(), lock_wait=BUSY_SECONDS)
        self._registry, self._warehouse = Registry(settings), open_warehouse(settings)
        self._once = self._asked_to_stop = self._broken = self._is_quick = False
        self._ended = Event()
        self._guard = Lock()
        self._jobs: dict[str, Job] = {}
        self._syncing: dict[str, Thread] = {}
        self._purging: Thread | None = None
        self._pulse = Pulse(self._registry, self.id, self._limits, self._all_jobs, self._ended)
        self._marts = MartsBuilder(
            self._registry, self._warehouse, self._limits.between_publications, self._may_build, self._end
        )
        self._sender = Sender(self._registry, service, self._limits)
        opened = (settings, self._registry, self._warehouse)
        self._push = PushWork(opened, service, self._limits.push, self._sync_limits, self._marts.add_lists)
        self._forms = FormsWork(self._registry, self._warehouse, self._limits.forms_seconds)
        self._writebacks = WritebackSender(self._registry, self.id, self._limits.writeback)
        self._due = Rounds()

    def stop(self, *, quickly: bool = False) -> None:
        """Ask the worker to end. A signal handler may call it. `quickly`: a person waits for the end."""
        self._is_quick = self._is_quick or quickly
        self._asked_to_stop = True  # no lock: the main thread may hold any of them when the signal comes

    def run(self, *, once: bool = False) -> bool:
        """Work until `stop`, or with `once` until nothing is left to do. Returns whether no request failed or is left.

        Raises:
            RegistryError: the registry cannot be used at the start, or with `once` later.
        """
        self._once = once
        workers.heartbeat(self._registry, self.id, lease=self._limits.worker_lease)
        if once:
            self._push.drain()
        parts = {"pulse": self._pulse.run, "marts": self._marts.run, "deliveries": self._sender.run}
        parts["push"] = self._push.run
        parts["write-back"] = self._writebacks.run
        parts["forms"] = self._forms.run
        threads = [self._started(name, part) for name, part in parts.items()]
        try:
            while not self._asked_to_stop:
                try:
                    if self._step() and once:
                        break
                except RegistryError as error:
                    if once:
                        raise
                    log.warning("the worker cannot reach the registry, and tries again: %s", error)
                    time.sleep(self._limits.poll_seconds)
                time.sleep(TICK_SECONDS)
        finally:
            self._wind_down(threads)
        return not (self.failed or self.left or self._broken)

    def _step(self) -> bool:
        """Start what can be started. Returns whether nothing is left to do."""
        if self._due.is_due("first syncs", self._limits.first_syncs_seconds):
            request_first_syncs(self._registry, "worker")
        if self._due.is_due("purges", self._limits.first_syncs_seconds):
            self._purge()
        if len(self._syncing) < self._limits.threads and self._due.is_due("requests", self._limits.poll_seconds):
            while len(self._syncing) < self._limits.threads and claims.claimable(self._registry):
                request = claims.claim(self._registry, self.id, lease=self._limits.lease)
                if request is None:
                    break
                self._start(Job(request))
        if not self._once or self._all_jobs():
            return False
        parts = (self._push, self._forms, self._marts)
        if claims.claimable(self._registry) or not all(part.is_idle() for part in parts):
            return False
        # the deliveries come last: a write-back that ends makes new ones
        return self._writebacks.is_idle() and self._sender.is_idle()

    def _purge(self) -> None:
        """Delete the rows of removed channels. A stop does not wait for that: it may wait for the warehouse and build
        all marts. It can be repeated.
        """
        failed: list[RegistryError] = []

        def purge() -> None:
            try:
                purge_removed(self._settings, self._registry, self._warehouse)
            except RegistryError as error:
                failed.append(error)

        self._purging = self._started("purges", purge)
        while self._purging.is_alive() and not self._asked_to_stop:
            self._purging.join(TICK_SECONDS)
        if failed:
            raise failed[0]

    def _start(self, job: Job) -> None:
        log.info("channel %s: request %s begins.", job.request.channel_id, job.request.id)
        with self._guard:
            self._jobs[job.request.id] = job
            thread = Thread(target=self._work, args=(job,), name=f"sync {job.request.channel_id}", daemon=True)
            self._syncing[job.request.id] = thread
        thread.start()

    def _work(self, job: Job) -> None:
        """Sync the channel of a request. The body of a thread, so it raises nothing."""
        channel_id = job.request.channel_id
        try:
            report = self._sync(job)
        except SyncStopped:
            self._give_back(job)
        except (ChannelBusy, LockLost) as error:
            log.info("channel %s waits: %s", channel_id, error)
            self.left[job.request.id] = str(error)
            self._give_back(job, self._limits.busy_wait)
        except PipelineError as error:
            self._end(job, str(error))
        except Exception as error:
            log.exception("channel %s: unexpected error", channel_id)
            self._end(job, f"an unexpected error ({type(error).__name__}). The log of the worker has the rest.")
        else:
            if why := _incomplete(report):
                self._end(job, why)
            else:
                self._marts.add(job)
        finally:
            with self._guard:
                self._syncing.pop(job.request.id, None)

    def _sync(self, job: Job) -> SyncReport:
        return sync_channel(
            self._settings,
            self._registry,
            self._warehouse,
            job.request.channel_id,
            full=job.request.full,
            progress=job,
            limits=self._sync_limits,
            stop=job.stop,
            kept_for=SIDE_TABLES_KEPT if job.request.reason == PUSH else None,
        )

    def _end(self, job: Job, error: str | None) -> None:
        """End a request as done, or as failed for this reason."""
        request = job.request
        self.left.pop(request.id, None)
        if error is None:
            self.done.add(request.id)
            log.info("channel %s: request %s is done.", request.channel_id, request.id)
        else:
            self.failed[request.id] = error
            log.error("channel %s: request %s failed: %s", request.channel_id, request.id, error)
        self._leave(job, lambda: claims.finish(self._registry, self.id, request.id, error, progress=job.rows))

    def _give_back(self, job: Job, not_before: timedelta = timedelta(0)) -> None:
        self._leave(job, lambda: claims.release(self._registry, self.id, job.request.id, not_before=not_before))

    def _leave(self, job: Job, write: Callable[[], bool]) -> None:
        try:
            if not write():
                log.warning("request %s had been taken by another worker.", job.request.id)
        except RegistryError as error:  # the lease ends, and another worker takes the request
            log.error("request %s cannot be ended in the registry: %s", job.request.id, error)
        with self._guard:
            self._jobs.pop(job.request.id, None)

    def _all_jobs(self) -> Collection[Job]:
        with self._guard:
            return list(self._jobs.values())

    def _may_build(self) -> bool:
        return not (self._once and self._syncing)

    def _started(self, name: str, part: Callable[[], None]) -> Thread:
        """Run a part of the worker in a thread. A part that breaks ends the worker, which would be lame without it."""

        def run() -> None:
            try:
                part()
            except Exception:
                log.exception("the worker ends, because its part %r met an unexpected error", name)
                self._broken = True
                self.stop()

        thread = Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def _wind_down(self, threads: list[Thread]) -> None:
        """Let everything end, and give back what did not end in time."""
        limits = self._limits
        deadline = time.monotonic() + (limits.interrupted_seconds if self._is_quick else limits.stop_seconds)
        for job in self._all_jobs():
            job.stop.set()
        self._push.stop()
        self._forms.stop()
        self._marts.stop()
        self._writebacks.stop()
        self._sender.stop()
        with self._guard:
            waiting = [*self._syncing.values(), *threads[1:], *([self._purging] if self._purging else [])]
        for thread in waiting:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._ended.set()
        threads[0].join(1.0)
        self.hangs = any(thread.is_alive() for thread in [*waiting, threads[0]])
        for job in self._all_jobs():
            self._give_back(job)
        with suppress(RegistryError):
            workers.retire(self._registry, self.id)


def _incomplete(report: SyncReport) -> str | None:
    """Why a sync is not complete; None when it is."""
    broken = [part for part in report.modules if part.outcome in ("failed", "stopped")]
    return "; ".join(f"{part.module}: {part.detail or part.outcome}" for part in broken) or None

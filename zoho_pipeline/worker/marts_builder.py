"""Builds the marts of channels whose sync has ended: one build at a time, and one for all that wait."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from threading import Condition

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import PipelineError, UsageError
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.worker.job import Job

log = logging.getLogger(__name__)

Ended = Callable[[Job, str | None], None]
"""Ends a request: with None it is done, else it failed for this reason."""


class MartsBuilder:
    """Takes jobs whose rows are loaded, and ends each one when its rows are published.

    While a build runs, further jobs wait together for the next one, so there are never two builds in a queue.

    Args:
        between: seconds between two publications on DuckDB, whoever published last.
        may_build: whether a build may begin now. A worker that only drains the queue builds once at its end.
    """

    def __init__(
        self, registry: Registry, warehouse: Warehouse, between: float, may_build: Callable[[], bool], ended: Ended
    ) -> None:
        self._registry, self._warehouse = registry, warehouse
        self._may_build, self._ended = may_build, ended
        self._between = between if warehouse.dialect == "duckdb" else 0.0
        self._changed = Condition()
        self._waiting: list[Job] = []
        self._stopped = False

    def add(self, job: Job) -> None:
        """Queue a job for the next build."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def stop(self) -> None:
        """Begin no further build."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        """The body of the thread."""
        while True:
            with self._changed:
                while not self._stopped and not (self._waiting and self._may_build() and self._wait() <= 0):
                    self._changed.wait(0.2)
                if self._stopped:
                    return
                jobs, self._waiting = self._waiting, []
            self._build(jobs)

    def _wait(self) -> float:
        """The seconds until the next publication may come. Other processes publish too, so the file's time counts."""
        place: Path | None = getattr(self._warehouse, "published_path", None)
        if not self._between or place is None:
            return 0.0
        try:
            age = time.time() - place.stat().st_mtime
        except OSError:
            return 0.0
        return 0.0 if age < 0 else self._between - age

    def _build(self, jobs: list[Job]) -> None:
        """Build and publish, and end each job. Without one channel that is gone, the others are built."""
        channels = sorted({job.request.channel_id for job in jobs})
        try:
            report = transform(self._warehouse, channels=channels)
        except UsageError as error:
            if len(jobs) > 1:
                for job in jobs:
                    self._build([job])
                return
            self._ended(jobs[0], str(error))
            return
        except PipelineError as error:
            self._fail(jobs, f"the rows were loaded, but the marts could not be built: {error}")
            return
        except Exception as error:
            log.exception("the marts of %s: unexpected error", ", ".join(channels))
            self._fail(jobs, f"the rows were loaded, but the marts met an unexpected error ({type(error).__name__})")
            return
        if report.published:
            try:
                self._registry.record_published(report.channels, report.build_at)
            except PipelineError as error:
                log.warning("the publication of %s cannot be told: %s", ", ".join(channels), error)
        for job in jobs:
            why = report.held_back.get(job.request.channel_id)
            self._ended(job, why and f"the rows were loaded, but they are not published: {why}")

    def _fail(self, jobs: list[Job], error: str) -> None:
        for job in jobs:
            self._ended(job, error)

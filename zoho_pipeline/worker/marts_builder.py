"""Builds the marts of channels whose sync has ended: one build at a time, and one for all that wait."""

import logging
import time
from collections.abc import Callable, Collection
from pathlib import Path
from threading import Condition

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.push.publication import note_publication
from zoho_pipeline.reading.channel_numbers import read_numbers
from zoho_pipeline.settings import PipelineError, UsageError
from zoho_pipeline.transform.run.transform import TransformReport, transform
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.worker.job import Job

log = logging.getLogger(__name__)

LISTS = "recent_lead"
"""The mart that shows a lead as soon as it is loaded. It is built alone."""

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
        self._between = between if warehouse.publishing_copies else 0.0
        self._changed = Condition()
        self._waiting: list[Job] = []
        self._lists: set[str] = set()
        self._building = False
        self._stopped = False

    def add(self, job: Job) -> None:
        """Queue a job for the next build."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()

    def add_lists(self, channel_id: str) -> None:
        """Queue the list of a channel's newest leads, because single records of it were loaded."""
        with self._changed:
            self._lists.add(channel_id)
            self._changed.notify()

    def is_idle(self) -> bool:
        """Whether nothing waits to be built, or is being built."""
        with self._changed:
            return not (self._waiting or self._lists or self._building)

    def stop(self) -> None:
        """Begin no further build."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def run(self) -> None:
        """The body of the thread."""
        while True:
            with self._changed:
                while not self._stopped and not self._may_begin():
                    self._changed.wait(0.2)
                if self._stopped:
                    return
                jobs, self._waiting = self._waiting, []
                lists, self._lists = self._lists, set()
                self._building = True
            try:
                if jobs and self._between:  # one publication for both: the next one would wait
                    self._build(jobs, lists)
                else:
                    self._build_lists(lists)
                    self._build(jobs)
            finally:
                self._building = False

    def _may_begin(self) -> bool:
        return bool(self._waiting or self._lists) and self._may_build() and self._wait() <= 0

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

    def _build_lists(self, channel_ids: Collection[str]) -> None:
        """Build and publish the lists of these channels alone. A failure leaves them to the next whole build."""
        try:
            with self._warehouse.published() as connection:
                there = sorted(read_numbers(connection, sorted(channel_ids))) if connection and channel_ids else []
            if not there:  # nothing of them is published yet
                return
            report = transform(self._warehouse, channels=there, select=LISTS)
        except PipelineError as error:
            log.warning("the lists of %s cannot be built: %s", ", ".join(sorted(channel_ids)), error)
        except Exception:
            log.exception("the lists of %s: unexpected error", ", ".join(sorted(channel_ids)))
        else:
            self._tell(report, whole=False)

    def _tell(self, report: TransformReport, *, whole: bool) -> None:
        if not report.published:
            return
        try:
            if whole:
                self._registry.record_published(report.channels, report.build_at)
            note_publication(self._registry, report.channels, report.build_at, whole=whole)
        except PipelineError as error:
            log.warning("the publication of %s cannot be told: %s", ", ".join(report.channels), error)

    def _build(self, jobs: list[Job], lists: Collection[str] = ()) -> None:
        """Build and publish, and end each job. Without one channel that is gone, the others are built.

        Args:
            lists: other channels whose rows changed; they are built with the jobs.
        """
        if not jobs:
            return
        channels = sorted({*lists, *(job.request.channel_id for job in jobs)})
        try:
            report = transform(self._warehouse, channels=channels)
        except UsageError as error:
            if len(channels) > 1:
                for job in jobs:
                    self._build([job])
                self._build_lists(lists)
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
        self._tell(report, whole=True)
        for job in jobs:
            why = report.held_back.get(job.request.channel_id)
            self._ended(job, why and f"the rows were loaded, but they are not published: {why}")

    def _fail(self, jobs: list[Job], error: str) -> None:
        for job in jobs:
            self._ended(job, error)

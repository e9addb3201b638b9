"""Submits runs to the queue of an instance."""

import dagster as dg
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator.base import SubmitRunContext

from zoho_pipeline.orchestration.instance.run_queue import PooledRunQueue


@dg.job
def anything() -> None:
    pass


def submit_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """Submit a run as a person or a sensor does. The run is queued; no daemon is there to launch it."""
    server = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="nobody")
    origin = RemoteRepositoryOrigin(server, "__repository__").get_job_origin("anything")
    run = instance.create_run_for_job(anything, remote_job_origin=origin)
    queue = instance.run_coordinator
    assert isinstance(queue, PooledRunQueue)
    submitted = queue.submit_run(SubmitRunContext(run, None))  # type: ignore[arg-type]
    assert submitted.status == dg.DagsterRunStatus.QUEUED
    return submitted

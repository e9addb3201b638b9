"""Evaluates sensors and schedules as Dagster's daemon does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from tests.orchestration.conftest import Deployment


def evaluate_sensor(deployment: Deployment, name: str, cursor: str | None = None) -> Any:
    repository = deployment.defs.get_repository_def()
    context = dg.SensorEvaluationContext(
        instance_ref=deployment.instance.get_ref(),
        last_tick_completion_time=None,
        last_run_key=None,
        cursor=cursor,
        repository_name=None,
        repository_def=repository,
        resources=repository.get_top_level_resources(),
    )
    with context:
        return deployment.defs.resolve_sensor_def(name).evaluate_tick(context)


def evaluate_schedule(deployment: Deployment, name: str, at: datetime) -> Any:
    context = dg.build_schedule_context(
        instance=deployment.instance, resources=deployment.services, scheduled_execution_time=at
    )
    return deployment.defs.resolve_schedule_def(name).evaluate_tick(context)


def submit(deployment: Deployment, request: dg.RunRequest, job: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """Create the run that the daemon creates for a request, with its config and tags."""
    definition = deployment.defs.resolve_job_def(job)
    if job == "refresh_marts":  # one of 80 models is enough: each of them costs a planned event
        definition = definition.get_subset(
            asset_selection={dg.AssetKey(["marts", "lead"])}, asset_check_selection=set()
        )
    return deployment.instance.create_run_for_job(
        definition, run_config=dict(request.run_config or {}), tags={**definition.tags, **request.tags}, status=status
    )


def tomorrow(hour: int = 1, minute: int = 0) -> datetime:
    return (datetime.now(UTC) + timedelta(days=1)).replace(hour=hour, minute=minute, second=0, microsecond=0)

"""The run launcher finds out whether the process of a run still exists."""

import os
import subprocess

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from tests.orchestration.conftest import Deployment
from tests.orchestration.instance.conftest import submit_run
from zoho_pipeline.orchestration.instance.run_launcher import LocalRunLauncher


@pytest.fixture
def ended_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def health(instance: dg.DagsterInstance, *pids: int) -> WorkerStatus:
    """The health of a run whose log names these processes; no code server knows the run."""
    launcher = instance.run_launcher
    assert isinstance(launcher, LocalRunLauncher)
    run = submit_run(instance)
    for pid in pids:
        instance.report_engine_event(f"Started process for run (pid: {pid}).", run)
    return launcher.check_run_worker_health(run).status


def test_a_run_lives_as_long_as_its_newest_python_process(deployment: Deployment, ended_pid: int) -> None:
    instance = deployment.instance
    assert health(instance, ended_pid, os.getpid()) == WorkerStatus.RUNNING
    assert health(instance, os.getpid(), ended_pid) == WorkerStatus.FAILED
    assert health(instance) == WorkerStatus.FAILED, "no process was ever started"


def test_a_process_of_another_program_with_the_same_id_is_not_the_run(deployment: Deployment) -> None:
    other = subprocess.Popen(["sleep", "60"])
    try:
        assert health(deployment.instance, other.pid) == WorkerStatus.FAILED
    finally:
        other.kill()
        other.wait()

"""Dagster's local run launcher, extended by a health check of the run's process.

Dagster's own launcher has no health check. A run whose machine was rebooted, or whose code server was killed with it,
would keep the status STARTED and its slot in the pool, and no further sync could start.
"""

import os
import re
from pathlib import Path

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

_PID = re.compile(r"\(pid: (\d+)\)")


class LocalRunLauncher(DefaultRunLauncher):
    """Launches runs as child processes of the code server; `run_monitoring` of `dagster.yaml` checks them."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """RUNNING when the code server knows the process, or the process runs on this machine. FAILED otherwise."""
        if self._server_knows(run) or self._is_alive(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The process of the run does not exist any more.")

    def _server_knows(self, run: dg.DagsterRun) -> bool:
        try:
            client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
            if client is None:
                return False
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=5)
            return deserialize_value(answer, CanCancelExecutionResult).can_cancel
        except Exception:  # any error of the transport means that there is no code server
            return False

    def _is_alive(self, run: dg.DagsterRun) -> bool:
        """Whether the newest process of this run (it logs its pid) still runs and is a Python process."""
        events = self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        pids = [found.group(1) for event in events if (found := _PID.search(event.message or ""))]
        return bool(pids) and is_python(int(pids[-1]))


def is_python(pid: int) -> bool:
    """Whether the process with this id runs Python. The system may have given the id to another program since."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc").is_dir()  # without /proc (macOS), the signal above is the only evidence

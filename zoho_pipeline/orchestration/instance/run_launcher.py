"""Dagster's local run launcher, with an answer to the question whether a run's process still lives.

The one it ships with has none: a run whose machine was rebooted, or whose code server was killed with
it, would stand as started for ever, keep its place in the pool, and no sync would begin again.
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
    """Runs as child processes of the code server, watched by `run_monitoring`."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """RUNNING where the code server knows the process or the process lives on this machine, else FAILED."""
        if self._server_knows(run) or self._is_alive(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the process of the run is gone")

    def _server_knows(self, run: dg.DagsterRun) -> bool:
        try:
            client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
            if client is None:
                return False
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=5)
            return deserialize_value(answer, CanCancelExecutionResult).can_cancel
        except Exception:  # whatever the transport raises: the server is not there
            return False

    def _is_alive(self, run: dg.DagsterRun) -> bool:
        """Whether the process that last said it works on this run lives, and is a Python program."""
        events = self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        pids = [found.group(1) for event in events if (found := _PID.search(event.message or ""))]
        return bool(pids) and is_python(int(pids[-1]))


def is_python(pid: int) -> bool:
    """Whether a process with this number lives and runs Python (another may have taken the number since)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return b"python" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return not Path("/proc").is_dir()  # no /proc on this system: the signal has to do

"""Queues new channels for a separate daemon and code server. The runs are real.

The Zoho of one channel never answers.
"""

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks._many_channels import name_of
from benchmarks._orgs import CLIENT, CLIENT_SECRET, running_orgs
from scripts.production import ROOT, free_port, wait_for_port
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.orchestration.automation.sensors import MAX_RUNS_OF_ONE_CHANNEL
from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN
from zoho_pipeline.settings import Secret, Settings, load_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

FAILING = 3
LEADS = 5
PATIENCE = 3_600.0


@dataclass(frozen=True)
class Attempt:
    """One attempt to sync a channel: when it ended, what it took, and whether it was complete."""

    channel: str
    at: float
    seconds: float
    cpu: float
    complete: bool


@dataclass(frozen=True)
class QueueResult:
    """The result of the queued channels: the attempts of each run in order, and what the processes took.

    Attributes:
        requested: the channels in the order in which the sensor requested their syncs.
        run_cpu, daemon_cpu: CPU seconds of the processes of the runs, and of the daemon.
        seconds: wall-clock seconds of the whole.
    """

    requested: list[str]
    runs: list[list[Attempt]]
    run_cpu: float
    daemon_cpu: float
    seconds: float

    @property
    def finished(self) -> list[str]:
        """The complete channels, in the order in which they ended."""
        attempts = sorted(itertools.chain.from_iterable(self.runs), key=lambda attempt: attempt.at)
        return [attempt.channel for attempt in attempts if attempt.complete]

    @property
    def failed(self) -> list[Attempt]:
        return [attempt for run in self.runs for attempt in run if not attempt.complete]

    @property
    def sync_cpu(self) -> float:
        """CPU seconds of the syncs. The first sync of a run also imports libraries, so it counts as the median."""
        median = statistics.median(attempt.cpu for run in self.runs for attempt in run)
        return sum(min(run[0].cpu, median) + sum(attempt.cpu for attempt in run[1:]) for run in self.runs)


def run_queue(home: Path, count: int) -> QueueResult:
    """Connect `count` new channels, one of which never answers, and wait until their first syncs have ended.

    The sensor finds them, adds their partitions and requests their first syncs in batches. The queue starts one
    process per batch, one at a time because the warehouse is a DuckDB file.
    """
    import dagster as dg

    wanted = -(-count // MAX_CHANNELS_PER_RUN) if count > MAX_RUNS_OF_ONE_CHANNEL else count
    with running_orgs(count - 1, LEADS) as orgs, running_orgs(1, LEADS) as down:
        env = _environment(home, orgs.url, down.url)
        settings = load_settings(env)
        _connect(settings, orgs.tokens, down.tokens)
        down.end()
        folder = prepare_dagster_home(settings)
        with deployed(env, home, folder) as (code, daemon), dg.DagsterInstance.from_config(str(folder)) as instance:
            began = time.monotonic()
            while len(runs := _ended(instance)) < wanted:
                time.sleep(1)
                if time.monotonic() - began > PATIENCE:
                    raise RuntimeError(f"{len(runs)} runs ended in {PATIENCE} s; the logs are in {home}")
            seconds = time.monotonic() - began
            time.sleep(3)  # until the last process has ended and its CPU time is counted
            spent = cpu_of(code, children=True), cpu_of(daemon)
            attempts = [_attempts(instance, run.run_id) for run in runs]
            requested = [channel for run in runs for channel in _requested(run)]
    return QueueResult(requested, attempts, *spent, seconds)


def _environment(home: Path, url: str, down: str) -> dict[str, str]:
    return {
        "ZOHO_PIPELINE_HOME": str(home),
        "ZOHO_CLIENT_ID": CLIENT,
        "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
        "ZOHO_PIPELINE_SYNC_LAG": "0",
        "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": url, "down": down}),
    }


def _connect(settings: Settings, tokens: list[str], down: list[str]) -> None:
    registry = Registry(settings)
    for number, token in enumerate(tokens):
        register_from_refresh_token(registry, name_of(number + (number >= FAILING)), Secret(token), data_center="sim")
    register_from_refresh_token(registry, name_of(FAILING), Secret(down[0]), data_center="down")


@contextmanager
def deployed(env: dict[str, str], home: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Start a code server and a daemon as processes, as `dagster dev` does, and yield their process ids."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZOHO_", "DAGSTER_"))}
    port = int(env.get("ZOHO_PIPELINE_CODE_PORT") or free_port())
    python = [sys.executable, "-W", "ignore", "-m"]
    places = {"DAGSTER_HOME": str(folder), "ZOHO_PIPELINE_CODE_HOST": "127.0.0.1", "ZOHO_PIPELINE_CODE_PORT": str(port)}
    commands = (
        [*python, "dagster", "api", "grpc", "-m", "zoho_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)],
        [*python, "dagster._daemon", "run", "-w", str(ROOT / "deploy" / "workspace.yaml")],
    )
    started: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in zip(("code", "daemon"), commands, strict=True):
            with (home / f"{name}.log").open("wb") as log:
                streams: dict[str, Any] = {"stdout": log, "stderr": subprocess.STDOUT, "start_new_session": True}
                started.append(subprocess.Popen(command, env={**kept, **places, **env}, cwd=ROOT, **streams))
            if name == "code":
                wait_for_port(port, started[0])
        yield started[0].pid, started[1].pid
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ended(instance: "DagsterInstance") -> list["DagsterRun"]:
    """The batches that ended, in the order in which they were requested. Retries of a failed run are left out."""
    import dagster as dg

    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    runs = instance.get_runs(dg.RunsFilter(job_name="sync_channels", statuses=ended), ascending=True)
    return [run for run in runs if run.root_run_id is None]


def _requested(run: "DagsterRun") -> list[str]:
    ops: Any = run.run_config.get("ops")
    return list(ops["zoho_raw"]["config"]["channels"]) if ops else [run.tags["dagster/partition"]]


def _attempts(instance: "DagsterInstance", run_id: str) -> list[Attempt]:
    """How each channel of a run ended, from the events of the run."""
    import dagster as dg

    found: list[Attempt] = []
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check: Any = record.get_dagster_event().event_specific_data
        if check.check_name == "synced":
            figures = {name: float(check.metadata[name].value) for name in ("seconds", "cpu_seconds")}
            found.append(Attempt(check.partition, record.timestamp, *figures.values(), check.passed))
    return found


def cpu_of(pid: int, children: bool = False) -> float:
    """CPU seconds of a process, or of its children that have ended (the runs are children of the code server)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own, ended = fields[11:13], fields[13:15]
    return sum(int(ticks) for ticks in (ended if children else own)) / os.sysconf("SC_CLK_TCK")

"""So many channels queued for a daemon and a code server of their own: real runs, one channel that never answers."""

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

from benchmarks._crowd import name_of
from benchmarks._orgs import CLIENT, CLIENT_SECRET, served
from scripts.production import ROOT, free_port, wait_for_port
from zoho_pipeline.channels.consent.connect import register_from_refresh_token
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
class Done:
    """One try of a channel: when it ended, what it took, and whether it was complete."""

    channel: str
    at: float
    seconds: float
    cpu: float
    complete: bool


@dataclass(frozen=True)
class Night:
    """What came of so many queued channels: the tries of each run in turn, and what the processes took."""

    asked: list[str]
    runs: list[list[Done]]
    run_cpu: float
    daemon_cpu: float
    seconds: float

    @property
    def finished(self) -> list[str]:
        """The complete channels, in the order they ended."""
        tries = sorted(itertools.chain.from_iterable(self.runs), key=lambda done: done.at)
        return [done.channel for done in tries if done.complete]

    @property
    def failing(self) -> list[Done]:
        return [done for run in self.runs for done in run if not done.complete]

    @property
    def sync_cpu(self) -> float:
        """In the syncs themselves. The first of a run imports what it needs: beyond the median that is the run's."""
        median = statistics.median(done.cpu for run in self.runs for done in run)
        return sum(min(run[0].cpu, median) + sum(done.cpu for done in run[1:]) for run in self.runs)


def queued(home: Path, count: int) -> Night:
    """So many new channels for a daemon and a code server of their own; one of them never answers.

    The sensor finds them, makes their partitions and asks for their first syncs in batches; the queue starts a
    process for each batch, one at a time because the warehouse is a DuckDB file.
    """
    import dagster as dg

    wanted = -(-count // MAX_CHANNELS_PER_RUN) if count > MAX_RUNS_OF_ONE_CHANNEL else count
    with served(count - 1, LEADS) as orgs, served(1, LEADS) as down:
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
            time.sleep(3)  # the last process ends, and is counted
            spent = _cpu_of(code, children=True), _cpu_of(daemon)
            told = [_told(instance, run.run_id) for run in runs]
            asked = [channel for run in runs for channel in _asked(run)]
    return Night(asked, told, *spent, seconds)


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
    """Code server and daemon as processes, as `dagster dev` starts them; their ids."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZOHO_", "DAGSTER_"))}
    port, python = free_port(), [sys.executable, "-W", "ignore", "-m"]
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
    """The batches that ended, in the order they were asked for; repetitions of a failed one apart."""
    import dagster as dg

    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    runs = instance.get_runs(dg.RunsFilter(job_name="sync_channels", statuses=ended), ascending=True)
    return [run for run in runs if run.root_run_id is None]


def _asked(run: "DagsterRun") -> list[str]:
    ops: Any = run.run_config.get("ops")
    return list(ops["zoho_raw"]["config"]["channels"]) if ops else [run.tags["dagster/partition"]]


def _told(instance: "DagsterInstance", run_id: str) -> list[Done]:
    """Of a run's events: how each of its channels ended."""
    import dagster as dg

    found: list[Done] = []
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        check: Any = record.get_dagster_event().event_specific_data
        if check.check_name == "synced":
            figures = {name: float(check.metadata[name].value) for name in ("seconds", "cpu_seconds")}
            found.append(Done(check.partition, record.timestamp, *figures.values(), check.passed))
    return found


def _cpu_of(pid: int, children: bool = False) -> float:
    """Seconds of CPU of a process; or those of its children that have ended: the code server's runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own, ended = fields[11:13], fields[13:15]
    return sum(int(ticks) for ticks in (ended if children else own)) / os.sysconf("SC_CLK_TCK")

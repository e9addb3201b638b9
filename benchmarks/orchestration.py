"""The conductor's own cost: loading the code location, ticks with 5,000 channels, 200 channels in batches.

All are seconds of CPU: a busy machine tells the same as an idle one. BENCH_CHANNELS=20 queues fewer.
"""

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from benchmarks import Figure
from benchmarks._orgs import CLIENT, CLIENT_SECRET, served
from scripts.production import ROOT, free_port, wait_for_port
from zoho_pipeline.channels import tables
from zoho_pipeline.channels.connect import register_from_refresh_token
from zoho_pipeline.channels.registry import Registry
from zoho_pipeline.orchestration.instance import prepare_dagster_home
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_PER_RUN
from zoho_pipeline.orchestration.sensors import ONE_BY_ONE
from zoho_pipeline.settings import Secret, Settings, load_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun, RunRequest

MANY = 5_000
QUEUED = 200
LOAD_BAR = 1.5
OWN_BAR = 0.2  # seconds of CPU a channel beside its sync
FAILING = 3
MODULES = ("Leads", *(f"Module{number}" for number in range(14)))  # as many as a real channel has
LEADS = 5
PATIENCE = 3_600.0


def _cpu(code: str, home: Path) -> float:
    """Seconds of CPU that a fresh interpreter spends on a line, its own start apart; the least of three."""
    probe = f"import time; t = time.process_time(); {code}; print(time.process_time() - t)"
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"}
    runs = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", probe], env=env, capture_output=True, text=True, check=True
        )
        for _ in range(3)
    ]
    return min(float(run.stdout) for run in runs)


def load(home: Path) -> dict[str, float]:
    """Loading the code location against `import dagster`; the first load of a release reads the SQL, too."""
    location = "import zoho_pipeline.definitions as d; d.defs.get_repository_def()"
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(home)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", location], env=env, check=True)
    dagster, whole = _cpu("import dagster", home), _cpu(location, home)
    return {"import_dagster_cpu_s": dagster, "code_location_cpu_s": whole, "ratio": whole / dagster}


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return action(), time.process_time() - began


class Crowd:
    """5,000 channels in a registry, and an instance whose sensors and schedules look at them."""

    def __init__(self, settings: Settings, instance: "DagsterInstance") -> None:
        from zoho_pipeline.orchestration.build import build

        self.instance, self.defs, self.registry = instance, build(settings), Registry(settings)
        ago = datetime.now(UTC) - timedelta(days=30)
        with self.registry.database.write() as transaction:
            transaction.execute(insert(tables.channels), [_channel(number, ago) for number in range(MANY)])

    def sync(self) -> None:
        """As after a night: every module of every channel is complete."""
        seen = datetime.now(UTC) - timedelta(hours=5)
        modules = [_module(number, name, seen) for number in range(MANY) for name in MODULES]
        with self.registry.database.write() as transaction:
            transaction.execute(insert(tables.modules), modules)

    def sense(self, name: str) -> tuple[Any, float]:
        import dagster as dg

        repository = self.defs.get_repository_def()
        resources = repository.get_top_level_resources()
        with dg.SensorEvaluationContext(
            instance_ref=self.instance.get_ref(),
            last_tick_completion_time=None,
            last_run_key=None,
            cursor=None,
            repository_name=None,
            repository_def=repository,
            resources=resources,
        ) as context:
            return _timed(lambda: self.defs.resolve_sensor_def(name).evaluate_tick(context))

    def tick(self, name: str, at: datetime) -> tuple[Any, float]:
        import dagster as dg

        resources = {"rooms": self.defs.resources["rooms"]}  # type: ignore[index]
        with dg.build_schedule_context(
            instance=self.instance, resources=resources, scheduled_execution_time=at
        ) as context:
            return _timed(lambda: self.defs.resolve_schedule_def(name).evaluate_tick(context))

    def submit(self, request: "RunRequest") -> None:
        """What the daemon makes of a request; one table of 25 will do, each costs a planned event."""
        import dagster as dg

        job = self.defs.resolve_job_def("sync_channels").get_subset(
            asset_selection={dg.AssetKey(["zoho_raw", "leads"])}
        )
        self.instance.create_run_for_job(
            job,
            run_config=dict(request.run_config),
            tags={**job.tags, **request.tags},
            status=dg.DagsterRunStatus.SUCCESS,
        )

    def freshness(self) -> float:
        """The hourly job: every channel is asked for, those that changed since the last time are told."""
        job = self.defs.resolve_job_def("check_freshness")
        return _timed(lambda: job.execute_in_process(instance=self.instance))[1]


def ticks(home: Path) -> Iterator[tuple[str, float]]:
    """Seconds of CPU of every sensor and schedule over 5,000 channels with 15 modules each."""
    import dagster as dg

    settings = load_settings({"ZOHO_PIPELINE_HOME": str(home)})
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        crowd = Crowd(settings, instance)
        yield "channel_registry, all of them new", crowd.sense("channel_registry")[1]
        instance.add_dynamic_partitions("channels", [_name(number) for number in range(MANY)])
        crowd.sync()
        yield "channel_registry", crowd.sense("channel_registry")[1]
        yield "marts_after_syncs", crowd.sense("marts_after_syncs")[1]
        at = (datetime.now(UTC) + timedelta(days=1)).replace(hour=1, minute=0)
        yield "weekly_reconcile", crowd.tick("weekly_reconcile", at)[1]
        slowest = 0.0
        for step in range(12):
            data, spent = crowd.tick("nightly_sync", at + timedelta(minutes=5 * step))
            slowest = max(slowest, spent)
            for request in data.run_requests or []:
                crowd.submit(request)
        yield "nightly_sync, the slowest of a night that follows one without", slowest
        crowd.freshness()  # tells each of them for the first time
        yield "freshness, the whole run", crowd.freshness()


def _name(number: int) -> str:
    return f"tenant-{number:04}"


def _channel(number: int, connected: datetime) -> dict[str, Any]:
    return {
        "channel_id": _name(number),
        "data_center": "in",
        "accounts_server": "https://accounts.zoho.in",
        "api_domain": "https://www.zohoapis.in",
        "timezone": "Asia/Kolkata",
        "missing_scopes": [],
        "status": "active",
        "field_map": {},
        "lead_source_map": {},
        "parameters": {},
        "refresh_seal": "x",
        "refresh_fingerprint": f"{number}",
        "connected_at": connected,
        "created_at": connected,
    }


def _module(number: int, name: str, seen: datetime) -> dict[str, Any]:
    return {
        "channel_id": _name(number),
        "module": name,
        "upper_bound": seen,
        "outcome": "complete",
        "rows": 1,
        "credits": 1.0,
        "synced_at": seen,
    }


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

    wanted = -(-count // MAX_CHANNELS_PER_RUN) if count > ONE_BY_ONE else count
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
        register_from_refresh_token(registry, _name(number + (number >= FAILING)), Secret(token), data_center="sim")
    register_from_refresh_token(registry, _name(FAILING), Secret(down[0]), data_center="down")


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


def race() -> Iterator[Figure]:
    """The three, each in a HOME of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = load(Path(folder) / "home")
    sides = f"{found['code_location_cpu_s']:.2f} s", f"{found['import_dagster_cpu_s']:.2f} s"
    yield Figure("load the code location against import dagster", *sides, found["ratio"], LOAD_BAR)
    with tempfile.TemporaryDirectory() as folder:
        for name, spent in ticks(Path(folder) / "home"):
            yield Figure(f"{MANY} channels: {name}", f"{spent:.2f} s", "1 s", spent, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        yield from told(queued(Path(folder), int(os.environ.get("BENCH_CHANNELS", QUEUED))))


def told(night: Night) -> Iterator[Figure]:
    """The figures of a queue."""
    count, others = len(night.asked), [channel for channel in night.asked if channel != _name(FAILING)]
    done = night.finished
    sides = f"{len(done)} complete in {night.seconds:.0f} s", f"{len(others)}"
    yield Figure(f"{count} channels queued, one never answers", *sides, len(done) / len(others), 1.0, True)
    overtaken = sum(asked != ended for asked, ended in zip(others, done, strict=False))
    yield Figure("… that ended out of the order asked for", f"{overtaken}", "0", overtaken, 0)
    own = (night.run_cpu - night.sync_cpu) / count
    sides = f"{own:.3f} s of CPU a channel", f"0.2 s (its sync: {night.sync_cpu / count:.2f} s)"
    yield Figure("… the runs' own cost beside the syncs", *sides, own / OWN_BAR, 1.0)
    tries, took = len(night.failing), sum(done.seconds for done in night.failing)
    bar = 1 if len(night.runs) > 1 else None
    yield Figure(
        "… tries of the failing one before the others", f"{tries}", f"1 (its {took:.0f} s are waits)", tries, bar
    )
    daemon = night.daemon_cpu / count
    yield Figure("… the daemon's cost a channel", f"{daemon:.3f} s of CPU", "1 s", daemon)


if __name__ == "__main__":
    for one in race():
        print(one, flush=True)

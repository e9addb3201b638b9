"""Measures a night of many channels: the embedded Dagster instance, DuckDB, a Zoho that takes 100 ms per answer.

The settings are the defaults, with the lag of 5 s. Three nights follow each other: nothing new; 5 % of the channels
have a changed lead, and the marts are refreshed; one channel fails. The runs go through the queue in batches, as those
of the schedule do.

BENCH_NIGHT=200 takes 200 channels instead of 5,000. The first loads, which are not measured, take a second per channel.
It is left out of a run of all benchmarks, because 5,000 channels take two hours.
"""

import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import Figure
from benchmarks._many_channels import name_of
from benchmarks._orgs import CLIENT, CLIENT_SECRET, Orgs, running_orgs
from benchmarks._queued_channels import cpu_of, deployed
from scripts.production import free_port
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.sync.run import sync_channel
from zoho_pipeline.ingest.sync.side_by_side import side_by_side
from zoho_pipeline.ingest.sync.sync_group import SyncGroup
from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.orchestration.partitions import MAX_CHANNELS_OF_A_NIGHT_RUN, split_into_batches
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

if TYPE_CHECKING:
    from dagster import DagsterInstance, DagsterRun

ONLY_BY_NAME = True
"""`python -m benchmarks` without names leaves it out."""

CHANNELS = 5_000
LEADS = 20
LATENCY = 0.1
CHANGED = 0.05
NIGHT_SECONDS = 1_800.0
"""What a quiet night of CHANNELS may take."""

CPU_BAR = 0.15
CREDITS_BAR = 3
BARS_FROM = 1_000
"""With fewer channels, the starts of the runs weigh more, and the figures have no bars."""

PATIENCE = 4 * 3_600.0


@dataclass(frozen=True)
class Night:
    """What one night took: wall-clock seconds, CPU seconds of the runs of syncs, and how many runs failed."""

    seconds: float
    cpu: float
    failed: int
    started: float


@dataclass(frozen=True)
class Place:
    """A deployment with its channels."""

    settings: Settings
    warehouse: Warehouse
    instance: "DagsterInstance"
    code: int
    port: int
    names: list[str]

    def night(self) -> Night:
        """Queue a sync of every channel, in batches, and wait until the runs have ended."""
        started, began = time.monotonic(), time.time()
        run_ids = list(self._submit())
        failed, cpu = _wait_for(self.instance, run_ids, self.code)
        return Night(time.monotonic() - started, cpu, failed, began)

    def _submit(self) -> Iterator[str]:
        from dagster._cli.job import _create_run
        from dagster._core.workspace.context import WorkspaceProcessContext
        from dagster._core.workspace.load_target import GrpcServerTarget

        target = GrpcServerTarget(host="127.0.0.1", port=self.port, socket=None, location_name="zoho_pipeline")
        with WorkspaceProcessContext(self.instance, target) as process:
            workspace = process.create_request_context()
            location = workspace.code_locations[0]
            repository = next(iter(location.get_repositories().values()))
            job = repository.get_full_job("sync_channels")
            for batch in split_into_batches(self.names, MAX_CHANNELS_OF_A_NIGHT_RUN):
                config = {"ops": {"zoho_raw": {"config": {"channels": batch}}}}
                run = _create_run(self.instance, location, repository, job, config, {}, None, None)
                yield self.instance.submit_run(run.run_id, workspace).run_id

    def credits(self, since: float) -> tuple[int, float]:
        """The most credits of a module, and the mean calls of a channel, in the syncs that began since an instant."""
        query = (
            "select max(credits), sum(requests) * 1.0 / count(distinct channel_id) from zoho_raw.sync_runs"
            " where epoch(started_at) >= ?"
        )
        with self.warehouse.connect() as connection:
            most, calls = connection.fetch(query, (since,))[1][0]
        return int(most), float(calls)

    def wait_for_marts(self, since: float) -> float:
        """The seconds until the marts were refreshed after an instant."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            if any(end >= since for end in _ends_of_refreshes(self.instance)):
                return time.monotonic() - began
            time.sleep(1)
        raise RuntimeError("the marts were not refreshed")


def measure() -> Iterator[Figure]:
    """Measure the three nights."""
    count = int(os.environ.get("BENCH_NIGHT", CHANNELS))
    with_bars = count >= BARS_FROM
    with _place(count) as (place, orgs):
        allowed = NIGHT_SECONDS * count / CHANNELS
        quiet = place.night()
        sides = f"{quiet.seconds:.0f} s", f"{allowed:.0f} s"
        yield Figure(f"{count} quiet channels", *sides, quiet.seconds / allowed, 1.0 if with_bars else None)
        cpu = quiet.cpu / count
        yield Figure(
            "… CPU of the runs per channel", f"{cpu:.3f} s", "0.15 s", cpu / CPU_BAR, 1.0 if with_bars else None
        )
        most, calls = place.credits(quiet.started)
        yield Figure(f"… credits of a module ({calls:.0f} calls per channel)", f"{most}", "3", most / CREDITS_BAR, 1.0)
        yield Figure("… failed runs", f"{quiet.failed}", "0", quiet.failed, 0)
        changed = max(1, round(count * CHANGED))
        orgs.say(f"touch {changed}")
        busy = place.night()
        marts = place.wait_for_marts(busy.started + busy.seconds)
        sides = f"{busy.seconds:.0f} s, marts {marts:.0f} s later", f"{allowed:.0f} s"
        yield Figure(f"{changed} of them have a changed lead", *sides, (busy.seconds + marts) / allowed)
        yield Figure("… CPU of the runs per channel", f"{busy.cpu / count:.3f} s", "0.15 s", busy.cpu / count / CPU_BAR)
        orgs.say(f"down {count // 2}")
        failing = place.night()
        sides = f"{failing.seconds:.0f} s", f"{quiet.seconds:.0f} s"
        yield Figure("one channel fails", *sides, failing.seconds / quiet.seconds)
        yield Figure("… failed runs", f"{failing.failed}", "1", failing.failed, 1)


@contextmanager
def _place(count: int) -> Iterator[tuple[Place, Orgs]]:
    import dagster as dg

    names = [name_of(number) for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="night-") as folder, running_orgs(count, LEADS, days_ago=40) as orgs:
        home, port = Path(folder), free_port()
        env = {
            "ZOHO_PIPELINE_HOME": str(home),
            "ZOHO_CLIENT_ID": CLIENT,
            "ZOHO_CLIENT_SECRET": CLIENT_SECRET,
            "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": orgs.url}),
        }
        settings, warehouse = load_settings(env), open_warehouse(load_settings(env))
        _prepare(load_settings({**env, "ZOHO_PIPELINE_SYNC_LAG": "0"}), warehouse, names, orgs.tokens)
        orgs.say(f"latency {LATENCY}")
        dagster_home = prepare_dagster_home(settings)
        with (
            deployed({**env, "ZOHO_PIPELINE_CODE_PORT": str(port)}, home, dagster_home) as (code, _),
            dg.DagsterInstance.from_config(str(dagster_home)) as instance,
        ):
            yield Place(settings, warehouse, instance, code, port, names), orgs


def _prepare(settings: Settings, warehouse: Warehouse, names: list[str], tokens: list[str]) -> None:
    """Connect the channels and sync them twice: the second sync reads the newest seconds of the first load again."""
    from zoho_pipeline.ingest.load.channel_tables import publish
    from zoho_pipeline.transform.run.transform import transform

    settings.ensure_home()
    registry = Registry(settings)
    for name, token in zip(names, tokens, strict=True):
        register_from_refresh_token(registry, name, Secret(token), data_center="sim")
    for _ in range(2):
        group = SyncGroup(registry, warehouse)

        def sync(name: str, group: SyncGroup = group) -> bool:
            return sync_channel(settings, registry, warehouse, name, group=group).complete

        with warehouse.kept_open(), registry.database.kept_open():
            for ended in side_by_side(names, sync, settings.channels_at_once, group.stop):
                if not ended.value():
                    raise RuntimeError(f"the first sync of {ended.channel_id} is not complete")
    publish(settings, registry, warehouse)
    transform(warehouse)


def _wait_for(instance: "DagsterInstance", run_ids: list[str], code: int) -> tuple[int, float]:
    """Wait until these runs have ended: how many failed, and the CPU seconds of their processes."""
    import dagster as dg

    began, spent = time.monotonic(), dict[int, float]()
    while time.monotonic() - began < PATIENCE:
        for pid in _children(code):  # also those of refreshes of the marts
            with suppress(OSError):
                spent[pid] = cpu_of(pid)
        runs: list[DagsterRun] = [run for run in map(instance.get_run_by_id, run_ids) if run is not None]
        if all(run.is_finished for run in runs):
            cpu = sum(spent.get(pid, 0.0) for run_id in run_ids for pid in _processes(instance, run_id))
            return sum(run.status != dg.DagsterRunStatus.SUCCESS for run in runs), cpu
        time.sleep(0.5)
    raise RuntimeError(f"the runs did not end in {PATIENCE} s")


def _children(pid: int) -> list[int]:
    """The processes that a process has started and that run."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def _processes(instance: "DagsterInstance", run_id: str) -> set[int]:
    """The ids of the processes of a run."""
    import dagster as dg

    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    return {int(pid) for event in events for pid in re.findall(r"\(pid: (\d+)\)", event.message or "")}


def _ends_of_refreshes(instance: "DagsterInstance") -> list[float]:
    """When successful refreshes of the marts began, newest first."""
    import dagster as dg

    filters = dg.RunsFilter(job_name="refresh_marts", statuses=[dg.DagsterRunStatus.SUCCESS])
    records: list[Any] = list(instance.get_run_records(filters, limit=3))
    return [record.start_time or 0.0 for record in records]

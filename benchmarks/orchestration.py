"""The conductor's own cost: loading the code location, ticks with 5,000 channels, 200 channels in batches.

All are seconds of CPU: a busy machine tells the same as an idle one. BENCH_CHANNELS=20 queues fewer.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import Figure

MANY = 5_000
QUEUED = 200
LOAD_BAR = 1.5
CLIENT = ("1000.BENCH", "bench-client-secret-0123456789")


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


def ticks(home: Path) -> dict[str, float]:
    """Every sensor and schedule over 5,000 channels in the registry, on an instance of its own."""
    import dagster as dg
    from sqlalchemy import insert

    from zoho_pipeline.channels import tables
    from zoho_pipeline.orchestration.build import build
    from zoho_pipeline.orchestration.instance import prepare_dagster_home
    from zoho_pipeline.settings import load_settings

    settings = load_settings({"ZOHO_PIPELINE_HOME": str(home)})
    defs = build(settings)
    rooms = defs.get_repository_def().get_top_level_resources()["rooms"].resource_fn(None)  # type: ignore[call-arg,misc]
    ago, seen = datetime.now(UTC) - timedelta(days=30), datetime.now(UTC) - timedelta(hours=5)
    rooms.registry.list()
    with rooms.registry.database.write() as transaction:
        transaction.execute(insert(tables.channels), [_channel(number, ago) for number in range(MANY)])
        transaction.execute(insert(tables.modules), [_module(number, seen) for number in range(MANY)])
    found: dict[str, float] = {}
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        context = lambda cursor=None: dg.SensorEvaluationContext(  # noqa: E731
            instance_ref=instance.get_ref(),
            cursor=cursor,
            repository_def=defs.get_repository_def(),
            resources=defs.get_repository_def().get_top_level_resources(),
        )
        instance.add_dynamic_partitions("channels", [f"tenant-{n:04}" for n in range(MANY)])
        for name in ("channel_registry", "marts_after_syncs"):
            with context() as own:
                _, found[f"{name}_cpu_s"] = _timed(lambda n=name, c=own: defs.resolve_sensor_def(n).evaluate_tick(c))  # type: ignore[misc]
        at = (datetime.now(UTC) + timedelta(days=1)).replace(hour=1, minute=0)
        asked = 0
        slowest = 0.0
        for step in range(12):
            with dg.build_schedule_context(
                instance=instance, resources={"rooms": rooms}, scheduled_execution_time=at + timedelta(minutes=5 * step)
            ) as night:
                data, spent = _timed(lambda c=night: defs.resolve_schedule_def("nightly_sync").evaluate_tick(c))  # type: ignore[misc]
            slowest = max(slowest, spent)
            job = defs.resolve_job_def("sync_channels").get_subset(asset_selection={dg.AssetKey(["zoho_raw", "leads"])})
            for request in data.run_requests or []:
                asked += len(request.run_config["ops"]["zoho_raw"]["config"]["channels"])
                instance.create_run_for_job(
                    job,
                    run_config=dict(request.run_config),
                    tags={**job.tags, **request.tags},
                    status=dg.DagsterRunStatus.SUCCESS,
                )
        found |= {"nightly_sync_slowest_cpu_s": slowest, "channels_asked_for": float(asked)}
    return found


def _channel(number: int, connected: datetime) -> dict[str, Any]:
    return {
        "channel_id": f"tenant-{number:04}",
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


def _module(number: int, seen: datetime) -> dict[str, Any]:
    return {
        "channel_id": f"tenant-{number:04}",
        "module": "Leads",
        "upper_bound": seen,
        "outcome": "complete",
        "rows": 1,
        "credits": 1.0,
        "synced_at": seen,
    }


def queued(home: Path) -> dict[str, float]:
    """200 channels in batches, one of which always fails: what Dagster adds beside the syncs themselves."""
    import dagster as dg

    from zoho_pipeline.channels.connect import register_from_refresh_token
    from zoho_pipeline.channels.registry import Registry
    from zoho_pipeline.ingest.sync import sync_channel
    from zoho_pipeline.orchestration.build import build
    from zoho_pipeline.orchestration.instance import prepare_dagster_home
    from zoho_pipeline.orchestration.partitions import batches
    from zoho_pipeline.settings import Secret, load_settings
    from zoho_pipeline.simulator import Simulator
    from zoho_pipeline.warehouse import open_warehouse
    from zoho_pipeline.zoho.scopes import DEFAULT_SCOPES

    count = int(os.environ.get("BENCH_CHANNELS", QUEUED))
    with Simulator.start() as simulator:
        env = {
            "ZOHO_PIPELINE_HOME": str(home),
            "ZOHO_CLIENT_ID": CLIENT[0],
            "ZOHO_CLIENT_SECRET": CLIENT[1],
            "ZOHO_PIPELINE_SYNC_LAG": "0",
            "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": simulator.url}),
        }
        settings = load_settings(env)
        registry, defs = Registry(settings), build(settings)
        orgs = []
        for number in range(count):
            org = simulator.add_org(name=f"Tenant {number}", time_zone="UTC", currency="USD")
            org.insert("Leads", {"Last_Name": "One", "Company": "Co"})
            token = Secret(org.grant(*CLIENT, DEFAULT_SCOPES))
            register_from_refresh_token(registry, f"tenant-{number:04}", token, data_center="sim")
            orgs.append(org)
        channels = [channel.id for channel in registry.list()]
        warehouse = open_warehouse(settings)
        sample = channels[:: max(1, count // 10)][:10]
        _, alone = _timed(lambda: [sync_channel(settings, registry, warehouse, channel) for channel in sample])
        orgs[3].deactivate_user(orgs[3].admin)
        failed, spent = 0, 0.0
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
            instance.add_dynamic_partitions("channels", channels)
            job = defs.resolve_job_def("sync_channels")
            for batch in batches(channels):
                config = {"ops": {"zoho_raw": {"config": {"channels": batch, "retry_waits": [0.0]}}}}
                result, seconds = _timed(
                    lambda c=config: job.execute_in_process(instance=instance, run_config=c, raise_on_error=False)  # type: ignore[misc]
                )
                spent += seconds
                failed += not result.success
            done = instance.get_materialized_partitions(dg.AssetKey(["zoho_raw", "leads"]))
    return {
        "channels": float(count),
        "complete": float(len(done)),
        "failed_runs": float(failed),
        "sync_alone_cpu_s": alone / len(sample),
        "in_dagster_cpu_s": spent / count,
    }


def race() -> Iterator[Figure]:
    """The three, each in a HOME of its own."""
    with tempfile.TemporaryDirectory() as folder:
        found = load(Path(folder) / "home")
    sides = f"{found['code_location_cpu_s']:.2f} s", f"{found['import_dagster_cpu_s']:.2f} s"
    yield Figure("load the code location against import dagster", *sides, found["ratio"], LOAD_BAR)
    with tempfile.TemporaryDirectory() as folder:
        found = ticks(Path(folder) / "home")
    for name in ("channel_registry", "marts_after_syncs", "nightly_sync_slowest"):
        spent = found[f"{name}_cpu_s"]
        yield Figure(f"a tick of {name}, {MANY} channels, against 1 s", f"{spent:.2f} s", "1 s", spent, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        found = queued(Path(folder) / "home")
    more = found["in_dagster_cpu_s"] - found["sync_alone_cpu_s"]
    words = f"{found['channels']:.0f} channels in batches, one failing: Dagster's part a channel"
    against = f"a sync alone {found['sync_alone_cpu_s']:.2f} s"
    yield Figure(words, f"{more:.2f} s", against, more / found["sync_alone_cpu_s"])
    done = found["complete"] / (found["channels"] - 1)
    yield Figure(
        "… and all others are complete", f"{found['complete']:.0f}", f"{found['channels'] - 1:.0f}", done, 1.0, True
    )


if __name__ == "__main__":
    for one in race():
        print(one, flush=True)

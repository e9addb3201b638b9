"""Measures what the sensors and schedules cost when the registry has 5,000 channels."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from zoho_pipeline.channels.registry import tables
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, RunRequest

MANY = 5_000
MODULES = ("Leads", *(f"Module{number}" for number in range(14)))  # as many as a real channel has


def name_of(number: int) -> str:
    return f"tenant-{number:04}"


def _timed(action: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return action(), time.process_time() - began


class ManyChannels:
    """5,000 channels in a registry, and a Dagster instance whose sensors and schedules read them."""

    def __init__(self, settings: Settings, instance: "DagsterInstance") -> None:
        from zoho_pipeline.orchestration import build

        self.instance, self.defs, self.registry = instance, build(settings), Registry(settings)
        ago = datetime.now(UTC) - timedelta(days=30)
        with self.registry.database.write() as transaction:
            transaction.execute(insert(tables.channels), [_channel(number, ago) for number in range(MANY)])

    def sync(self) -> None:
        """Store what the nightly sync stores: every module of every channel is complete."""
        synced_at = datetime.now(UTC) - timedelta(hours=5)
        modules = [_module(number, name, synced_at) for number in range(MANY) for name in MODULES]
        with self.registry.database.write() as transaction:
            transaction.execute(insert(tables.modules), modules)

    def evaluate_sensor(self, name: str) -> tuple[Any, float]:
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

    def evaluate_schedule(self, name: str, at: datetime) -> tuple[Any, float]:
        import dagster as dg

        resources = {"services": self.defs.resources["services"]}  # type: ignore[index]
        with dg.build_schedule_context(
            instance=self.instance, resources=resources, scheduled_execution_time=at
        ) as context:
            return _timed(lambda: self.defs.resolve_schedule_def(name).evaluate_tick(context))

    def submit(self, request: "RunRequest") -> None:
        """Create the run that the daemon creates for a request. One of 25 tables is enough: each costs one event."""
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
        """Run the hourly job, which reads every channel and logs those that changed since the last run."""
        job = self.defs.resolve_job_def("check_freshness")
        return _timed(lambda: job.execute_in_process(instance=self.instance))[1]


def ticks(home: Path) -> Iterator[tuple[str, float]]:
    """Yield the CPU seconds of every sensor and schedule over 5,000 channels with 15 modules each."""
    import dagster as dg

    settings = load_settings({"ZOHO_PIPELINE_HOME": str(home)})
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        many = ManyChannels(settings, instance)
        yield "channel_registry, all of them new", many.evaluate_sensor("channel_registry")[1]
        instance.add_dynamic_partitions("channels", [name_of(number) for number in range(MANY)])
        many.sync()
        yield "channel_registry", many.evaluate_sensor("channel_registry")[1]
        yield "marts_after_syncs", many.evaluate_sensor("marts_after_syncs")[1]
        at = (datetime.now(UTC) + timedelta(days=1)).replace(hour=1, minute=0)
        yield "weekly_reconcile", many.evaluate_schedule("weekly_reconcile", at)[1]
        slowest = 0.0
        for step in range(12):
            data, spent = many.evaluate_schedule("nightly_sync", at + timedelta(minutes=5 * step))
            slowest = max(slowest, spent)
            for request in data.run_requests or []:
                many.submit(request)
        yield "nightly_sync, the slowest tick of a night that follows a night without one", slowest
        many.freshness()  # the first run logs each of them
        yield "freshness, the whole run", many.freshness()


def _channel(number: int, connected: datetime) -> dict[str, Any]:
    return {
        "channel_id": name_of(number),
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


def _module(number: int, name: str, synced_at: datetime) -> dict[str, Any]:
    return {
        "channel_id": name_of(number),
        "module": name,
        "upper_bound": synced_at,
        "outcome": "complete",
        "rows": 1,
        "credits": 1.0,
        "synced_at": synced_at,
    }

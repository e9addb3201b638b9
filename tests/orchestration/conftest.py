"""Connected orgs on the simulator, the definitions for their settings, and a real Dagster instance."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import dagster as dg
import pytest

from tests.registries import new_registry
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.model import ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.orchestration import Overrides, build
from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES
from zoho_pipeline.zoho.connection.pacing import Pacing

CLIENT = ("1000.TESTCLIENT", "test-client-secret-0123456789")
NO_WAITS = {"retry_waits": [0.0]}
QUICK_SYNCS = SyncLimits(pacing=Pacing(backoff_first=0.001, backoff_most=0.001))


@dataclass(frozen=True)
class Deployment:
    """A deployment: settings, registry, the orgs behind its channels, definitions, and an instance."""

    settings: Settings
    registry: Registry
    orgs: dict[str, Org]
    defs: dg.Definitions
    instance: dg.DagsterInstance

    def run(self, job: str, **options: object) -> dg.ExecuteInProcessResult:
        """Execute a job of the code location on the instance."""
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=False, **options
        )

    def sync(self, *channels: str, **config: object) -> dg.ExecuteInProcessResult:
        """Execute the sync job for a batch of channels (none: all of them), with the run config of a schedule."""
        op_config = {"channels": list(channels or self.orgs), **NO_WAITS, **config}
        return self.run("sync_channels", run_config={"ops": {"zoho_raw": {"config": op_config}}})

    def add_partitions(self) -> None:
        self.instance.add_dynamic_partitions("channels", [channel.id for channel in self.registry.list()])

    def check_results(self, name: str, table: str = "channels") -> dict[str | None, bool]:
        """Partition → whether the newest evaluation of this check of a raw table passed."""
        key = dg.AssetCheckKey(dg.AssetKey(["zoho_raw", table]), name)
        infos = self.instance.event_log_storage.get_asset_check_partition_info([key])
        evaluated = [info for info in infos if info.partition_key]  # the plan of a batch has no partition
        return {info.partition_key: info.latest_execution_status.value == "SUCCEEDED" for info in evaluated}

    def record_sync(self, channel_id: str, module: str, upper_bound: datetime | None, outcome: str) -> None:
        """Record the result of a module's sync in the registry, as a sync does."""
        self.registry.record_syncs(channel_id, [ModuleSync(module, upper_bound, outcome)])

    @property
    def services(self) -> dict[str, Any]:
        """The resources that sensors and schedules ask for."""
        return {"services": self.defs.resources["services"]}


def make_org(simulator: Simulator, name: str, leads: int) -> Org:
    """An org with `leads` leads: the first is converted into a deal, the second is deleted."""
    org = simulator.add_org(name=name, time_zone="Asia/Kolkata", currency="INR")
    ids = org.insert_many(
        "Leads", [{"Last_Name": f"{name} {n}", "Company": "Co", "Lead_Source": "Partner"} for n in range(leads)]
    )
    org.convert(ids[0], deal={"Deal_Name": f"{name} first", "Amount": 1000})
    org.delete("Leads", ids[1])
    return org


def connect(registry: Registry, channel_id: str, org: Org) -> None:
    token = Secret(org.grant(*CLIENT, DEFAULT_SCOPES))
    register_from_refresh_token(registry, channel_id, token, data_center="sim")


@pytest.fixture
def deployment(simulator: Simulator, settings_env: Callable[..., dict[str, str]]) -> Iterator[Deployment]:
    """Two connected channels that were never synced, `acme` (6 leads) and `bolt` (4), on the embedded instance."""
    settings = load_settings(settings_env(ZOHO_PIPELINE_DATA_CENTERS=json.dumps({"sim": simulator.url})))
    registry = new_registry(settings)
    orgs = {"acme": make_org(simulator, "Acme", 6), "bolt": make_org(simulator, "Bolt", 4)}
    for channel_id, org in orgs.items():
        connect(registry, channel_id, org)
    with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
        yield Deployment(settings, registry, orgs, build(settings, Overrides(limits=QUICK_SYNCS)), instance)


@pytest.fixture
def in_memory(deployment: Deployment) -> Iterator[Deployment]:
    """The same deployment on an instance in memory: on SQLite, the 500 events of a refresh take seconds."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield replace(deployment, instance=instance)

"""What the definitions are called: asset keys, groups, jobs, ops, sensors, partitions, pools and the resource.

Two builds in one Dagster instance must share no name, because jobs, partitions and run queues are found by their names.
Each build has one `Naming`, and no other module puts a name together.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import dagster as dg

from zoho_pipeline.orchestration.pools import MARTS_POOL, SYNC_POOL

if TYPE_CHECKING:
    from zoho_pipeline.orchestration.services import Services

ZOHO_GROUP, RAW_GROUP, SEED_GROUP, INSIGHT_GROUP = "zoho_crm", "zoho_raw", "seeds", "insight"
SYNC_JOB, RECONCILE_JOB, MARTS_JOB, WEEKLY_JOB = (
    "sync_channels",
    "reconcile_channels",
    "refresh_marts",
    "weekly_insight",
)
FRESHNESS_JOB = "check_freshness"
JOBS = (SYNC_JOB, RECONCILE_JOB, MARTS_JOB, WEEKLY_JOB, FRESHNESS_JOB)
SYNC_OP, RECONCILE_OP, STATUS_OP, MODELS_OP = "zoho_raw", "reconcile", "channel_status", "models"
_IMPLICIT_JOB = "__ASSET_JOB"
"""The job in which Dagster runs assets that a person or a condition selects."""


@dataclass(frozen=True)
class Naming:
    """The names of one build. Without a prefix they are those of our own code location.

    Attributes:
        prefix: begins the names of jobs, ops, schedules, sensors and partitions; '' for none.
        key_prefix: begins each asset key.
        group_prefix: begins the name of each group.
        resource: the key of the resource that holds the `Services`.
        sync_pool, marts_pool: the concurrency pools of the two kinds of runs.
    """

    prefix: str = ""
    key_prefix: tuple[str, ...] = ()
    group_prefix: str = ""
    resource: str = "services"
    sync_pool: str = SYNC_POOL
    marts_pool: str = MARTS_POOL

    def name(self, name: str) -> str:
        """The name of a job, op, schedule, sensor or set of partitions."""
        return f"{self.prefix}_{name}" if self.prefix else name

    def group(self, name: str) -> str:
        """The name of a group of assets."""
        return f"{self.group_prefix}_{name}" if self.group_prefix else name

    def key(self, *path: str) -> dg.AssetKey:
        """An asset key."""
        return dg.AssetKey([*self.key_prefix, *path])

    def zoho_key(self, module: str) -> dg.AssetKey:
        """The asset of a Zoho module, by Zoho's API name (`Leads`)."""
        return self.key(ZOHO_GROUP, module)

    def raw_key(self, table: str) -> dg.AssetKey:
        """The asset of a table of schema `zoho_raw` (`leads`)."""
        return self.key(RAW_GROUP, table)

    def seed_key(self, name: str) -> dg.AssetKey:
        """The asset of a seed (a CSV file of the SQL project)."""
        return self.key(SEED_GROUP, name)

    @cached_property
    def channels_key(self) -> dg.AssetKey:
        """The asset of the raw table `channels`, which has the checks of each channel."""
        return self.raw_key("channels")

    @cached_property
    def partitions(self) -> dg.DynamicPartitionsDefinition:
        """One partition per connected channel. A sensor adds and removes them. Dagster keeps them per instance."""
        return dg.DynamicPartitionsDefinition(name=self.name("channels"))

    def services(self, resources: Any) -> "Services":
        """The services, from the resources of a context."""
        return cast("Services", getattr(resources, self.resource))

    def run_config(self, op: str, channels: Sequence[str], **more: object) -> dict[str, Any]:
        """The run config of a job whose op works on these channels."""
        return {"ops": {self.name(op): {"config": {"channels": list(channels), **more}}}}

    def owns(self, run: dg.DagsterRun, keys: Collection[dg.AssetKey]) -> bool:
        """Whether a run is one of this build: of one of its jobs, or of assets or checks of its assets (`keys`)."""
        if not run.job_name.startswith(_IMPLICIT_JOB):
            return run.job_name in {self.name(job) for job in JOBS}
        selected = {*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())}
        return not selected or not selected.isdisjoint(keys)

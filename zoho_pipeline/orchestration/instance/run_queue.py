"""Dagster's run queue, with one refresh of the marts at a time wherever the runs come from.

`dagster.yaml` has one default for all pools and none for a single one: those live in the instance's database.
A limit that somebody has set there (`dagster instance concurrency set`, or the UI) stays.
"""

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.run_coordinator.base import SubmitRunContext

from zoho_pipeline.orchestration.pools import LIMITS


class PooledRunQueue(QueuedRunCoordinator):
    """The queue; before a process submits its first run, the pools of `LIMITS` have theirs."""

    _prepared = False

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """As Dagster's, on an instance whose pools are limited."""
        if not self._prepared:
            limit_pools(self._instance)
            self._prepared = True
        return super().submit_run(context)


def limit_pools(instance: dg.DagsterInstance) -> None:
    """Give each pool of `LIMITS` its limit, except where one was set by hand.

    The default as well: Dagster itself writes it down at the first look at the queue, and heeds it from the second.
    """
    storage = instance.event_log_storage
    known = {pool.name: pool for pool in storage.get_pool_limits()}
    for name, limit in LIMITS.items():
        pool = known.get(name)
        if limit is None and pool is None:
            storage.initialize_concurrency_limit_to_default(name)
        elif limit is not None and (pool is None or pool.from_default):
            storage.set_concurrency_slots(name, limit)

"""Dagster's run queue, extended by limits per pool.

`dagster.yaml` has one default limit for all pools. The limit of a single pool is stored in the database of the
instance. A limit that a person set there (`dagster instance concurrency set`, or the UI) is not changed.
"""

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.run_coordinator.base import SubmitRunContext

from zoho_pipeline.orchestration.pools import POOL_LIMITS


class PooledRunQueue(QueuedRunCoordinator):
    """Dagster's queue. A process applies `POOL_LIMITS` before it submits its first run."""

    _has_applied_limits = False

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Apply the pool limits once, then submit the run as Dagster does."""
        if not self._has_applied_limits:
            apply_pool_limits(self._instance)
            self._has_applied_limits = True
        return super().submit_run(context)


def apply_pool_limits(instance: dg.DagsterInstance) -> None:
    """Store the limit of each pool of `POOL_LIMITS`, except when a person set another one.

    The default limit is stored too. Dagster itself stores it when it first reads the queue, and applies it only from
    the second time on.
    """
    storage = instance.event_log_storage
    stored = {pool.name: pool for pool in storage.get_pool_limits()}
    for name, limit in POOL_LIMITS.items():
        pool = stored.get(name)
        if limit is None and pool is None:
            storage.initialize_concurrency_limit_to_default(name)
        elif limit is not None and (pool is None or pool.from_default):
            storage.set_concurrency_slots(name, limit)

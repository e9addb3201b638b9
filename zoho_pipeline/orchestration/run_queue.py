"""The old name of `instance.run_queue`, kept for one release.

A `dagster.yaml` that an earlier version wrote names this module.
"""

from zoho_pipeline.orchestration.instance.run_queue import PooledRunQueue

__all__ = ["PooledRunQueue"]

"""The old name of `instance.run_launcher`, kept for one release.

A `dagster.yaml` that an earlier version wrote names this module.
"""

from zoho_pipeline.orchestration.instance.run_launcher import LocalRunLauncher

__all__ = ["LocalRunLauncher"]

"""The old name of `instance.sqlite_event_log`, kept for one release.

A `dagster.yaml` that an earlier version wrote names this module.
"""

from zoho_pipeline.orchestration.instance.sqlite_event_log import EmbeddedEventLog

__all__ = ["EmbeddedEventLog"]

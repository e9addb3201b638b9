"""The folder of the embedded Dagster instance, HOME/dagster, with its `dagster.yaml`.

This module does not import Dagster, because the command line prepares the folder before it starts `dagster dev`.
`export DAGSTER_HOME=$(python -m zoho_pipeline.orchestration.instance)` prepares the folder and prints its path.
"""

import json
import re
from pathlib import Path

from zoho_pipeline.settings import Settings

_DAGSTER_YAML = """\
# The embedded instance: SQLite files in this folder. For Postgres, see deploy/dagster.yaml.
nux:
  enabled: false  # hides the newsletter form on the first page
telemetry:
  enabled: false
python_logs:
  # The log of a run shows what the pipeline logs (a missing scope, a retry).
  managed_python_loggers: [zoho_pipeline]
  python_log_level: INFO
concurrency:
  runs:
    max_concurrent_runs: 3
  pools:
    # One sync run (pool zoho_sync) and one refresh (pool marts) at a time, because a DuckDB file allows one writer
    # and Zoho limits how fast we can read. A run waits in the queue, before its process starts.
    granularity: run
    default_limit: 1
event_log_storage:
  module: zoho_pipeline.orchestration.instance.sqlite_event_log
  class: EmbeddedEventLog
  config:
    base_dir: ""  # this folder's history/runs, kept up to date
run_coordinator:
  module: zoho_pipeline.orchestration.instance.run_queue
  class: PooledRunQueue
run_launcher:
  module: zoho_pipeline.orchestration.instance.run_launcher
  class: LocalRunLauncher
run_monitoring:
  # Finds a run whose process died (killed, out of memory), and ends it, so that it can be retried.
  enabled: true
  start_timeout_seconds: 300
  poll_interval_seconds: 30
run_retries:
  enabled: true
  max_retries: 2
freshness:
  enabled: true
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90
"""


_EVENT_LOG_FOLDER = re.compile(r"(?<=    base_dir: ).*(?=  # this folder)")


def prepare_dagster_home(settings: Settings) -> Path:
    """Create HOME/dagster and its `dagster.yaml`, and return the path of the folder.

    An existing `dagster.yaml` belongs to its owner and is not changed, except for the path of the event log. Dagster
    needs that path to be absolute, so it is updated when HOME was moved.
    """
    folder = settings.ensure_home() / "dagster"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = folder / "dagster.yaml"
    before = config.read_text() if config.exists() else _DAGSTER_YAML
    event_log_folder = json.dumps(str(folder.absolute() / "history" / "runs"))
    after = _EVENT_LOG_FOLDER.sub(lambda _: event_log_folder, before)
    if not config.exists() or after != before:
        config.write_text(after)
    return folder

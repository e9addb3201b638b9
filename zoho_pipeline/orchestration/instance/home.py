"""The embedded Dagster instance: its state lives in HOME/dagster, beside everything else of ours.

Imports no Dagster: the command line prepares the folder before it starts `dagster dev`. As a program,
`export DAGSTER_HOME=$(python -m zoho_pipeline.orchestration.instance)`, it prepares the folder and prints it.
"""

import json
import re
from pathlib import Path

from zoho_pipeline.settings import Settings

_DAGSTER_YAML = """\
# The embedded instance: SQLite in this folder. For Postgres see deploy/dagster.yaml.
nux:
  enabled: false  # no newsletter form over the first page
telemetry:
  enabled: false
python_logs:
  # What the rooms log (a missing scope, a retry) stands in the run's own log.
  managed_python_loggers: [zoho_pipeline]
  python_log_level: INFO
concurrency:
  runs:
    max_concurrent_runs: 3
  pools:
    # One sync run (pool zoho_sync) and one refresh (pool marts) at a time: a DuckDB file takes one writer, and
    # extraction is bounded by Zoho, not by us. A run waits in the queue, not as a process.
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
  # A run whose process died (killed, out of memory) is found and ended, so that it can be tried again.
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


_EVENTS_FOLDER = re.compile(r"(?<=    base_dir: ).*(?=  # this folder)")


def prepare_dagster_home(settings: Settings) -> Path:
    """HOME/dagster with a `dagster.yaml`; an existing one is the owner's and stays as it is.

    But for the place of the event log, which Dagster wants absolute: it follows the folder when HOME is moved.
    """
    folder = settings.ensure_home() / "dagster"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = folder / "dagster.yaml"
    before = config.read_text() if config.exists() else _DAGSTER_YAML
    place = json.dumps(str(folder.absolute() / "history" / "runs"))
    after = _EVENTS_FOLDER.sub(lambda _: place, before)
    if not config.exists() or after != before:
        config.write_text(after)
    return folder

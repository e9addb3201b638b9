"""The embedded Dagster instance: its state lives in HOME/dagster, beside everything else of ours.

Imports no Dagster: the command line prepares the folder before it starts `dagster dev`.
"""

from pathlib import Path

from zoho_pipeline.settings import Settings

_DAGSTER_YAML = """\
# The embedded instance: SQLite in this folder. For Postgres see deploy/dagster.yaml.
telemetry:
  enabled: false
python_logs:
  # What the rooms log (a missing scope, a retry) stands in the run's own log.
  managed_python_loggers: [zoho_pipeline]
  python_log_level: INFO
concurrency:
  runs:
    # Two runs at once: one DuckDB file takes one writer, and extraction is bounded by Zoho, not by us.
    max_concurrent_runs: 2
  pools:
    default_limit: 1
retention:
  schedule:
    purge_after_days: 90
  sensor:
    purge_after_days:
      skipped: 7
      failure: 30
      success: 90
"""


def prepare_dagster_home(settings: Settings) -> Path:
    """HOME/dagster with a `dagster.yaml`; an existing one is the owner's and stays as it is."""
    folder = settings.ensure_home() / "dagster"
    folder.mkdir(mode=0o700, exist_ok=True)
    config = folder / "dagster.yaml"
    if not config.exists():
        config.write_text(_DAGSTER_YAML)
    return folder

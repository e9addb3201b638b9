"""The folder of the embedded Dagster instance, HOME/dagster, with its `dagster.yaml`.

This module does not import Dagster, because the command line prepares the folder before it starts `dagster dev`.
`export DAGSTER_HOME=$(python -m zoho_pipeline.orchestration.instance)` prepares the folder and prints its path.
"""

import json
import os
import re
from pathlib import Path

import yaml

from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.text_files import NotText, read_text

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
_EVENT_LOG_LINE = re.compile(r"(?<=    base_dir:).*")

_GLOB = "*["
"""Dagster looks for its `dagster.yaml` by a pattern: where the path has these characters, it finds none, and says
nothing."""
_DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def prepare_dagster_home(settings: Settings) -> Path:
    """Create HOME/dagster and its `dagster.yaml`, and return the path of the folder.

    An existing `dagster.yaml` belongs to its owner and is not changed, except for the path of the event log. Dagster
    needs that path to be absolute, so it is updated when HOME was moved.

    Raises:
        PipelineError: Dagster cannot use the folder, or one of its files is damaged.
    """
    folder = settings.home.absolute() / "dagster"
    if found := next((character for character in str(folder) if character in _GLOB), None):
        raise PipelineError(
            f"Dagster cannot use the folder {folder}, because its path has the character {found}. Set "
            "ZOHO_PIPELINE_HOME to a folder without it."
        )
    settings.ensure_home()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        config = folder / "dagster.yaml"
        before = _config_text(config) if config.exists() else _DAGSTER_YAML
        event_log_folder = json.dumps(str(folder / "history" / "runs"))
        after = _EVENT_LOG_FOLDER.sub(lambda _: event_log_folder, before)
        if not config.exists() or after != before:
            draft = config.with_name(f".dagster.yaml.{os.getpid()}")
            draft.write_text(after, encoding="utf-8")
            draft.replace(config)  # a crash leaves no half of it
        for name in _DATABASES:
            _require_whole(folder / name)
    except OSError as error:
        raise PipelineError(
            f"the Dagster folder {folder} cannot be used ({error.strerror or error}). Remove what is in its place, "
            "if it is no folder, and let this user read and write what is in it."
        ) from error
    return folder


def _config_text(config: Path) -> str:
    """The text of a `dagster.yaml`. PipelineError: it is damaged, so that Dagster would not start with it."""
    reason = "it is a folder" if config.is_dir() else None
    text = ""
    try:
        text = "" if reason else read_text(config)
        content = yaml.safe_load(text)
        if not reason and not isinstance(content, dict):
            reason = "it is empty" if content is None else "it has no settings"
        halves = [name for name, part in (content or {}).items() if _is_half(part)] if not reason else []
        reason = f"{halves[0]} names a module without a class" if halves else reason
        reason = reason or ("it ends too early" if _is_cut(text) else None)
    except NotText as error:
        reason = f"it {error}".rstrip(".").replace(". S", "; s")
    except yaml.YAMLError:
        reason = "it is not YAML"
    if reason:
        raise PipelineError(
            f"the file {config} is damaged ({reason}). Put it back from a backup, or remove it: this command then "
            "writes a new one."
        )
    return text


def _is_cut(text: str) -> bool:
    """Whether it is the file of this module up to a place within a section. Its owner may have left out sections."""
    ours, theirs = (_EVENT_LOG_LINE.sub("", each) for each in (_DAGSTER_YAML, text))
    rest = ours.removeprefix(theirs)
    return rest != ours and rest.strip() != "" and not (theirs.endswith("\n") and rest[0].isalpha())


def _is_half(part: object) -> bool:
    """Whether a section names a class of ours by half, as in a file that was cut."""
    return isinstance(part, dict) and ("module" in part) != ("class" in part)


def _require_whole(database: Path) -> None:
    """PipelineError: the SQLite file is cut or overwritten. An empty one is fine: Dagster makes its tables."""
    if not database.exists():
        return
    header = b"" if database.is_dir() else _head(database)
    if not database.is_dir() and not header:
        return
    page = int.from_bytes(header[16:18], "big")
    size = (65_536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    is_exact = header[24:28] == header[92:96]  # older SQLite releases did not keep the number of pages
    if header[:16] == b"SQLite format 3\0" and not (is_exact and database.stat().st_size < size):
        return
    raise PipelineError(
        f"the Dagster database {database} is damaged. Stop Dagster, and put {database.parent.name} back from a backup "
        f"or move {database} away: Dagster then makes a new one and forgets what it held. The channels, the rows and "
        "the marts are not in it."
    )


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(100)

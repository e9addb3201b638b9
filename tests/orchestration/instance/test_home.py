"""The folder of the embedded instance, and the `dagster.yaml` files of earlier versions."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from scripts.production import ROOT
from tests.orchestration.conftest import Deployment
from tests.orchestration.instance.conftest import submit_run
from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.orchestration.instance.run_launcher import LocalRunLauncher
from zoho_pipeline.orchestration.instance.run_queue import PooledRunQueue
from zoho_pipeline.orchestration.instance.sqlite_event_log import EmbeddedEventLog
from zoho_pipeline.settings import load_settings

FILES = Path(__file__).parent


def python(code: str, *, home: Path, module: bool = False) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m" if module else "-c", code]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=True)


def test_a_moved_home_keeps_its_history_and_the_changes_of_its_owner(deployment: Deployment) -> None:
    config = deployment.settings.home / "dagster" / "dagster.yaml"
    config.write_text(config.read_text().replace("max_concurrent_runs: 3", "max_concurrent_runs: 2"))
    moved = deployment.settings.home.with_name("moved here")
    deployment.settings.home.rename(moved)
    folder = prepare_dagster_home(replace(deployment.settings, home=moved))
    text = (folder / "dagster.yaml").read_text()
    assert "max_concurrent_runs: 2" in text
    assert re.search(r'base_dir: "(.*)"', text).group(1) == f"{moved}/dagster/history/runs"  # type: ignore[union-attr]
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert str(moved) in instance.event_log_storage._base_dir  # type: ignore[attr-defined]


def test_the_package_as_a_program_prepares_the_folder_and_prints_it(home: Path) -> None:
    done = python("zoho_pipeline.orchestration.instance", home=home, module=True)
    assert done.stdout == f"{home}/dagster\n"
    assert (home / "dagster" / "dagster.yaml").exists()


def test_the_folder_is_prepared_without_importing_dagster(home: Path) -> None:
    code = "import sys, zoho_pipeline.orchestration.instance.home; print('dagster' in sys.modules)"
    assert python(code, home=home).stdout == "False\n"


def test_a_dagster_yaml_written_before_the_classes_moved_still_loads(
    settings_env: Callable[..., dict[str, str]],
) -> None:
    """The file is what version 0.1.0 wrote; it names the modules event_log, run_queue and launcher."""
    settings = load_settings(settings_env())
    (settings.ensure_home() / "dagster").mkdir()
    config = settings.home / "dagster" / "dagster.yaml"
    shutil.copy(FILES / "embedded_before_the_move.yaml", config)
    folder = prepare_dagster_home(settings)
    assert "module: zoho_pipeline.orchestration.event_log" in config.read_text(), "the file is its owner's"
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert type(instance.event_log_storage) is EmbeddedEventLog
        assert type(instance.run_coordinator) is PooledRunQueue
        assert type(instance.run_launcher) is LocalRunLauncher
        run = submit_run(instance)
        assert instance.all_logs(run.run_id)
    assert list((folder / "history" / "runs").glob(f"{run.run_id}.db"))


def test_a_production_dagster_yaml_written_before_the_classes_moved_still_loads(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FILES / "production_before_the_move.yaml", tmp_path / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url.replace("postgresql://", "postgresql+psycopg2://"))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_coordinator) is PooledRunQueue
        assert type(instance.run_launcher) is LocalRunLauncher
        assert submit_run(instance)

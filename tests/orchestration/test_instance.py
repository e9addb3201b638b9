"""The instance as it is prepared: pools with their own limits, an event log that keeps its connections."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator.base import SubmitRunContext

from scripts.production import ROOT
from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration.instance.home import prepare_dagster_home
from zoho_pipeline.orchestration.instance.run_queue import PooledRunQueue
from zoho_pipeline.orchestration.instance.sqlite_event_log import KEPT, EmbeddedEventLog


@contextmanager
def production(folder: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    shutil.copy(ROOT / "deploy" / "dagster.yaml", folder)
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url.replace("postgresql://", "postgresql+psycopg2://"))
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def submitted(instance: dg.DagsterInstance) -> None:
    """What happens when anybody asks for a run; the run itself needs no daemon to be queued."""

    @dg.job
    def anything() -> None:
        pass

    server = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=1, location_name="nobody")
    origin = RemoteRepositoryOrigin(server, "__repository__").get_job_origin("anything")
    run = instance.create_run_for_job(anything, remote_job_origin=origin)
    queue = instance.run_coordinator
    assert isinstance(queue, PooledRunQueue)
    assert queue.submit_run(SubmitRunContext(run, None)).status == dg.DagsterRunStatus.QUEUED  # type: ignore[arg-type]


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def test_one_refresh_at_a_time_and_many_syncs_on_postgres(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with production(tmp_path, postgres_url, monkeypatch) as instance:
        submitted(instance)
        assert limits(instance) == {"marts": 1, "zoho_sync": 7}
        instance.event_log_storage.set_concurrency_slots("marts", 2)  # `dagster instance concurrency set marts 2`
    with production(tmp_path, postgres_url, monkeypatch) as instance:
        submitted(instance)
        assert limits(instance)["marts"] == 2, "what somebody set stays"


def test_one_of_each_on_the_embedded_instance(deployment: Deployment) -> None:
    submitted(deployment.instance)
    assert limits(deployment.instance) == {"marts": 1, "zoho_sync": 1}


def test_the_event_log_keeps_few_databases_open_and_loses_nothing(deployment: Deployment) -> None:
    log = deployment.instance.event_log_storage
    assert isinstance(log, EmbeddedEventLog)
    runs = []
    for number in range(KEPT + 2):

        @dg.job(name=f"told_{number}")
        def told() -> None:
            pass

        runs.append(told.execute_in_process(instance=deployment.instance).run_id)
    assert len(log._engines) == KEPT
    for run in runs:
        assert deployment.instance.all_logs(run)[-1].dagster_event_type == dg.DagsterEventType.RUN_SUCCESS
    with dg.DagsterInstance.from_config(str(deployment.settings.home / "dagster")) as other:
        assert {run.run_id for run in other.get_runs()} == set(runs)
        assert other.all_logs(runs[0])


def test_a_home_that_is_moved_takes_its_history_along_and_the_owners_changes_stay(deployment: Deployment) -> None:
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

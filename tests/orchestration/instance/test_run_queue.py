"""The pools of an instance have their own limits before the first run is queued."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from scripts.production import ROOT
from tests.orchestration.conftest import Deployment
from tests.orchestration.instance.conftest import submit_run


@contextmanager
def production(folder: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    shutil.copy(ROOT / "deploy" / "dagster.yaml", folder)
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", postgres_url.replace("postgresql://", "postgresql+psycopg2://"))
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


def test_postgres_allows_seven_syncs_and_one_refresh_and_keeps_a_limit_set_by_a_person(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with production(tmp_path, postgres_url, monkeypatch) as instance:
        submit_run(instance)
        assert limits(instance) == {"marts": 1, "zoho_sync": 7}
        instance.event_log_storage.set_concurrency_slots("marts", 2)  # `dagster instance concurrency set marts 2`
    with production(tmp_path, postgres_url, monkeypatch) as instance:
        submit_run(instance)
        assert limits(instance)["marts"] == 2


def test_the_embedded_instance_allows_one_sync_and_one_refresh(deployment: Deployment) -> None:
    submit_run(deployment.instance)
    assert limits(deployment.instance) == {"marts": 1, "zoho_sync": 1}

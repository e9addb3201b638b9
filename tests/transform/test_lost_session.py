"""The session with Postgres ends in the middle of a transform: one line with a cure, and the next run is complete."""

from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest

from tests.transform.conftest import Raw
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.build import ModelResult
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.connection import ConnectionLost
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

MODELS = ["stg_channels", "int_clock", "lead", "insight"]


@pytest.fixture
def warehouse(postgres_url: str, tmp_path: Path) -> Warehouse:
    return open_warehouse(Settings(home=tmp_path / "home", warehouse_url=postgres_url, registry_url=""))


def end_sessions(url: str) -> int:
    """End the other sessions of the database, as an administrator does; their number."""
    admin = psycopg2.connect(url, application_name="the administrator")
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(
            "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        (ended,) = cursor.fetchone() or (0,)
    admin.close()
    return int(ended)


@pytest.mark.parametrize("model", MODELS)
def test_a_session_that_is_ended_is_one_line_with_a_cure(
    warehouse: Warehouse, raw: Raw, project: Callable[..., Project], postgres_url: str, model: str
) -> None:
    transform(warehouse, project=project())
    raw.lead("a", "3")
    ended: list[int] = []

    def end(result: ModelResult) -> None:
        if result.name == model and not ended:
            ended.append(end_sessions(postgres_url))

    with pytest.raises(ConnectionLost) as caught:
        transform(warehouse, project=project(), on_model=end)
    message = str(caught.value)
    assert ended == [1]
    assert message.count("\n") == 0
    assert "(terminating connection due" in message or "(server closed the connection" in message
    assert "run the command again" in message
    assert "postgres:" not in message, "no part of the URL"

    with warehouse.published() as marts:
        assert marts is not None
        assert marts.fetch("select leads from insight where channel_id = 'a'")[1] == [(2,)]
    assert transform(warehouse, project=project()).published  # the cure
    with warehouse.published() as marts:
        assert marts is not None
        assert marts.fetch("select leads from insight where channel_id = 'a'")[1] == [(3,)]


def test_a_session_that_ends_before_its_commit(warehouse: Warehouse, raw: Raw, postgres_url: str) -> None:
    lost = pytest.raises(ConnectionLost, match="not known")
    with lost, warehouse.connect(read_only=False) as connection:
        connection.execute("delete from zoho_raw.leads")
        assert end_sessions(postgres_url) == 1
    with warehouse.connect() as connection:
        assert connection.fetch("select count(*) from zoho_raw.leads")[1] == [(3,)]


def test_a_statement_in_a_session_that_has_ended(warehouse: Warehouse, raw: Raw, postgres_url: str) -> None:
    again = pytest.raises(ConnectionLost, match="run the command again")
    with again, warehouse.connect() as connection:
        end_sessions(postgres_url)
        with pytest.raises(ConnectionLost):
            connection.fetch("select 1")
        connection.fetch("select 1")  # the driver has another message the second time

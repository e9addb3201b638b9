"""Fixtures of the tests of the dlt source: an org on the simulator, and a pipeline into a destination."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dlt
import pytest

from tests.dlt_source.bench import SourceBench, plain_dlt
from zoho_pipeline.simulator import Simulator


@pytest.fixture(autouse=True)
def _ordinary_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """dlt reads files and variables as in a program of somebody, and sends nothing."""
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    plain_dlt(tmp_path)
    yield
    monkeypatch.undo()


@pytest.fixture(params=["duckdb"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Any]:
    """How a program names its destination. Each call makes it anew, as each process does."""
    match request.param:
        case "postgres":
            url = request.getfixturevalue("postgres_url").replace("postgres@", "postgres:unused@")  # dlt demands one
            return lambda: dlt.destinations.postgres(url)
        case "filesystem":
            return lambda: dlt.destinations.filesystem((tmp_path / "lake").as_uri())
        case "sqlite":
            return lambda: dlt.destinations.sqlalchemy(f"sqlite:///{tmp_path / 'own.db'}")
        case _:
            return lambda: dlt.destinations.duckdb(str(tmp_path / "own.duckdb"))


@pytest.fixture
def bench(simulator: Simulator, destination: Callable[[], Any], tmp_path: Path) -> SourceBench:
    """A pipeline of an empty org."""
    return SourceBench(simulator, simulator.add_org(name="Acme"), tmp_path, destination)

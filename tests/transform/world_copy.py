"""Fixtures: a warehouse of its own for each test, with the published marts of the world of the web."""

from pathlib import Path

import pytest

from tests.web.world import publish_world
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the published world, for one module."""
    folder = tmp_path_factory.mktemp("built")
    publish_world(folder)
    return folder


@pytest.fixture
def warehouse(built: Path, tmp_path: Path) -> Warehouse:
    """A copy of the world."""
    for file in ("warehouse.duckdb", "warehouse.published.duckdb"):
        (tmp_path / file).write_bytes((built / file).read_bytes())
    return open_warehouse(Settings(tmp_path, f"duckdb:///{tmp_path}/warehouse.duckdb", ""))

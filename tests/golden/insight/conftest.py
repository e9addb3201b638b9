"""An empty warehouse on each engine."""

from collections.abc import Callable
from pathlib import Path

import pytest

from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse


@pytest.fixture
def duckdb_at(tmp_path: Path) -> Callable[[str], Warehouse]:
    """`duckdb_at(name)` → an empty DuckDB warehouse; another name, another one."""

    def build(name: str) -> Warehouse:
        url = f"duckdb:///{tmp_path}/{name}/warehouse.duckdb"
        return open_warehouse(Settings(home=tmp_path / name, warehouse_url=url, registry_url=""))

    return build


@pytest.fixture
def postgres(tmp_path: Path, postgres_url: str) -> Warehouse:
    return open_warehouse(Settings(home=tmp_path / "pg", warehouse_url=postgres_url, registry_url=""))


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, duckdb_at: Callable[[str], Warehouse]) -> Warehouse:
    """An empty warehouse of each kind."""
    if request.param == "duckdb":
        return duckdb_at("home")
    postgres: Warehouse = request.getfixturevalue("postgres")
    return postgres

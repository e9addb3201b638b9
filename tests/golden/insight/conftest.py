"""An empty warehouse on each engine."""

from collections.abc import Callable

import pytest

from tests.params import choice
from zoho_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(params=choice(["duckdb", "postgres"], ["duckdb"]))
def warehouse(request: pytest.FixtureRequest, empty_warehouse: Callable[[str], Warehouse]) -> Warehouse:
    """An empty warehouse of each engine. `make test` takes DuckDB: `test_random_channels` compares the engines."""
    return empty_warehouse(request.param)

"""An empty warehouse on each engine."""

from collections.abc import Callable

import pytest

from zoho_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, empty_warehouse: Callable[[str], Warehouse]) -> Warehouse:
    """An empty warehouse of each engine."""
    return empty_warehouse(request.param)

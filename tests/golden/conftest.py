"""The fixtures of the golden tests: empty warehouses, and one transform per raw world and engine."""

from collections.abc import Callable, Mapping
from uuid import uuid4

import pytest

from scripts.production import make_database
from tests.golden.facts.text_tables import Marts, build
from tests.params import choice
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

Builder = Callable[[str, Mapping[str, str], str | None], Marts]


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Callable[[str], Warehouse]:
    """`empty_warehouse(engine)` → a new, empty warehouse."""

    def make(engine: str) -> Warehouse:
        home = tmp_path_factory.mktemp("home")
        url = f"duckdb:///{home}/warehouse.duckdb"
        if engine == "postgres":
            url = make_database(postgres_server, f"golden_{uuid4().hex[:12]}")
        return open_warehouse(Settings(home=home, warehouse_url=url, registry_url=""))

    return make


@pytest.fixture(scope="session")
def build_marts(empty_warehouse: Callable[[str], Warehouse]) -> Builder:
    """`build_marts(engine, raw, as_of)` → the marts of a raw world. It builds the same world once only."""
    # The world is kept beside its marts, so that its id is not used again.
    known: dict[tuple[str, int, str | None], tuple[Mapping[str, str], Marts]] = {}

    def once(engine: str, raw: Mapping[str, str], as_of: str | None = None) -> Marts:
        key = (engine, id(raw), as_of)
        if key not in known:
            known[key] = raw, build(empty_warehouse(engine), raw, as_of)
        return known[key][1]

    return once


@pytest.fixture(scope="module", params=choice(["duckdb", "postgres"], ["duckdb"]))
def fact_marts(request: pytest.FixtureRequest, build_marts: Builder) -> Marts:
    """The marts of the module's `RAW` on each engine. `make test` takes DuckDB: `test_engines` compares the engines."""
    return build_marts(request.param, request.module.RAW, None)

"""One transform per world and engine, shared by the tests of a module."""

from collections.abc import Callable, Mapping
from uuid import uuid4

import pytest

from scripts.production import make_database
from tests.golden.facts.tables import Marts, build
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

Builder = Callable[[str, Mapping[str, str], str | None], Marts]


@pytest.fixture(scope="session")
def empty_warehouse(tmp_path_factory: pytest.TempPathFactory, postgres_server: str) -> Callable[[str], Warehouse]:
    """`empty_warehouse(engine)` → a new one."""

    def make(engine: str) -> Warehouse:
        home = tmp_path_factory.mktemp("home")
        url = f"duckdb:///{home}/warehouse.duckdb"
        if engine == "postgres":
            url = make_database(postgres_server, f"facts_{uuid4().hex[:12]}")
        return open_warehouse(Settings(home=home, warehouse_url=url, registry_url=""))

    return make


@pytest.fixture(scope="session")
def built(empty_warehouse: Callable[[str], Warehouse]) -> Builder:
    """`built(engine, raw, as_of)` → the marts of a world; the same world is built once."""
    known: dict[tuple[str, int, str | None], tuple[Mapping[str, str], Marts]] = {}  # the world too: its id stays taken

    def once(engine: str, raw: Mapping[str, str], as_of: str | None = None) -> Marts:
        key = (engine, id(raw), as_of)
        if key not in known:
            known[key] = raw, build(empty_warehouse(engine), raw, as_of)
        return known[key][1]

    return once


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def marts(request: pytest.FixtureRequest, built: Builder) -> Marts:
    """The marts of the module's `RAW`, on each engine."""
    return built(request.param, request.module.RAW, None)

"""A registry and published marts of the world with marks, and a desk on them."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.agents.world import AS_OF, NAMES, Marks, publish
from tests.channels.conftest import CONNECTION
from tests.registries import new_registry
from tests.web.world import put
from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.agents.desk import Desk
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.model import ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.warehouse.warehouse import open_warehouse

AGENT = Caller("key:test", "acme-inc")


@dataclass(frozen=True)
class Lab:
    """A desk, and what it reads and writes. Its clock goes on by a second at each look, so that no limit is met."""

    settings: Settings
    registry: Registry
    desk: Desk
    marks: Marks

    def audit(self) -> list[dict[str, object]]:
        return Audit(self.registry.database).rows()


def connect(registry: Registry) -> None:
    """The channels of the world in a registry."""
    for name in NAMES:
        org = replace(CONNECTION, org_id=f"org of {name}", user_id=f"user of {name}", user_name="Zqxv admin")
        tenant = "foreign-inc" if name == "foreign" else "acme-inc"
        registry.add(name, Secret(f"1000.{name}"), org, tenant=tenant)
        if name != "never":
            registry.record_syncs(name, [ModuleSync("Leads", AS_OF, "complete", 150, 12.0, not_after=AS_OF)])


@pytest.fixture(scope="session")
def marked_world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Marks]:
    """The published file of the world, and its marks."""
    marks = Marks()
    return publish(tmp_path_factory.mktemp("agents"), marks), marks


@pytest.fixture(scope="session")
def lab(marked_world: tuple[Path, Marks], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A desk on the world."""
    published, marks = marked_world
    home = tmp_path_factory.mktemp("lab") / "home"
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(home)}, dotenv=home / "no.env")
    registry = new_registry(settings)
    connect(registry)
    put(published, home)
    pool = open_warehouse(settings).published_pool()
    seconds = itertools.count()
    yield Lab(settings, registry, Desk(lambda: registry, lambda: pool, lambda: float(next(seconds))), marks)
    pool.close()


@pytest.fixture
def desk_with() -> Callable[..., Desk]:
    """`desk_with(lab, clock=…)`: another desk on the same world."""

    def build(lab: Lab, clock: Callable[[], float]) -> Desk:
        pool = open_warehouse(lab.settings).published_pool()
        return Desk(lambda: lab.registry, lambda: pool, clock)

    return build

"""What happens to the channels of a batch while it runs: each keeps its own results, and every credit counts once."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from tests.ingest.conftest import SyncBench
from tests.ingest.sync.test_side_by_side import assert_true, connect, sync_all
from tests.params import choice
from zoho_pipeline.channels.errors import RegistryError, UnknownChannel
from zoho_pipeline.ingest.report import Silent, SyncReport

BESIDE_MODULES = 3
"""Calls of a first sync that are no module's: the user, the org, the list of modules."""

NAMES = ["calm", "paused", "removed", "damaged"]

pytestmark = pytest.mark.parametrize("warehouse_env", choice(["sqlite", "server"], ["sqlite"]), indirect=True)


@pytest.fixture
def warehouse_env(request: pytest.FixtureRequest) -> dict[str, str]:
    """The registry in its file, or on a server; the warehouse is DuckDB."""
    if request.param == "server":
        return {"ZOHO_PIPELINE_REGISTRY": request.getfixturevalue("postgres_url")}
    return {}


class Once(Silent):
    """Does something when the leads were read."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def finish(self, module: str) -> None:
        if module == "Leads":
            self._act()


def counted(bench: SyncBench, name: str) -> float:
    """The credits of this channel in the registry, whatever its state."""
    with bench.registry.database.read() as connection:
        sql = text("select coalesce(sum(credits), 0) from registry_credits where channel_id = :name")
        return float(connection.execute(sql, {"name": name}).scalar_one())


def damage(bench: SyncBench, name: str) -> None:
    with bench.registry.database.write() as connection:
        sql = text("update registry_channels set scopes = 'not JSON' where channel_id = :name")
        connection.execute(sql, {"name": name})


def test_channels_that_change_in_a_batch_cost_the_others_nothing(bench: SyncBench) -> None:
    for name in NAMES:
        connect(bench, name, 3)
    before = {name: counted(bench, name) for name in NAMES}
    acts: dict[str, Callable[[], object]] = {
        "paused": lambda: bench.registry.pause("paused"),
        "removed": lambda: bench.registry.remove("removed"),
        "damaged": lambda: damage(bench, "damaged"),
    }
    found = sync_all(bench, NAMES, progress=lambda name: Once(acts[name]) if name in acts else None)
    spent = {name: counted(bench, name) - before[name] for name in NAMES if name != "removed"}
    for name in ("calm", "paused"):
        report = found[name]
        assert isinstance(report, SyncReport), report
        assert report.complete
        assert_true(bench, name)
        assert spent[name] == sum(part.credits for part in report.modules) + BESIDE_MODULES
    assert bench.registry.get("paused").status == "paused"
    assert isinstance(found["removed"], UnknownChannel)
    assert counted(bench, "removed") == 0
    assert isinstance(found["damaged"], RegistryError)
    assert spent["damaged"] == spent["calm"], "the registry did not store its ending, and Zoho counts its calls"

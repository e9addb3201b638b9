"""Fixtures of the tests of `ingest`: a channel on the simulator is synced over real HTTP into a real warehouse."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.registries import new_registry
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.chosen_modules import MODULE_RECORDS
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.report import ReconcileReport, SyncReport
from zoho_pipeline.ingest.sync.run import reconcile_channel, sync_channel
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse
from zoho_pipeline.zoho.connection.pacing import Pacing

CLIENT, CLIENT_SECRET = "1000.TESTCLIENT", "test-client-secret-0123456789"
PLAIN_SCOPES = "ZohoCRM.modules.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.settings.ALL"
ALL_SCOPES = f"{PLAIN_SCOPES},ZohoCRM.coql.READ,ZohoCRM.bulk.READ"
QUICK = SyncLimits(pacing=Pacing(backoff_first=0.001, backoff_most=0.001, job_first_wait=0.001))
"""The limits of the product, without its waits."""


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@dataclass
class SyncBench:
    """Everything a test of a sync needs."""

    sim: Simulator
    org: Org
    settings: Settings
    registry: Registry
    warehouse: Warehouse
    channel_id: str = "acme"
    limits: SyncLimits = QUICK

    def sync(self, *modules: str, **options: Any) -> SyncReport:
        opened = (self.settings, self.registry, self.warehouse)
        return sync_channel(*opened, self.channel_id, modules=modules or None, limits=self.limits, **options)

    def reconcile(self, *modules: str) -> ReconcileReport:
        opened = (self.settings, self.registry, self.warehouse)
        return reconcile_channel(*opened, self.channel_id, modules=modules or None, limits=self.limits)

    def limit(self, **values: Any) -> None:
        """Give the next syncs other limits, by the names of `SyncLimits`."""
        self.limits = replace(self.limits, **values)

    def rows(self, sql: str, *params: Any) -> list[dict[str, Any]]:
        with self.warehouse.connect() as connection:
            return connection.rows(sql, params)

    def live(self, table: str, module: str) -> dict[str, dict[str, Any]]:
        """Return the rows of a raw table that are not deleted, by id."""
        sql = (
            f"select t.* from zoho_raw.{table} t left join zoho_raw.deleted_records d on d.channel_id = t.channel_id"
            " and d.module = ? and d.id = t.id and d.restored_at is null where t.channel_id = ? and d.id is null"
        )
        if table == MODULE_RECORDS.name:
            return {row["id"]: row for row in self.rows(f"{sql} and t.module = ?", module, self.channel_id, module)}
        return {row["id"]: row for row in self.rows(sql, module, self.channel_id)}

    def choose(self, **modules: str) -> None:
        """Let the channel read these modules beyond the catalogue: `choose(Webinars=FLAT)`."""
        self.registry.store_settings(self.channel_id, chosen_modules=modules)

    def connect(self, scopes: str = PLAIN_SCOPES, user: Any = None, channel_id: str = "acme") -> None:
        token = self.org.grant(CLIENT, CLIENT_SECRET, scopes, user)
        again = channel_id != "acme"  # a second channel of the same org
        register_from_refresh_token(self.registry, channel_id, Secret(token), data_center="sim", again=again)


@pytest.fixture(params=["duckdb"])
def warehouse_env(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "postgres":
        return {"ZOHO_PIPELINE_WAREHOUSE": request.getfixturevalue("postgres_url")}
    return {}


@pytest.fixture(scope="session")
def raw_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DuckDB file with all raw tables. It is made once, because that takes two seconds."""
    home = tmp_path_factory.mktemp("template") / "home"
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(home)})
    before = os.umask(0o077)
    settings.ensure_home()
    warehouse = open_warehouse(settings)
    Loader(settings, warehouse, "template", purpose="setup").ensure_tables()
    os.umask(before)
    assert isinstance(warehouse, DuckDBWarehouse)
    return warehouse.path


@pytest.fixture
def bench(
    simulator: Simulator,
    settings_env: Callable[..., dict[str, str]],
    warehouse_env: dict[str, str],
    raw_tables: Path,
) -> SyncBench:
    """A connected channel of an empty org."""
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{simulator.url}"}}', **warehouse_env)
    settings = load_settings(env)
    settings.ensure_home()
    org = simulator.add_org(name="Acme")
    made = SyncBench(simulator, org, settings, new_registry(settings), open_warehouse(settings))
    if isinstance(made.warehouse, DuckDBWarehouse):
        shutil.copy(raw_tables, made.warehouse.path)
    made.connect()
    return made

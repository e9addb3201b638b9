"""Fixtures of the tests of the worker: connected orgs on the simulator, quick limits, a listener for deliveries."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.conftest import ALL_SCOPES, CLIENT, CLIENT_SECRET, QUICK
from tests.ingest.conftest import raw_tables as raw_tables
from tests.registries import new_registry
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse
from zoho_pipeline.worker.limits import WorkerLimits
from zoho_pipeline.worker.worker import Worker

QUICK_WORK = WorkerLimits(pulse_seconds=0.1, poll_seconds=0.1, between_publications=0.0)
SERVICE = ServiceSettings(webhook_retries=(0.0, 0.0))


@dataclass
class Place:
    """An installation with channels on the simulator."""

    sim: Simulator
    settings: Settings
    registry: Registry
    warehouse: Warehouse
    orgs: dict[str, Org] = field(default_factory=dict)

    def connect(self, channel_id: str, leads: int = 3, tenant: str | None = None) -> Org:
        org = self.orgs[channel_id] = self.sim.add_org(name=channel_id)
        if leads:
            org.insert_many("Leads", [{"Last_Name": f"{channel_id} {n}", "Company": "Co"} for n in range(leads)])
        token = org.grant(CLIENT, CLIENT_SECRET, ALL_SCOPES, None)
        register_from_refresh_token(self.registry, channel_id, Secret(token), data_center="sim", tenant=tenant)
        return org

    def worker(self, limits: WorkerLimits = QUICK_WORK, service: ServiceSettings = SERVICE) -> Worker:
        return Worker(self.settings, service, limits=limits, sync_limits=QUICK)

    def published(self, sql: str) -> list[dict[str, Any]]:
        with self.warehouse.published() as connection:
            assert connection is not None
            return connection.rows(sql)


@pytest.fixture(params=["sqlite"])
def registry_env(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    url = request.getfixturevalue("postgres_registry_url")
    warehouse = {"ZOHO_PIPELINE_WAREHOUSE": url} if request.param == "all on postgres" else {}
    return {"ZOHO_PIPELINE_REGISTRY": url, **warehouse}


@pytest.fixture
def place(
    simulator: Simulator,
    settings_env: Callable[..., dict[str, str]],
    registry_env: dict[str, str],
    raw_tables: Path,
) -> Place:
    settings = load_settings(settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{simulator.url}"}}', **registry_env))
    settings.ensure_home()
    made = Place(simulator, settings, new_registry(settings), open_warehouse(settings))
    if isinstance(made.warehouse, DuckDBWarehouse):
        shutil.copy(raw_tables, made.warehouse.path)
    return made


@dataclass
class Received:
    """One request that the listener got."""

    path: str
    headers: dict[str, str]
    body: str


class Listener:
    """A real HTTP server on loopback that answers as a test says.

    `answers` holds the next statuses; when it is empty, `status` is answered. A status is a number, or a callable that
    gets the handler and answers itself.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[Any] = []
        self.status: Any = 204
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                headers = {name.lower(): value for name, value in self.headers.items()}
                listener.received.append(Received(self.path, headers, body))
                answer = listener.answers.pop(0) if listener.answers else listener.status
                if callable(answer):
                    answer(self)
                    return
                self.send_response(answer)
                if answer in (301, 302, 307):
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    try:
        yield made
    finally:
        made.close()


def wait_for(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until `what()` is true, and return it. A machine under load may take long; nothing depends on how long."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found

"""Tests are hermetic: no settings of the machine reach them, no packet leaves loopback, a warning is an error.

The simulator is the outside world, over real HTTP. Postgres is a real server that is started once per session.
"""

import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings

# a deadline is a timed assertion: on a busy machine it fails for no reason
hypothesis_settings.register_profile("without deadlines", deadline=None)
hypothesis_settings.load_profile("without deadlines")

BEGIN_FIRST = (
    "tests/web/test_platform_guide.py",
    "tests/web/pages/test_long_open_page.py",
    "tests/agents/test_docs.py",
    "tests/flows/test_demo.py",
)
"""Tests that wait for half a minute and more. One that begins last would hold up the end of the whole run."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(BEGIN_FIRST))


SCRUBBED = ("ZOHO_", "DLT_", "DAGSTER_", "RUNTIME__", "DESTINATION__", "SOURCES__")


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the settings of the machine away from a test. The working folder has no `.env`."""
    for name in list(os.environ):
        if name.startswith(SCRUBBED):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))


@pytest.fixture(autouse=True)
def _umask_restored() -> Iterator[None]:
    """Restore the umask of the process, with which a command keeps HOME private."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves this machine, and name its address."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
                raise RuntimeError(f"a test tried to reach {host}: only loopback is allowed")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The path of an empty folder for ZOHO_PIPELINE_HOME. The pipeline creates the folder."""
    return tmp_path / "home"


@pytest.fixture
def settings_env(home: Path) -> Callable[..., dict[str, str]]:
    """`settings_env(**extra)` → an environment for `load_settings`: HOME, a client, no waiting lag."""

    def build(**extra: str) -> dict[str, str]:
        return {
            "ZOHO_PIPELINE_HOME": str(home),
            "ZOHO_CLIENT_ID": "1000.TESTCLIENT",
            "ZOHO_CLIENT_SECRET": "test-client-secret-0123456789",
            "ZOHO_PIPELINE_SYNC_LAG": "0",
            **extra,
        }

    return build


@pytest.fixture
def simulator() -> Iterator[Any]:
    """A new simulator on its own loopback port."""
    from zoho_pipeline.simulator import Simulator

    with Simulator.start(port=0) as started:
        yield started


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a real Postgres on 127.0.0.1, from a wheel that contains the server: one per test process."""
    from tests.postgres import running_postgres

    with running_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty database for one test: `postgresql://…`."""
    from tests.postgres import new_database

    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> Iterator[str]:
    """The name of a database with the tables of the registry and without a channel."""
    from tests.postgres import new_database
    from tests.registries import migrate_into

    with new_database(postgres_server) as url:
        migrate_into(url)
        yield url.rsplit("/", 1)[1]


@pytest.fixture
def postgres_registry_url(postgres_server: str, migrated_postgres: str) -> Iterator[str]:
    """The URL of a database for one test, whose registry has its tables and no channel."""
    from tests.postgres import new_database

    with new_database(postgres_server, migrated_postgres) as url:
        yield url

"""A registry for a test, whose tables were made before.

To make the tables takes 0.12 s of CPU and more on Postgres, and some 3,000 tests begin with an empty registry. So the
migrations run once per process, and each test gets a copy of what they made. `tests/channels/database` tests the
migrations themselves.
"""

import atexit
import shutil
import sqlite3
import tempfile
from contextlib import closing
from functools import cache
from pathlib import Path

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Settings, load_settings


def new_registry(settings: Settings) -> Registry:
    """The registry of these settings, in HOME where it is a file that does not exist yet."""
    path = settings.home / "registry.sqlite"
    if settings.registry_url.startswith("sqlite") and not path.exists():
        settings.ensure_home()
        shutil.copyfile(_file(), path)
        path.chmod(0o600)
    return Registry(settings)


@cache
def _file() -> Path:
    """A registry file without a channel, whose tables are those of this release."""
    folder = Path(tempfile.mkdtemp(prefix="zoho-pipeline-registry-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings = load_settings({"ZOHO_PIPELINE_HOME": str(folder / "home")}, dotenv=folder / "no.env")
    Registry(settings)
    with closing(sqlite3.connect(settings.home / "registry.sqlite")) as connection:
        connection.execute("vacuum into ?", (str(folder / "copy.sqlite"),))
    return folder / "copy.sqlite"


def migrate_into(url: str) -> None:
    """Make the registry's tables in a Postgres database."""
    with tempfile.TemporaryDirectory(prefix="zoho-pipeline-registry-") as home:
        Registry(
            load_settings({"ZOHO_PIPELINE_HOME": home, "ZOHO_PIPELINE_REGISTRY": url}, dotenv=Path(home) / "no.env")
        )

"""The registry's shape: brought up to date whenever it is opened, by one process at a time."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.locks import LockTimeout, exclusive
from zoho_pipeline.channels.errors import RegistryError

HEAD = "0002"
"""The newest revision in `migrations/versions`, known here so that an up-to-date registry needs no alembic."""

VERSION_TABLE = "registry_version"
WAIT_SECONDS = 60.0


def migrate(database: Database) -> bool:
    """Bring the registry to HEAD; True if there was something to do.

    The look comes before the lock (nearly always there is nothing to do) and again inside it; all steps
    and the version are one transaction.

    Raises:
        RegistryError: the registry was written by a newer release, or cannot be written.
    """
    if _version(database) == HEAD:
        return False
    try:
        with exclusive(database, "registry migration", WAIT_SECONDS), database.write() as connection:
            database.one_at_a_time(connection, "registry migration")  # the lock outside may be lost, this one cannot
            if _version_in(connection) == HEAD:
                return False
            _upgrade(connection, database.shown)
    except LockTimeout:
        raise RegistryError(
            f"the channel registry at {database.shown} is being brought up to date by another process, which did not "
            f"finish within {WAIT_SECONDS:g} s. Try again."
        ) from None
    return True


def _version(database: Database) -> str | None:
    with database.read() as connection:
        return _version_in(connection)


def _version_in(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"select version_num from {VERSION_TABLE}"))  # noqa: S608
    return found


def _upgrade(connection: Connection, shown: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise RegistryError(
            f"the channel registry at {shown} has a shape this release does not know ({error}). Install the release "
            "that wrote it, or a newer one."
        ) from error

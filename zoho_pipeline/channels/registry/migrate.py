"""Migration of the registry's tables: each process that opens the registry runs it, one process at a time."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.locks import LockTimeout, exclusive
from zoho_pipeline.channels.errors import RegistryError

HEAD = "0007"
"""The newest revision in `migrations/versions`. It stands here so that an up-to-date registry needs no alembic."""

VERSION_TABLE = "registry_version"
WAIT_SECONDS = 60.0


def migrate(database: Database) -> bool:
    """Bring the registry to HEAD; True if it was older.

    The version is read before the lock, because it is nearly always HEAD, and again inside it. All steps and the
    version are one transaction.

    Raises:
        RegistryError: a newer release wrote the registry, or it cannot be written.
    """
    if _version(database) == HEAD:
        return False
    try:
        with exclusive(database, "registry migration", WAIT_SECONDS), database.write() as connection:
            database.one_at_a_time(connection, "registry migration")  # the outer lock can be lost, this one cannot
            if _version_in(connection) == HEAD:
                return False
            _upgrade(connection, database.shown)
    except LockTimeout:
        raise RegistryError(
            f"another process is updating the channel registry at {database.shown} and did not finish within "
            f"{WAIT_SECONDS:g} s. Try again."
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
            f"this release does not know the tables of the channel registry at {shown} ({error}). Install the release "
            "that wrote them, or a newer one."
        ) from error

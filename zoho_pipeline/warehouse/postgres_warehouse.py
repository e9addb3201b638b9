"""A warehouse in a Postgres database: channels load side by side, and people read the marts in place."""

import getpass
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, quote_plus

import psycopg2

from zoho_pipeline import stopping
from zoho_pipeline.setting_checks import NOT_POSTGRES, postgres_url
from zoho_pipeline.settings import Secret
from zoho_pipeline.warehouse.connection import (
    LOCK_SECONDS,
    MARTS_SCHEMA,
    RAW_SCHEMA,
    Connection,
    DamagedFile,
    Dialect,
    UnknownWarehouse,
    WarehouseError,
)
from zoho_pipeline.warehouse.postgres_connection import PostgresConnection
from zoho_pipeline.warehouse.postgres_published import PostgresPublished

if TYPE_CHECKING:
    from dlt.common.destination import Destination

_TABLES_LOCK = 7_046_029_254_386_353_131
"""The number of an advisory lock, chosen at random."""
_LONG = 4
"""A password of so many characters is hidden wherever it is, and a shorter one where a connection is written."""
WAREHOUSE = "ZOHO_PIPELINE_WAREHOUSE"


class PostgresWarehouse:
    """`postgresql://…`. The methods are those of the protocol `Warehouse`.

    Args:
        url: the URL without its password.
        dsn: the URL with its password.
        sql_role: the role that queries of people take on; None: the user of the URL.
        setting: the setting that has the URL, for messages. The database of another one than the warehouse has a copy.
    """

    dialect: ClassVar[Dialect] = "postgres"
    publishing_copies: ClassVar[bool] = False

    def __init__(self, url: str, dsn: Secret, sql_role: str | None = None, setting: str = WAREHOUSE) -> None:
        self.url, self._dsn, self._sql_role, self._setting = url, dsn, sql_role, setting

    @classmethod
    def from_url(cls, url: str, sql_role: str | None = None, setting: str = WAREHOUSE) -> "PostgresWarehouse":
        """The warehouse of a libpq URL; a driver's name in the scheme (`postgresql+psycopg2`) is ignored.

        Raises:
            UnknownWarehouse: the URL cannot be read; the message names the setting.
        """
        found = postgres_url(url)
        if found is None:
            raise UnknownWarehouse(f"{setting} {NOT_POSTGRES}")
        return cls(found[1], Secret(found[0]), sql_role, setting)

    def __repr__(self) -> str:
        return f"PostgresWarehouse({self.url})"

    @property
    def takes_parquet(self) -> bool:
        # dlt hands ADBC a URL with bare spaces, which libpq refuses: with a space in the user, the password or an
        # option, rows go into Postgres as SQL, about ten times slower.
        return not any(" " in value for value in self._parsed().values())

    def destination(self, channel_id: str | None = None) -> "Destination[Any, Any]":
        from dlt.destinations import postgres as dlt_postgres
        from dlt.destinations.impl.postgres.configuration import PostgresCredentials

        credentials = PostgresCredentials()
        for name, value in self._dlt_parts().items():
            setattr(credentials, name, value)
        credentials.session_timezone = "UTC"
        made = dlt_postgres(credentials=credentials)
        if channel_id is not None:
            suffix = self.staging_schema(channel_id).removeprefix(RAW_SCHEMA)
            made.config_params["staging_dataset_name_layout"] = f"%s{suffix}"
        return made

    def kept_open(self) -> AbstractContextManager[None]:
        return nullcontext()  # the server takes any number of sessions

    @contextmanager
    def lend(
        self,
        destination: "Destination[Any, Any]",  # noqa: ARG002
        *,
        limit_memory: bool = True,  # noqa: ARG002
    ) -> Iterator[Connection | None]:
        # dlt opens its own sessions. Here an unreachable server gives one line instead of the traceback of a step
        with self.connect():
            pass
        yield None

    @contextmanager
    def connect(
        self,
        read_only: bool = True,
        timeout: float = LOCK_SECONDS,  # noqa: ARG002
    ) -> Iterator[PostgresConnection]:
        try:
            raw = psycopg2.connect(self._dsn.reveal(), connect_timeout=15, application_name="zoho-pipeline")
        except psycopg2.Error as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            raise WarehouseError(
                f"cannot connect to {self.url}: {reason}. Check {self._setting} and that the server runs."
            ) from None
        try:
            raw.set_session(readonly=read_only)
            connection = PostgresConnection(raw, "warehouse" if self._setting == WAREHOUSE else "copy of the marts")
            connection.execute("set timezone to 'UTC'")
            connection.commit()
            with stopping.interruptible(connection.interrupt):
                yield connection
            connection.commit()
        finally:
            raw.close()  # rolls back what was not committed

    @contextmanager
    def published(self) -> Iterator[Connection | None]:
        with self.connect(read_only=True) as connection:
            # one publication for the whole block, as on DuckDB: else two tables of a page can be of two publications
            connection.execute("set transaction isolation level repeatable read")
            if not connection.has_tables(MARTS_SCHEMA):
                yield None
                return
            connection.execute(f"set search_path to {MARTS_SCHEMA}")
            with connection.naming_grants():
                yield connection

    def published_pool(self) -> PostgresPublished:
        return PostgresPublished(self._dsn, self.url)

    @contextmanager
    def query_place(self, raw: bool) -> Iterator[dict[str, Any] | None]:
        schema = RAW_SCHEMA if raw else MARTS_SCHEMA
        with self.connect(read_only=True) as connection:
            exists = connection.has_tables(schema, self._sql_role)
        dsn = self._dsn.reveal()
        yield {"engine": "postgres", "dsn": dsn, "schema": schema, "role": self._sql_role} if exists else None

    @contextmanager
    def creating_tables(self) -> Iterator[None]:
        # two first syncs may run together, and `create … if not exists` in two sessions can still conflict
        with self.connect(read_only=False) as connection:
            connection.execute(f"select pg_advisory_xact_lock({_TABLES_LOCK})")
            yield

    def index_keys(self, keys: Mapping[str, Sequence[str]]) -> None:
        # dlt's merge looks rows up by key: without an index each step would scan the table
        with self.connect(read_only=False) as connection:
            for table, columns in keys.items():
                connection.execute(
                    f"create unique index if not exists {table}_key on {RAW_SCHEMA}.{table} ({', '.join(columns)})"
                )

    def staging_schema(self, channel_id: str) -> str:
        # Two channels that load side by side would truncate each other's staged rows: each has its own schema.
        # The name stays within Postgres's 63 characters, and the hash keeps two channels apart.
        plain = re.sub(r"[^a-z0-9]+", "_", channel_id.lower())[:24]
        return f"{RAW_SCHEMA}_staging_{plain}_{hashlib.sha256(channel_id.encode()).hexdigest()[:8]}"

    def drop_staging(self, connection: Connection, channel_id: str) -> None:
        connection.execute(f"drop schema if exists {self.staging_schema(channel_id)} cascade")

    def erase_deleted(self) -> None:
        """Nothing: the server's own VACUUM frees deleted rows, and its files are not ours (docs/security.md)."""

    def hide(self, text: str) -> str:
        secret = self._parsed().get("password")
        for written in {secret, quote(secret, safe=""), quote(secret, safe=" +"), quote_plus(secret)} if secret else ():
            # a password that is also the user, the host or a part of "postgresql" would be told by what is missing
            if len(secret or "") >= _LONG and written not in self.url:
                text = text.replace(written, "***")
            else:  # letters that are missing everywhere would tell it
                text = re.sub(rf"(:|password='?){re.escape(written)}(?=[@&'\s]|$)", r"\1***", text)
        return text

    def damage(self, message: str) -> DamagedFile | None:  # noqa: ARG002
        return None  # the server looks after its files

    def _parsed(self) -> dict[str, str]:
        return dict(psycopg2.extensions.parse_dsn(self._dsn.reveal()))

    def _dlt_parts(self) -> dict[str, Any]:
        """The fields of dlt's credentials; options of libpq are in `query`."""
        parts: dict[str, Any] = self._parsed()
        user = parts.pop("user", None) or getpass.getuser()
        host, port = parts.get("host") or "/", parts.get("port") or "5432"
        if host.startswith("/") or "," in host + port:  # a folder of a socket, or several hosts
            # what dlt has no place for goes into the query, which libpq reads last
            parts |= {"host": "/var/run/postgresql" if host == "/" else host, "port": port}
            host, port = "localhost", "5432"
        else:
            parts = {name: value for name, value in parts.items() if name not in ("host", "port")}
        known: dict[str, Any] = {"host": host, "port": int(port), "username": user}
        # dlt asks for a password even where the server trusts the socket
        known |= {"database": parts.pop("dbname", user), "password": parts.pop("password", "")}
        return known | {"query": parts}

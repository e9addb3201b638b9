"""Dagster's SQLite event log, with its connections kept open.

The one it ships with makes an engine and a connection for each event, twice: 12 ms of CPU. A batch of 100
channels writes 1,500 events, three times what the start of its process costs; so kept, an event costs 4 ms.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

KEPT = 4  # databases at once: the index and the newest runs; a webserver looks at hundreds of runs
BUSY_SECONDS = 60.0


class EmbeddedEventLog(SqliteEventLogStorage):
    """The event log of the embedded instance: a database a run, and an index over all."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._columns: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "EmbeddedEventLog":
        return cls(inst_data=inst_data, base_dir=config_value["base_dir"])

    @contextmanager
    def _connect(self, shard: str) -> "Iterator[Connection]":
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _has_asset_key_col_on_connection(self, conn: "Connection", column_name: str) -> bool:
        """Looked up once; a column that is there stays there."""
        if column_name not in self._columns and super()._has_asset_key_col_on_connection(conn, column_name):
            self._columns.add(column_name)
        return column_name in self._columns

    def _engine(self, shard: str) -> "Engine":
        if shard not in self._engines:
            self._engines[shard] = _made(self.conn_string_for_shard(shard))
            if len(self._engines) > KEPT:
                self._engines.popitem(last=False)[1].dispose()
        self._engines.move_to_end(shard)
        return self._engines[shard]

    def dispose(self) -> None:
        super().dispose()
        for engine in self._engines.values():
            engine.dispose()


def _made(url: str) -> "Engine":
    from sqlalchemy import create_engine
    from sqlalchemy.pool import QueuePool

    # used by one thread at a time: under the lock of the log
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    return create_engine(url, poolclass=QueuePool, pool_size=1, connect_args=arguments)

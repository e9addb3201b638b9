"""Tables of the published DuckDB file that hold rows of marts once more, in a form that readers find quickly."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from zlib import crc32

from zoho_pipeline.warehouse.connection import STATE_SCHEMA, Connection, SqlError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReaderTable:
    """A table of STATE_SCHEMA in the published file that holds rows of marts once more, per channel.

    Attributes:
        marts: what the SELECT reads.
        select: a condition on the channels, and the shape → DuckDB's SELECT, with the columns `channel_id` and `shape`.
        shape: the value of the column `shape`. It differs when another version stores other rows, so that nobody reads
            the rows that another version stored.
    """

    name: str
    marts: frozenset[str]
    select: Callable[[str, str], str]
    shape: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", f"{crc32(self.select('true', '').encode()):08x}")

    def store(self, connection: Connection, catalog: str, marts: Collection[str], changed: str, gone: str) -> None:
        """Replace the rows of the channels that a run changes, or of all channels if there are none of this shape.

        The table is made again where its columns are not those of the SELECT. Where a mart is missing or of an older
        version, the table is empty: then readers read the marts themselves.

        Args:
            connection: a session in DuckDB's memory.
            catalog: the attached file with the new marts.
            marts: the marts that are published after the run.
            changed: a condition on the channels whose rows the run changes.
            gone: a condition on the channels that were removed.
        """
        stored = f"{catalog}.{STATE_SCHEMA}.{self.name}"
        connection.execute(f"use {catalog}.main")  # the marts are named by their schema
        try:
            everything = self.select("true", self.shape)
            columns = _described(connection, everything) if self.marts <= set(marts) else None
            if columns is None:
                connection.execute(f"create table if not exists {stored} (channel_id varchar, shape varchar)")
                connection.execute(f"delete from {stored}")  # noqa: S608
                return
            if _described(connection, stored) != columns:
                connection.execute(f"create or replace table {stored} as {everything}")
                return
            current = connection.fetch(f"select 1 from {stored} where shape = ? limit 1", (self.shape,))[1]  # noqa: S608
            of = changed if current else "true"
            for stale in (of, gone):
                connection.execute(f"delete from {stored} where {stale}")  # noqa: S608
            connection.execute(f"insert into {stored} {self.select(of, self.shape)}")
        finally:
            connection.execute("use memory.main")


def _described(connection: Connection, relation: str) -> list[tuple[object, ...]] | None:
    """Names and types of the columns of a table or a SELECT. None: a table or a column that it names does not exist."""
    try:
        return [tuple(column[:2]) for column in connection.fetch(f"describe {relation}")[1]]
    except SqlError as error:
        if error.kind not in ("BinderException", "CatalogException"):
            raise
        log.debug("no such table or column yet, which a first publication expects: %s", error)
        return None

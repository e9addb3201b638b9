"""Packs the rows that pages show, in the draft of a published DuckDB file."""

import logging
from collections.abc import Collection

from zoho_pipeline.transform import channel_pages
from zoho_pipeline.transform.run.engine import Publication
from zoho_pipeline.transform.run.publish import GONE, MINE
from zoho_pipeline.warehouse.connection import STATE_SCHEMA, Connection, SqlError

log = logging.getLogger(__name__)

_TABLE = f"draft.{STATE_SCHEMA}.{channel_pages.TABLE}"


def pack_pages(connection: Connection, publication: Publication, marts: Collection[str]) -> None:
    """Make the packed rows of the channels that the run publishes, or of all channels if there are none of this shape.

    Where a mart is missing or of an older version, there are no packed rows: then pages read the marts themselves.

    Args:
        connection: its `draft` has the new marts.
        marts: their names.
    """
    connection.execute(f"create table if not exists {_TABLE} ({channel_pages.COLUMNS})")
    if not set(marts) >= channel_pages.MARTS:
        connection.execute(f"delete from {_TABLE}")  # noqa: S608
        return
    current = f"select count(*) from {_TABLE} where shape = ?"  # noqa: S608
    of = MINE if connection.fetch(current, (channel_pages.SHAPE,))[1][0][0] else "true"
    connection.execute(f"delete from {_TABLE} where {of}")  # noqa: S608
    if publication.removed:
        connection.execute(f"delete from {_TABLE} where {GONE}")  # noqa: S608
    connection.execute("use draft.main")  # the marts are named by their schema
    try:
        connection.execute(f"insert into {_TABLE} {channel_pages.pack(of, channel_pages.SHAPE)}")
    except SqlError as error:
        if error.kind != "BinderException":
            raise
        log.info("pages read the marts themselves, because a mart is of an older version: %s", error)
        connection.execute(f"delete from {_TABLE}")  # noqa: S608
    finally:
        connection.execute("use memory.main")

"""The published marts: what people, pages and BI tools read, while the pipeline works undisturbed."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.warehouse import MARTS_SCHEMA, Connection, Warehouse, closing_duckdb

NOT_PUBLISHED = "there are no marts yet. Run `zoho-pipeline sync`, then `zoho-pipeline transform`."


@contextmanager
def connect(warehouse: Warehouse) -> Iterator[Connection]:
    """A read-only connection to the published marts; their names need no schema.

    On DuckDB it reads the file as it was published last when opened, whatever is published meanwhile,
    and can reach no other file. NotPublished: no transform has run yet.
    """
    if warehouse.published_path is None:
        with warehouse.connect(read_only=True) as connection:
            if not connection.tables(MARTS_SCHEMA):
                raise NotPublished(NOT_PUBLISHED)
            connection.execute(f"set search_path to {MARTS_SCHEMA}")
            yield connection
        return
    if not warehouse.published_path.exists():
        raise NotPublished(NOT_PUBLISHED)
    # Attached to a fresh instance: two openings of one path in one process would share the older file.
    raw = duckdb.connect(":memory:")
    with closing_duckdb(raw) as connection:
        raw.execute("set TimeZone = 'UTC'")
        path = str(warehouse.published_path).replace("'", "''")
        raw.execute(f"attach '{path}' as published (read_only)")
        raw.execute(f"use published.{MARTS_SCHEMA}")
        raw.execute("set enable_external_access = false")
        raw.execute("set lock_configuration = true")
        yield connection

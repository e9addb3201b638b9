"""The published marts: people, pages and BI tools read them while the pipeline works."""

from collections.abc import Iterator
from contextlib import contextmanager

from zoho_pipeline.transform.errors import NotPublished
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.warehouse import Warehouse

NOT_PUBLISHED = "there are no marts yet. Run `zoho-pipeline transform`, after a first `zoho-pipeline sync`."


@contextmanager
def connect(warehouse: Warehouse) -> Iterator[Connection]:
    """A read-only connection to the published marts; their names need no schema.

    On DuckDB it reads the file that was the newest when it was opened, also if another one is published later, and
    it can read no other file.

    Raises:
        NotPublished: no transform has run yet.
    """
    with warehouse.published() as connection:
        if connection is None:
            raise NotPublished(NOT_PUBLISHED)
        yield connection

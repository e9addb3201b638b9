"""The published marts: people, pages and BI tools read them while the pipeline works."""

import re
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


def with_later(columns: str, query: str) -> str:
    """A query that also gives these columns, as null where the marts are of a build that had none of them.

    A name that the innermost table lacks is looked up one level further out. So people get answers between an update
    and the next transform.

    Args:
        columns: names of the first table of the query, with `, ` between them.
    """
    nulls = ", ".join(f"null as {name}" for name in columns.split(", "))
    inner = re.sub(r"\sfrom\s", f", {columns} from ", query, count=1)
    return f"select found.* from (select {nulls}) as missing, lateral ({inner}) as found"  # noqa: S608

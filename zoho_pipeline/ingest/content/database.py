"""The content catalogue from a SQL database: a table or a query, as a whole or from the end of the last load.

dlt's `sql_database` source reads the rows as plain values and not as Arrow. With Arrow, a column with mixed types would
fail as a whole; the checks here name the row. Rows and cursor become visible together.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import dlt
import sqlalchemy as sa
from dlt.sources.sql_database import sql_table
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.ingest.catalog.tables import CONTENT_ITEMS
from zoho_pipeline.ingest.content.files import COLUMNS, PURPOSE, check_header, check_items, items_table
from zoho_pipeline.ingest.content.read_file import ContentError
from zoho_pipeline.ingest.load.dlt_source import explicit_dlt
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.warehouse.warehouse import Warehouse

CURSORS = "content_cursors"
"""A key of the source's state. It maps a fingerprint of database, query and column to the largest loaded value."""
_BIND = re.compile(r"(?<![:\w\\]):(?=\w)")


def load_content_sql(
    settings: Settings,
    warehouse: Warehouse,
    channel_id: str,
    url: Secret,
    *,
    query: str | None = None,
    table: str | None = None,
    incremental: str | None = None,
) -> int:
    """Load or update the catalogue of a channel from a database; the number of items that were read.

    Args:
        url: in SQLAlchemy's form, `postgresql://user:password@host/database`. The password is never shown.
        query: one SELECT with the catalogue's columns. Give either a query or a table.
        table: a table or view (`schema.table`) with the catalogue's columns. Other columns are ignored.
        incremental: a column that grows with each change, such as `updated_at`. Only rows from the largest loaded value
            on are read: rows equal to it are read again, rows without a value always.

    Raises:
        ContentError: the database cannot be reached or refuses the query, a required column or value is missing, a
            value does not fit, or an id appears twice. Rows are numbered from 1, in the order of the database.
        ChannelBusy: another process loads this catalogue.
        LockLost: another load may have begun.
    """
    if (query is None) == (table is None):
        raise ContentError("give either a query or a table of the database.")
    explicit_dlt()
    engine = _engine(url)
    shown = f"{_shown(engine.url)}, {table or 'the query'}"
    key = _fingerprint(engine.url, query or table or "", incremental)
    with channel_lock(settings, channel_id, kind=PURPOSE) as lock:
        loader = Loader(settings, warehouse, channel_id, purpose=PURPOSE, lock=lock) if incremental else None
        state = loader.state if loader else {}
        cursors: dict[str, Any] = dict(state.get(CURSORS) or {})
        rows = _rows(engine, shown, query, table, incremental, cursors.get(key))
        items = _checked(rows, shown, incremental, strict=query is not None)
        if items:
            reached = [row[incremental] for row in rows if row[incremental] is not None] if incremental else []
            if reached:
                cursors[key] = max(reached)
            loader = loader or Loader(settings, warehouse, channel_id, purpose=PURPOSE, lock=lock)
            loader.ensure_tables()
            remembered = state | {CURSORS: cursors} if incremental else None
            loader.load({CONTENT_ITEMS.name: [items_table(items, channel_id)]}, remembered)
    return len(items)


def _checked(
    rows: Sequence[Mapping[str, Any]], shown: str, incremental: str | None, *, strict: bool
) -> list[dict[str, Any]]:
    if rows and incremental and incremental not in rows[0]:
        raise ContentError(
            f"{shown}: the rows have no column {incremental}, which --incremental names. Nothing was loaded."
        )
    records = [{name.strip().lower(): value for name, value in row.items()} for row in rows]
    if not records:
        return []
    names = [name.strip().lower() for name in rows[0]]
    allowed = {incremental.lower()} if incremental else set()
    check_header(names, shown, allowed=allowed if strict else names)
    kept = [{name: value for name, value in record.items() if name in COLUMNS} for record in records]
    return check_items(enumerate(kept, 1), shown, "row")


def _rows(
    engine: sa.Engine, shown: str, query: str | None, table: str | None, incremental: str | None, reached: Any
) -> list[dict[str, Any]]:
    cursor: Any = None
    if isinstance(reached, Decimal) and engine.dialect.name == "sqlite":  # stored by an earlier release
        reached = int(reached) if reached == reached.to_integral_value() else float(reached)
    if incremental:
        cursor = dlt.sources.incremental(incremental, initial_value=reached, on_cursor_value_missing="include")
    try:
        options = _of_query(query, incremental) if query is not None else _of_table(engine, table or "")
        resource = sql_table(
            engine, incremental=cursor, backend="sqlalchemy", reflection_level="minimal", **options
        ).with_name("content")
        return [dict(row) for row in resource]
    except Exception as error:  # dlt wraps the driver's errors in several of its own errors
        raise ContentError(f"{shown}: {_reason(error, engine.url)}. Nothing was loaded.") from None
    finally:
        engine.dispose()


def _of_table(engine: sa.Engine, table: str) -> dict[str, Any]:
    """The table without its types of numbers: the driver's values are used as they are.

    On SQLite, SQLAlchemy would read a NUMERIC column through floats, which change an id of 19 digits.
    """
    schema, _, name = table.rpartition(".")
    metadata = sa.MetaData(schema=schema or None)
    found = sa.Table(name, metadata, autoload_with=engine, resolve_fks=False)
    for column in found.columns:
        if isinstance(column.type, sa.Numeric):
            column.type = sa.types.NullType()
    return {"table": name, "schema": schema or None, "metadata": metadata}


def _of_query(query: str, incremental: str | None) -> dict[str, Any]:
    """dlt reads tables only: it gets a table with the cursor's column, and the query replaces its SELECT."""
    columns: list[sa.Column[Any]] = [sa.Column(incremental)] if incremental else []
    metadata = sa.MetaData()
    sa.Table("content", metadata, *columns)
    return {"table": "content", "metadata": metadata, "query_adapter_callback": _replacing(query, incremental)}


def _replacing(query: str, incremental: str | None) -> Callable[..., Any]:
    # SQLAlchemy would read a colon before a word as a parameter
    text = sa.text(_BIND.sub(r"\\:", query.strip().rstrip(";")))

    def replace(select: Any, table: Any, cursor: Any = None, engine: Any = None) -> Any:
        del select, table, engine
        if incremental is None or cursor is None or cursor.last_value is None:
            return text
        whole = text.columns(sa.column(incremental)).subquery("content")
        column = whole.c[incremental]
        newer = sa.or_(column >= cursor.last_value, column.is_(None))
        return sa.select(sa.literal_column("*")).select_from(whole).where(newer)

    return replace


def _engine(url: Secret) -> sa.Engine:
    try:
        parsed = sa.make_url(url.reveal().strip())
        if parsed.drivername in ("postgres", "postgresql"):  # the driver that is installed here
            parsed = parsed.set(drivername="postgresql+psycopg2")
        return sa.create_engine(parsed)
    except (ArgumentError, ValueError):
        raise ContentError(
            "this is not the URL of a database. Write it like postgresql://user:password@host:port/database."
        ) from None
    except (NoSuchModuleError, ImportError) as error:
        missing = getattr(error, "name", None) or str(error).rpartition(":")[2]
        raise ContentError(
            f"no driver for {parsed.drivername} is installed ({missing}). Install it in zoho-pipeline's environment."
        ) from None


def _shown(url: sa.URL) -> str:
    """The database, without user, password and parameters (a parameter may hold a password, too)."""
    return sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def _fingerprint(url: sa.URL, wanted: str, incremental: str | None) -> str:
    return hashlib.sha256(f"{_shown(url)}\0{wanted}\0{incremental}".encode()).hexdigest()[:32]


def _reason(error: BaseException, url: sa.URL) -> str:
    """The innermost error in one line, without the password."""
    found = error
    while not isinstance(found, SQLAlchemyError) and (found.__cause__ or found.__context__) is not None:
        found = found.__cause__ or found.__context__ or found
    if isinstance(found, NoSuchTableError):
        return f"there is no table {found}"
    message = str(found.orig) if isinstance(found, DBAPIError) and found.orig else str(found)
    line = " ".join(message.split())[:300].rstrip(".")
    for value in (url.password, *(v for vs in url.normalized_query.values() for v in vs)):
        line = line.replace(str(value), "***") if value and len(str(value)) > 2 else line
    return line

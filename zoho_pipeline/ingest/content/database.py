"""The content catalogue from a SQL database: a table or a query, whole or from where the last load ended.

dlt's `sql_database` source reads the rows, as plain values and not as Arrow: a column that mixes types
would fail there as a whole, where the checks below name the row. Rows and cursor become visible together.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dlt
import sqlalchemy as sa
from dlt.sources.sql_database import sql_table
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from zoho_pipeline.channels.registry.locks import channel_lock
from zoho_pipeline.ingest.catalog.tables import CONTENT_ITEMS
from zoho_pipeline.ingest.content.files import COLUMNS, PURPOSE, ContentError, check_header, check_items, items_table
from zoho_pipeline.ingest.load.dlt_source import explicit_dlt
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.settings import Secret, Settings
from zoho_pipeline.warehouse.warehouse import Warehouse

CURSORS = "content_cursors"
"""Key of the source's state: fingerprint of database, query and column → the largest value loaded."""
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
    """Load or update the catalogue of a channel from a database; the number of items read.

    Args:
        url: SQLAlchemy's form, `postgresql://user:password@host/database`; the password is never shown.
        query: one SELECT that gives the catalogue's columns; table: a table or view (`schema.table`) that
            has them; its other columns are left alone. One of the two.
        incremental: a column that grows with every change, e.g. `updated_at`: only rows from the largest
            value loaded before are read (rows equal to it again: ties; rows without a value always).

    Raises:
        ContentError: no connection, a refused query, a required column or value missing, a value that does
            not fit, an id twice. Rows are numbered in the order they came, from 1.
        ChannelBusy: another load of this catalogue. LockLost: another one may have begun meanwhile.
    """
    if (query is None) == (table is None):
        raise ContentError("give a query or a table of the database.")
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
        raise ContentError(f"{shown}: the rows have no column {incremental} to load them by. Nothing was loaded.")
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
    if incremental:
        cursor = dlt.sources.incremental(incremental, initial_value=reached, on_cursor_value_missing="include")
    try:
        options = _of_query(query, incremental) if query is not None else _of_table(table or "")
        resource = sql_table(
            engine, incremental=cursor, backend="sqlalchemy", reflection_level="minimal", **options
        ).with_name("content")
        return [dict(row) for row in resource]
    except Exception as error:  # dlt wraps the driver's errors in several of its own
        raise ContentError(f"{shown}: {_reason(error, engine.url)}. Nothing was loaded.") from None
    finally:
        engine.dispose()


def _of_table(table: str) -> dict[str, Any]:
    schema, _, name = table.rpartition(".")
    return {"table": name, "schema": schema or None}


def _of_query(query: str, incremental: str | None) -> dict[str, Any]:
    """dlt knows tables: the query stands in for one that has the cursor's column."""
    columns: list[sa.Column[Any]] = [sa.Column(incremental)] if incremental else []
    metadata = sa.MetaData()
    sa.Table("content", metadata, *columns)
    return {"table": "content", "metadata": metadata, "query_adapter_callback": _asking(query, incremental)}


def _asking(query: str, incremental: str | None) -> Callable[..., Any]:
    # a colon before a word would be a parameter to SQLAlchemy
    text = sa.text(_BIND.sub(r"\\:", query.strip().rstrip(";")))

    def ask(select: Any, table: Any, cursor: Any = None, engine: Any = None) -> Any:
        del select, table, engine
        if incremental is None or cursor is None or cursor.last_value is None:
            return text
        whole = text.columns(sa.column(incremental)).subquery("content")
        column = whole.c[incremental]
        newer = sa.or_(column >= cursor.last_value, column.is_(None))
        return sa.select(sa.literal_column("*")).select_from(whole).where(newer)

    return ask


def _engine(url: Secret) -> sa.Engine:
    try:
        parsed = sa.make_url(url.reveal().strip())
        if parsed.drivername in ("postgres", "postgresql"):  # the driver that is installed here
            parsed = parsed.set(drivername="postgresql+psycopg2")
        return sa.create_engine(parsed)
    except (ArgumentError, ValueError):
        raise ContentError("the URL is not one of a database: kind://user:password@host:port/database.") from None
    except (NoSuchModuleError, ImportError) as error:
        missing = getattr(error, "name", None) or str(error).rpartition(":")[2]
        raise ContentError(
            f"no driver for {parsed.drivername} is installed ({missing}). Install it beside zoho-pipeline."
        ) from None


def _shown(url: sa.URL) -> str:
    """The database without user, password and parameters (a parameter may hold a password too)."""
    return sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def _fingerprint(url: sa.URL, wanted: str, incremental: str | None) -> str:
    return hashlib.sha256(f"{_shown(url)}\0{wanted}\0{incremental}".encode()).hexdigest()[:32]


def _reason(error: BaseException, url: sa.URL) -> str:
    """The innermost cause in one line, the password struck out."""
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

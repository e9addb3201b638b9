"""Marts, queries and insights for notebooks and programs: pandas, Arrow or polars, with types that lose nothing.

A caller writes `from zoho_pipeline import read_mart, read_sql, insight`. The settings are those of the command line:
the environment and `.env`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, overload

import pyarrow as pa
import sqlglot
import sqlglot.errors

from zoho_pipeline.frames.convert import MAKERS, typed
from zoho_pipeline.frames.mart_query import mart_query
from zoho_pipeline.reading import insight as insights
from zoho_pipeline.reading.limits import ONE_STATEMENT
from zoho_pipeline.reading.published import connect
from zoho_pipeline.settings import Settings, load_settings
from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection, SqlError
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Frame = Literal["pandas", "arrow", "polars"]
Place = Settings | Warehouse | None


@overload
def read_mart(
    mart: str,
    *,
    channels: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    frame: Literal["pandas"] = "pandas",
    where: Place = None,
) -> "pd.DataFrame": ...
@overload
def read_mart(
    mart: str,
    *,
    channels: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    frame: Literal["arrow"],
    where: Place = None,
) -> pa.Table: ...
@overload
def read_mart(
    mart: str,
    *,
    channels: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    frame: Literal["polars"],
    where: Place = None,
) -> "pl.DataFrame": ...
def read_mart(
    mart: str,
    *,
    channels: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    frame: Frame = "pandas",
    where: Place = None,
) -> Any:
    """The rows of a published mart.

    Whole numbers are `Int64` (they may be missing), truth values `boolean`, amounts exact decimals
    (`decimal128[pyarrow]`), instants `datetime64[us, UTC]`, local times and dates `datetime64` without a zone. A rate
    that is not known is NaN.

    Args:
        mart: its name, such as `lead_volume`. docs/dictionary.md lists the marts and their columns.
        channels: only the rows of these channels. None: all. A mart without a column `channel_id` takes None only.
        columns: only these columns, in this order. None: all.
        frame: `pandas`, `arrow` (a `pyarrow.Table`) or `polars` (polars must be installed).
        where: settings or an open warehouse. None: the settings of the environment and `.env`.

    Raises:
        QueryError: there is no such mart, column or channel; the message names those there are. Or a value does not
            fit into the frame.
        NotPublished: no transform has run yet.
    """
    with connect(_warehouse(where)) as connection:
        return _framed(connection, *mart_query(connection, mart, channels, columns), frame)


@overload
def read_sql(
    sql: str, params: Sequence[Any] = (), *, raw: bool = False, frame: Literal["pandas"] = "pandas", where: Place = None
) -> "pd.DataFrame": ...
@overload
def read_sql(
    sql: str, params: Sequence[Any] = (), *, raw: bool = False, frame: Literal["arrow"], where: Place = None
) -> pa.Table: ...
@overload
def read_sql(
    sql: str, params: Sequence[Any] = (), *, raw: bool = False, frame: Literal["polars"], where: Place = None
) -> "pl.DataFrame": ...
def read_sql(
    sql: str, params: Sequence[Any] = (), *, raw: bool = False, frame: Frame = "pandas", where: Place = None
) -> Any:
    """The answer of one query on the published marts, with the types of `read_mart`.

    Args:
        sql: one SELECT in the words of the engine (DuckDB or Postgres). Marts need no schema.
        params: the values of the marks `?` in the query.
        raw: read the tables of `zoho_raw` in the warehouse itself. On DuckDB a sync waits while the query runs.
        frame, where: as in `read_mart`.

    Raises:
        QueryError: the engine refused the query.
        NotPublished: no transform has run yet.
    """
    with _raw(where) if raw else connect(_warehouse(where)) as connection:
        _require_one(connection, sql)
        return _framed(connection, sql, params, frame)


def insight(channel_id: str, *, where: Place = None) -> dict[str, Any]:
    """The newest insight of a channel with its lists, as `zoho-pipeline insight ID --format json` prints it.

    Args:
        where: as in `read_mart`.

    Raises:
        NotPublished: no transform has run, or none since the channel was connected.
    """
    return insights.read(_warehouse(where), channel_id)


def _warehouse(where: Place) -> Warehouse:
    return open_warehouse(where or load_settings()) if where is None or isinstance(where, Settings) else where


@contextmanager
def _raw(where: Place) -> Iterator[Connection]:
    with _warehouse(where).connect(read_only=True) as connection:
        if not connection.has_tables(RAW_SCHEMA):
            raise QueryError("there are no raw tables yet. Run `zoho-pipeline sync`.")
        yield connection


def _require_one(connection: Connection, sql: str) -> None:
    """Refuse several statements. Both engines would run all of them, and answer only the last one.

    A text that the tokenizer cannot read goes to the engine, which says what is wrong.
    """
    try:
        tokens = sqlglot.tokenize(sql, read=connection.dialect)
    except sqlglot.errors.TokenError:
        return
    kinds = [token.token_type for token in tokens]
    while kinds and kinds[-1] is sqlglot.TokenType.SEMICOLON:
        kinds.pop()
    if sqlglot.TokenType.SEMICOLON in kinds:
        raise QueryError(f"{ONE_STATEMENT}. For several answers, call read_sql several times.")
    if not kinds:
        raise QueryError(f"the query is empty: {ONE_STATEMENT}.")


def _framed(connection: Connection, sql: str, params: Sequence[Any], frame: Frame) -> Any:
    make = MAKERS.get(frame)
    if make is None:
        raise QueryError(f"frame={frame!r} is not known. Give one of: {', '.join(map(repr, MAKERS))}.")
    try:
        table = connection.arrow(sql, params)
    except SqlError as error:
        raise QueryError(str(error)) from error
    try:
        return make(typed(table))
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise QueryError(_unfit(frame, error)) from error


def _unfit(frame: Frame, error: Exception) -> str:
    said = " ".join(str(error).split())[:200]
    return (
        f"the answer does not fit into frame={frame!r}: {said} Turn the column into text in the query (cast … as "
        "varchar), or read it with frame='arrow'."
    )

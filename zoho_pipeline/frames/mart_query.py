"""The query that reads a mart: its name, its columns and its channels are checked, and a wrong one is named."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, STATE_SCHEMA, Connection


def mart_query(
    connection: Connection, mart: str, channels: Sequence[str] | None = None, columns: Sequence[str] | None = None
) -> tuple[str, list[str]]:
    """The SELECT of a published mart and its parameters.

    Args:
        channels: only the rows of these channels. None: all.
        columns: only these columns, in this order. None: all.

    Raises:
        QueryError: there is no such mart, column or channel; the message names those there are.
        WarehouseError: the user may read no mart.
    """
    known = connection.tables(MARTS_SCHEMA)
    if not known:
        connection.has_tables(MARTS_SCHEMA)  # raises where the user may read none of them
    if mart not in known:
        raise QueryError(f"there is no mart {mart!r}. {nearest(mart, known)}")
    if isinstance(columns, str):
        raise QueryError(f"columns={columns!r} is one text. Give a list: columns=[{columns!r}]")
    if columns is not None and not columns:
        raise QueryError("`columns` is empty. Leave it out to read all columns, or name some.")
    wanted = [*(columns or ()), *(["channel_id"] if channels is not None else [])]
    for column in wanted:
        if column not in known[mart]:
            raise QueryError(f"{mart} has no column {column!r}. {nearest(column, known[mart])}")
    listed = "*" if columns is None else ", ".join(f'"{column}"' for column in columns)
    given = [] if channels is None else _channels(connection, channels)
    marks = ", ".join("?" for _ in given) or "null"
    of = "" if channels is None else f" where channel_id in ({marks})"
    return f'select {listed} from "{mart}"{of}', given  # noqa: S608


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that may be meant, or all names, as the end of a message."""
    near = get_close_matches(name, list(names), n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(sorted(names))}."


def _channels(connection: Connection, given: Sequence[str]) -> list[str]:
    """QueryError: a channel was never published, so that its rows would seem to be none."""
    if isinstance(given, str):
        raise QueryError(f"channels={given!r} is one text. Give a list: channels=[{given!r}]")
    if not given:
        return []
    known = {str(row[0]) for row in connection.fetch(f"select channel_id from {STATE_SCHEMA}.channel_state")[1]}  # noqa: S608
    for channel in given:
        if channel not in known:
            there = nearest(str(channel), known) if known else "There is none."
            raise QueryError(f"the marts have no channel {channel!r}. {there}")
    return list(given)

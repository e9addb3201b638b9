"""An INSERT that may meet a row with its key: SQLAlchemy has one class for it per database, with the same methods."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or(transaction: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT with `on_conflict_do_nothing` and `on_conflict_do_update`, for the database of the transaction."""
    return postgresql.Insert(table) if transaction.dialect.name == "postgresql" else sqlite.Insert(table)

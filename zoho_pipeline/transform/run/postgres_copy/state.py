"""What the copy knows of itself: the publication that it has, its tables and views, and the hashes of its rows.

It is in the schema `pipeline_state` of the copy. It changes in the transaction that changes the marts.
"""

import re
from dataclasses import dataclass, field

from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.run.engine import BUSY
from zoho_pipeline.warehouse.connection import (
    LOCK_SECONDS,
    MARTS_SCHEMA,
    STATE_SCHEMA,
    Connection,
    SqlError,
    WarehouseBusy,
)

_ADVISORY_KEY = 5_119_283_347  # any number; all who change a copy share it
NUMBER, ROWS, OURS = (f"{STATE_SCHEMA}.{name}" for name in ("copy_number", "copied_rows", "copied_marts"))
_NO_LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
"""Settings of the server; an older one does not have all of them."""
LOCK_WAIT = "60s"
"""How long a change of a table waits for a reader. The next transform tries again."""
_HINT = re.compile(r"^HINT: *(.*)$", re.MULTILINE)

Hashes = dict[str, tuple[int, str]]
"""Channel → number of rows, sum of their hashes."""


@dataclass(frozen=True)
class RowsOf:
    """The changes of one mart.

    Attributes:
        channels: those whose rows differ, also the ones that have no row any more.
        rows: the new hashes of those of them that have rows.
        anew: the table of the copy is empty.
    """

    channels: set[str]
    rows: Hashes = field(default_factory=dict)
    anew: bool = False


def begin(target: Connection, seconds: float = LOCK_SECONDS) -> None:
    """Keep others from changing the copy until the transaction ends. WarehouseBusy: another one took `seconds`.

    Limits of time that an administrator gave the user are for questions of people, and a first copy takes minutes.
    A policy that a user put on a table must not hide rows from us: a purge would leave them, and say nothing.
    """
    names = ", ".join(f"'{name}'" for name in _NO_LIMITS)
    target.fetch(f"select set_config(name, '0', true) from pg_settings where name in ({names})")  # noqa: S608
    target.execute("set local row_security = off")
    target.execute(f"set local lock_timeout = '{int(1000 * seconds)}ms'")
    try:
        target.execute(f"select pg_advisory_xact_lock({_ADVISORY_KEY})")
    except SqlError as error:
        if error.kind != "LockNotAvailable":
            raise
        raise WarehouseBusy(BUSY) from error
    target.execute(f"set local lock_timeout = '{LOCK_WAIT}'")


def explained(error: Exception) -> str:
    """The error of the server in one line, with what to do. Further lines of the server have values of rows."""
    return str(error).splitlines()[0].rstrip(".") + (_cure_of(error) or ".")


def _cure_of(error: Exception) -> str:
    if not isinstance(error, SqlError):
        return ""
    if error.kind.endswith("Violation"):
        return (
            ". Somebody added this constraint. The rows of the copy are replaced by others, so drop it, then run the "
            "transform again."
        )
    if error.kind == "LockNotAvailable":
        return (
            f". Somebody has used the table for more than {LOCK_WAIT[:-1]} s. End that session, or run the transform "
            "again later."
        )
    if hint := _HINT.search(str(error)):
        return f". The server says: {hint[1].strip()}"
    if error.kind == "InsufficientPrivilege":
        return (
            f". The user of ZOHO_PIPELINE_PUBLISHED must own the schemas {MARTS_SCHEMA} and {STATE_SCHEMA} and our "
            "tables in them, or be allowed to create these schemas (grant create on database … to …). Give the user "
            "that, or name the user who made the copy."
        )
    return ""


class State:
    """The state of the copy that `target` is a session in."""

    def __init__(self, target: Connection) -> None:
        self._target = target
        self.exists = bool(target.fetch("select to_regclass(?)", (ROWS,))[1][0][0])

    def number(self) -> int | None:
        """The number of the publication that the copy has; None where it has none, or it is not known."""
        rows = self._target.fetch(f"select number from {NUMBER}")[1] if self.exists else []  # noqa: S608
        return rows[0][0] if rows else None

    def prepare(self) -> None:
        """Make the schemas and the tables of the state. A schema that somebody dropped is made again.

        Raises:
            TransformError: there are marts that no copy has written.
        """
        if not self.exists and (there := self._target.tables(MARTS_SCHEMA)):
            database = self._target.fetch("select current_database()")[1][0][0]
            raise TransformError(
                f"the database {database} has the schema {MARTS_SCHEMA} with {min(there)}, which is no copy of these "
                "marts. Name another database in ZOHO_PIPELINE_PUBLISHED, or drop that schema."
            )
        for schema in (MARTS_SCHEMA, STATE_SCHEMA):
            # `create schema if not exists` needs the right to create one also where it is there
            if not self._target.fetch("select to_regnamespace(?)", (schema,))[1][0][0]:
                self._target.execute(f"create schema {schema}")
        if self.exists:
            return
        self._target.execute(f"create table {NUMBER} (number bigint)")
        self._target.execute(f"create table {OURS} (name text primary key, definition text)")
        self._target.execute(
            f"create table {ROWS} (mart text, channel_id text, n_rows bigint, row_hash text,"
            " primary key (mart, channel_id))"
        )

    def set_number(self, number: int | None) -> None:
        """Note the publication that the copy has from now on."""
        self._target.execute(f"delete from {NUMBER}")  # noqa: S608
        self._target.execute(f"insert into {NUMBER} values (?)", (number,))  # noqa: S608

    def ours(self) -> dict[str, str | None]:
        """Our tables (None) and views (their SELECT). Other objects of the schema belong to users."""
        return dict(self._target.fetch(f"select name, definition from {OURS}")[1])  # noqa: S608

    def set_ours(self, names: dict[str, str | None]) -> None:
        """Note the tables and views that are ours from now on."""
        self._target.execute(f"delete from {OURS}")  # noqa: S608
        self._target.append(OURS, (("name", "text"), ("definition", "text")), sorted(names.items()))

    def stored(self, mart: str, channels: list[str] | None) -> Hashes:
        """The hashes of a mart; of all its channels, or of some."""
        of = "" if channels is None else " and channel_id = any(?)"
        sql = f"select channel_id, n_rows, row_hash from {ROWS} where mart = ?{of}"  # noqa: S608
        rows = self._target.fetch(sql, (mart,) if channels is None else (mart, channels))[1]
        return {channel: (count, total) for channel, count, total in rows}

    def store(self, mart: str, changed: RowsOf) -> None:
        """Replace the hashes of the changed channels of a mart."""
        sql = f"delete from {ROWS} where mart = ? and channel_id = any(?)"  # noqa: S608
        self._target.execute(sql, (mart, sorted(changed.channels)))
        columns = (("mart", "text"), ("channel_id", "text"), ("n_rows", "bigint"), ("row_hash", "text"))
        rows = [(mart, channel, str(count), total) for channel, (count, total) in changed.rows.items()]
        if rows:
            self._target.append(ROWS, columns, rows)

    def forget_mart(self, mart: str) -> None:
        """Forget the hashes of a mart."""
        self._target.execute(f"delete from {ROWS} where mart = ?", (mart,))  # noqa: S608

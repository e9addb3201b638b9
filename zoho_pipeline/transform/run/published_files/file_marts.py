"""Marts that a run builds directly in a file, one batch of channels after another.

The first batch makes the table of a mart. Each later one adds its rows at the end. While a batch is built, the name
of a mart must mean its own rows: a temporary view shows those behind the rows of earlier batches. DuckDB numbers the
rows of a table in the order in which they were added (`rowid`), and reads only the row groups that such a view needs.
"""

from dataclasses import dataclass, field

from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.run.engine import quoted, text_literal
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, Connection

BATCHES = "batches"


@dataclass
class FileMarts:
    """The marts in the attached file `catalog`. Models and checks find them by their bare names."""

    connection: Connection
    catalog: str
    in_batches: bool
    _made: set[str] = field(default_factory=set)
    """The marts that have a table, with the rows of earlier batches or of this one."""
    _starts: dict[str, int | None] = field(default_factory=dict)
    """Mart of this batch → the number of its first row; None: this batch made the table."""

    def __post_init__(self) -> None:
        self.connection.execute(f"set search_path = 'memory.main,{self.catalog}.{MARTS_SCHEMA}'")
        # a checkpoint may number the rows anew where some were deleted, so none comes while a batch is built
        self.connection.execute("set checkpoint_threshold = '1TB'")

    def has(self, model: Model) -> bool:
        """Whether the model is a table of the file."""
        return model.layer == "marts" and not model.is_view

    def statement(self, model: Model, select: str) -> str:
        table = self._table(model.name)
        return f"insert into {table} {select}" if model.name in self._made else f"create table {table} as {select}"

    def create(self, model: Model, statement: str) -> int:
        """Run the statement, and return the number of rows of this batch."""
        name, start = model.name, None
        if name in self._made:
            start = self.connection.fetch(f"select coalesce(max(rowid) + 1, 0) from {self._table(name)}")[1][0][0]  # noqa: S608
        rows = int(self.connection.fetch(statement)[1][0][0])
        self._made.add(name)
        self._starts[name] = start
        if start:
            view = f"select * from {self._table(name)} where rowid >= {start}"  # noqa: S608
            self.connection.execute(f"create temporary view {quoted(name)} as {view}")
        return rows

    def drop(self, model: Model) -> None:
        """Remove the rows of this batch."""
        if model.name not in self._starts:
            return
        start = self._starts.pop(model.name)
        if start is None:
            self.connection.execute(f"drop table {self._table(model.name)}")
            self._made.remove(model.name)
            return
        self._show_all(model.name)
        self.connection.execute(f"delete from {self._table(model.name)} where rowid >= {start}")  # noqa: S608

    def end_batch(self) -> None:
        """Show the rows of all batches under the names of the marts, and write them to the disk."""
        for name in self._starts:
            self._show_all(name)
        self._starts.clear()
        if self.in_batches:
            self.connection.execute(f"checkpoint {self.catalog}")  # else the last rows of each mart stay in memory

    def _show_all(self, name: str) -> None:
        self.connection.execute(f"drop view if exists temp.main.{quoted(name)}")

    def _table(self, name: str) -> str:
        return f"{self.catalog}.{MARTS_SCHEMA}.{quoted(name)}"


def attach_batches(connection: Connection) -> str:
    """Attach a file in the folder in which the session spills, and return the name of its catalog.

    It goes with the folder. Where the session has no such folder, the marts of all batches stay in memory.
    """
    folder = str(connection.fetch("select current_setting('temp_directory')")[1][0][0] or "")
    path = f"{folder}/batches.duckdb" if folder else ":memory:"
    options = " (recovery_mode 'no_wal_writes')" if folder else ""
    connection.execute(f"attach {text_literal(path)} as {BATCHES}{options}")
    connection.execute(f"create schema {BATCHES}.{MARTS_SCHEMA}")
    return BATCHES

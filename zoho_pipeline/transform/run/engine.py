"""The protocol of a transform engine: how a run builds models and changes the marts. Each engine has its own file.

The engines offer the same few things: raw tables read through views that have every declared column
(a table or column that an older warehouse lacks is empty or null), temporary tables with the names of
the models, and `publish`, after which the marts hold what a `Publication` says, or nothing changed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from sqlglot import exp

from zoho_pipeline.transform.project.docs import DocumentedColumn
from zoho_pipeline.transform.project.model import SOURCE_DIALECT, Model
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, Connection, Dialect

BUSY = "another transform is still running. Let it finish, then try again."
RawColumns = Mapping[str, tuple[DocumentedColumn, ...]]
"""Raw table → the columns that the project declares."""


@dataclass(frozen=True)
class Publication:
    """The changes of the marts by one run, as data. Each engine carries them out in its own way (`Engine.publish`).

    For each mart of `marts`, whose new rows are in the run's table of that name:
    1. The rows of `removed` channels leave.
    2. The rows of `channels` are replaced by the new ones. In a mart that keeps history
       (`model.docs.keeps_history`), only rows of the same channel and `as_of_date` are replaced.
    3. A flag of `model.docs.sticky_flags` that was true under a primary key stays true.
    4. The columns are those of the new rows. A row that stays keeps the columns that both have; a value that does
       not fit the new type becomes null. A mart that is not published yet takes over the rows that stay in the table
       that it was formerly (`model.docs.formerly`).
    The marts of `retired` are dropped. The views of `views` are made anew where the marts that they read exist.
    Tables, views and their columns have their descriptions as comments. `fingerprints` and the names of all marts
    replace the stored state.

    Attributes:
        marts: the marts to write, by name; tables only.
        views: the views of the project, by name.
        channels: the channels whose rows are written.
        removed: channels in the marts that raw no longer has.
        held_back: channels whose rows were built, but which keep those of the last run.
        kept: the names of all marts that models make, written by this run or not.
        retired: the marts of earlier runs that no model makes any more.
        fingerprints: channel → fingerprint of what is published; '' equals no fingerprint.
    """

    marts: Mapping[str, Model]
    channels: Collection[str]
    views: Mapping[str, Model] = field(default_factory=dict)
    removed: Collection[str] = ()
    held_back: Collection[str] = ()
    kept: Collection[str] = ()
    retired: Collection[str] = ()
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    def names(self, before: Iterable[str]) -> list[str]:
        """The sorted names of the marts after the publication, if the tables `before` existed before it."""
        return sorted((set(before) & set(self.kept)) | self.marts.keys())


class Engine(Protocol):
    """A place to build in. `?` marks a parameter in statements of `connection`."""

    @property
    def dialect(self) -> Dialect:
        """The SQL that the engine speaks, under sqlglot's name."""

    @property
    def connection(self) -> Connection:
        """The session in which everything is built."""

    @property
    def reads_files_verbatim(self) -> bool:
        """Whether `model_sql` is the text of the file, so that the engine's line numbers are those of the file."""

    @property
    def batch_memory(self) -> int | None:
        """The bytes that the tables of one batch of channels may take; None: the run needs no batches."""

    def raw(self) -> AbstractContextManager[None]:
        """A block in which raw can be read by `raw_name`."""

    def raw_name(self, table: str) -> str:
        """The name by which a statement reads a raw table."""

    def model_sql(self, model: Model) -> str:
        """The SELECT of a model in the engine's dialect."""

    def row_hash(self, alias: str, columns: tuple[DocumentedColumn, ...], rows: int) -> str:
        """An expression: a number for a row of a table of `rows` rows, from every value or, in a large table, from
        its times. Times are enough there, because every load stamps the rows that it writes."""

    def repeated(self, columns: Sequence[str]) -> str | None:
        """An aggregate of a table: more than 0 if two rows have the same values in the columns, also the same nulls.

        None: the engine has none that costs less than counting the rows of each value.
        """

    def place_marts(self, *, most: bool, in_batches: bool) -> None:
        """Called once, before the first batch is built.

        Args:
            most: most channels are rebuilt. An engine that writes new marts may build them in their final place.
            in_batches: `end_batch` will be called.
        """

    def statement(self, model: Model) -> str:
        """The statement of `create`."""

    def create(self, model: Model) -> int:
        """Make the table of a model, or add the rows of this batch to its mart; the number of rows."""

    def drop(self, model: Model) -> None:
        """Undo `create`: the rows of earlier batches stay."""

    def start_batch(self) -> None:
        """Called before a batch is built."""

    def end_batch(self) -> None:
        """The marts keep the rows of the batch, and `create` adds rows to them. All other tables were dropped."""

    def analyze(self, relation: str) -> None:
        """Renew the planner's statistics of a table of the run, where the engine needs them."""

    def guarded(self) -> AbstractContextManager[None]:
        """A block. If it fails, the session continues with the tables that it had before the block."""

    def shape(self, relation: str) -> dict[str, str]:
        """Column → type of a table of the run."""

    def published(self, schema: str) -> dict[str, dict[str, str]]:
        """Table → column → type of what was published when the run began."""

    def published_views(self) -> set[str]:
        """The names of `published` in the marts that are views."""

    def previous(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        """The full name of a published table as the last run left it."""

    def publish(self, publication: Publication) -> None:
        """Change the marts, all at once or not at all.

        Raises:
            ProjectError: a mart lacks `channel_id`, `as_of_date` where it keeps history, or a column that sorts it.
            TransformError: an object of the user prevents it, such as a view; the message names it.
        """


def in_order(model: Model) -> str:
    """The `order by` with which the rows of a mart are written, behind a blank; empty if its yml sorts nothing."""
    columns = ", ".join(map(quoted, model.docs.cluster_by))
    return f" order by {columns}" if columns else ""


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(value: str) -> str:
    """An SQL text."""
    return "'" + value.replace("'", "''") + "'"


def time_columns(columns: tuple[DocumentedColumn, ...]) -> tuple[DocumentedColumn, ...]:
    """Those of a timestamp type."""
    return tuple(column for column in columns if column.data_type.lower().startswith("timestamp"))


@lru_cache(maxsize=256)
def type_in(dialect: Dialect, data_type: str) -> str:
    """A column type of the yml (by DuckDB's name) in the dialect; text where none is given."""
    return exp.DataType.build(data_type or "text", dialect=SOURCE_DIALECT).sql(dialect)


def raw_view(
    dialect: Dialect, source: str, present: Mapping[str, str] | None, columns: tuple[DocumentedColumn, ...]
) -> str:
    """A SELECT with every declared column of a raw table.

    Args:
        source: the full name of the table.
        present: its columns; None where the table does not exist, and the view has no row.
        columns: the declared ones; those that `present` lacks are null.
    """
    parts = []
    for column in columns:
        have = present is not None and column.name in present
        value = quoted(column.name) if have else f"cast(null as {type_in(dialect, column.data_type)})"
        parts.append(f"{value} as {quoted(column.name)}")
    tail = f" from {source}" if present is not None else " where 1 = 0"
    return f"select {', '.join(parts)}{tail}"


def fill(engine: Engine, table: str, channels: Iterable[str]) -> None:
    """Replace the rows of a one-column table of channel ids."""
    engine.connection.execute(f"delete from {table}")  # noqa: S608
    listed = sorted(channels)
    if listed:
        engine.connection.execute(f"insert into {table} values {', '.join(['(?)'] * len(listed))}", listed)  # noqa: S608
    engine.analyze(table)

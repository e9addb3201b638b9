"""Makes the copy of the marts in Postgres equal to the published DuckDB file, all at once or not at all.

Everything happens in one transaction of the server. So a reader sees the marts of one publication, a lost session
leaves those of the last copy, and the next transform finds what is missing.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zoho_pipeline.settings import PipelineError
from zoho_pipeline.transform.csv_lines import lines
from zoho_pipeline.transform.errors import TransformError
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.engine import quoted
from zoho_pipeline.transform.run.postgres_copy.changes import Changes
from zoho_pipeline.transform.run.postgres_copy.state import RowsOf, State, begin, explained
from zoho_pipeline.transform.run.postgres_copy.tables import Tables, published_tables
from zoho_pipeline.transform.run.published_files.catch_up import read_note
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, Connection
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse
from zoho_pipeline.warehouse.postgres_connection import PostgresConnection


@dataclass(frozen=True)
class CopyReport:
    """What was copied.

    Attributes:
        to: the URL of the copy, without its password.
        channels: the channels whose rows were replaced or removed.
        rows: the rows that were written.
        changed: whether the copy changed; false where it had this publication already.
    """

    to: str
    channels: int = 0
    rows: int = 0
    changed: bool = False


def copy_published(warehouse: DuckDBWarehouse, project: Project) -> CopyReport | None:
    """Bring the copy up to date. None: the settings name no copy, or nothing is published.

    Args:
        project: its views are written in the SQL of Postgres.

    Raises:
        TransformError: the server cannot be reached, the session ended, the database is not ours, or an object of a
            user prevents a change. The copy is as it was.
    """
    if warehouse.copy is None:
        return None
    to = warehouse.copy
    try:
        with to.connect(read_only=False) as target:
            assert isinstance(target, PostgresConnection)
            _require_utf8(target)
            begin(target)
            with warehouse.published() as source:  # after the lock, so that nobody copies an older file later
                return _Copy(source, target, project, to.url).run() if source is not None else None
    except PipelineError as error:
        raise TransformError(to.hide(explained(error))) from error


def _require_utf8(target: Connection) -> None:
    name, encoding = target.fetch("select current_database(), current_setting('server_encoding')")[1][0]
    if encoding != "UTF8":
        raise TransformError(
            f"the database {name} has the encoding {encoding}, which cannot hold every text of Zoho. Create another "
            "one, with: create database … template template0 encoding 'UTF8'"
        )


class _Copy:
    """One run of the copy, in the transaction of `target`."""

    def __init__(self, source: Connection, target: PostgresConnection, project: Project, to: str) -> None:
        self._source, self._target, self._to = source, target, to
        self._state = State(target)
        self._views = {name: model for name, model in project.marts.items() if model.is_view}

    def run(self) -> CopyReport:
        note, held = read_note(self._source, "published"), self._state.number()
        if note is not None and note.number == held:
            return CopyReport(self._to)
        self._state.prepare()
        wanted = published_tables(self._source)
        tables = Tables(self._target, self._state)
        anew = tables.prepare(wanted, self._views)
        changes = Changes(self._source, self._state, note if note is not None and note.follows == held else None)
        channels: set[str] = set()
        rows = 0
        for name, shape in wanted.items():
            changed = changes.of(name, [*shape], anew=name in anew)
            channels |= changed.channels
            rows += self._replace(name, [*shape], changed)
            if name in anew:
                self._target.execute(f"analyze {MARTS_SCHEMA}.{quoted(name)}")
        tables.finish(self._source, wanted, self._views)
        self._state.set_number(note.number if note is not None else None)
        return CopyReport(self._to, len(channels), rows, changed=True)

    def _replace(self, name: str, columns: Sequence[str], changed: RowsOf) -> int:
        """Replace the rows of the changed channels in one table; the number of rows that were written."""
        if not changed.channels:
            return 0
        target = f"{MARTS_SCHEMA}.{quoted(name)}"
        listed = sorted(changed.channels)
        if not changed.anew:
            self._target.execute(f"delete from {target} where channel_id = any(?)", (listed,))  # noqa: S608
        if changed.rows:
            self._target.copy_csv(target, columns, self._lines(name, columns, None if changed.anew else listed))
        self._state.store(name, changed)
        return sum(count for count, _ in changed.rows.values())

    def _lines(self, name: str, columns: Sequence[str], channels: list[str] | None) -> Iterator[bytes]:
        of = "" if channels is None else " where channel_id in (select unnest(?))"
        sql = f"select {', '.join(map(quoted, columns))} from {quoted(name)}{of}"  # noqa: S608
        for table in self._source.batches(sql, () if channels is None else (channels,)):
            yield lines(table, other=lambda value: json.dumps(value, default=str, ensure_ascii=False))

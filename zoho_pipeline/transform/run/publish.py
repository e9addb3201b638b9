"""A publication carried out by SQL: which rows of a mart are replaced, and which stay.

An engine that publishes by SQL makes a subclass of `Publisher` that says where the marts are written.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from zoho_pipeline.transform.errors import ProjectError
from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.run.engine import Engine, Publication, fill, in_order, quoted, text_literal
from zoho_pipeline.warehouse.connection import MARTS_SCHEMA, STATE_SCHEMA, SqlError

MINE = "channel_id in (select channel_id from run__published)"
GONE = "channel_id in (select channel_id from run__removed)"
"""Conditions on rows of a mart, once `prepare` has named the channels of the run."""


class Publisher(ABC):
    """One publication in one engine. Call `prepare`, then `complete_new_marts` or `change_marts`.

    Attributes:
        columns_changed: a mart has other columns than before. So the rows of all channels are other ones, also of
            those that the run does not publish: a new column is null in them.
    """

    lenient_cast: ClassVar[str]
    """The engine's cast that gives null where a value does not fit; `cast` where it has none."""

    def __init__(self, engine: Engine, publication: Publication) -> None:
        self.engine, self.connection, self.publication = engine, engine.connection, publication
        before, views = engine.published(MARTS_SCHEMA), engine.published_views()
        self._before = {name: columns for name, columns in before.items() if name not in views}
        self._views_before = {name: columns for name, columns in before.items() if name in views}
        self.columns_changed = False

    @abstractmethod
    def target(self, name: str, schema: str = MARTS_SCHEMA) -> str:
        """The full name of a table that is written."""

    def drop(self, name: str) -> None:
        """Drop a mart that no model makes any more, or that a new one replaces."""
        kind = "view" if name in self._views_before else "table"
        self.connection.execute(f"drop {kind} if exists {self.target(name)}")

    def finish(self, model: Model) -> None:  # noqa: B027 (most engines need nothing)
        """Add what a new table of a mart needs besides its rows."""

    def store_for_readers(self) -> None:  # noqa: B027 (an engine with indexes needs nothing)
        """Make what readers of one channel need besides the marts. All marts are written, and the state is not yet."""

    def prepare(self) -> None:
        """Name the channels and days that are replaced, in temporary tables; carry the sticky flags over."""
        marts = self.publication.marts.values()
        for model in marts:
            _check_columns(model, self.engine.shape(model.name))
        for table, channels in (
            ("run__published", self.publication.channels),
            ("run__removed", self.publication.removed),
        ):
            self.connection.execute(f"create temporary table {table} (channel_id varchar)")
            fill(self.engine, table, channels)
        dated = [
            f"select channel_id, as_of_date from {quoted(model.name)}"  # noqa: S608
            for model in marts
            if model.docs.keeps_history
        ]
        none = "select cast(null as varchar) as channel_id, cast(null as date) as as_of_date where 1 = 0"
        together = " union all ".join([none, *dated])
        self.connection.execute(
            f"create temporary table run__dates as select distinct d.channel_id, d.as_of_date from ({together}) as d"  # noqa: S608
            f" where d.{MINE}"
        )
        for model in marts:
            if model.name in self._before:
                self._keep_flags(model, self._before[model.name])

    def complete_new_marts(self) -> None:
        """The marts were built at their targets: remove the rows that are held back, and add the rows that stay."""
        for model in self.publication.marts.values():
            target = self.target(model.name)
            if self.publication.held_back:
                self.connection.execute(f"delete from {target} where not {MINE}")  # noqa: S608
            self._carry_over(model, target)
        self._finish_marts()

    def change_marts(self) -> None:
        """The marts at the targets are those of the last run: replace the rows of the run's channels."""
        anew = [m for m in self.publication.marts.values() if self._before.get(m.name) != self.engine.shape(m.name)]
        turned = {view.name for view in self._views_after() if view.name in self._before}  # tables that become views
        views = self._changed_views({model.name for model in anew} | turned)
        self.columns_changed = bool(anew or views)
        for view in views:
            self.drop(view)
        for model in self.publication.marts.values():
            if model in anew:
                self._make_anew(model)
            else:
                self._replace_rows(model)
        for name in sorted(self.publication.retired, key=lambda name: name not in self._views_before):
            self.drop(name)  # views first, because they may read a table that goes too
        self._finish_marts()

    def write_view(self, model: Model) -> None:
        """Make a view, or give it the SELECT of the project."""
        select = model.sql(self.engine.dialect, schema=MARTS_SCHEMA)
        self.connection.execute(f"create or replace view {self.target(model.name)} as {select}")

    @abstractmethod
    def comments(self) -> dict[tuple[str, str], str]:
        """(table or view, column or '') → its comment, of the marts that are written."""

    def run_together(self, statements: Sequence[str]) -> None:
        """Run statements in one transaction; here the whole publication is one already."""
        self.connection.execute(";\n".join(statements))

    def _changed_views(self, tables: Collection[str]) -> list[str]:
        """The published views that must go first: they read one of the tables or such a view, or have other columns.

        A view comes before the views that it reads.
        """
        gone, changed = set(tables), list[str]()
        for name, view in self.publication.views.items():
            if name in self._views_before and (
                gone & set(view.depends_on) or [*self._views_before[name]] != [*view.selects]
            ):
                gone.add(name)
                changed.insert(0, name)
        return changed

    def _views_after(self) -> list[Model]:
        """The views whose marts exist after the publication, each after the views that it reads."""
        there, views = set(self.publication.names(self._before)), list[Model]()
        for view in self.publication.views.values():
            if there >= set(view.depends_on):
                there.add(view.name)
                views.append(view)
        return views

    def names_after(self) -> list[str]:
        """The names of the marts after the publication, tables and views."""
        return sorted({*self.publication.names(self._before), *(view.name for view in self._views_after())})

    def _finish_marts(self) -> None:
        for view in self._views_after():
            if view.name in self._before:
                self.drop(view.name)  # it was a table
            self.write_view(view)
        self._write_comments()
        self.store_for_readers()
        self._write_state()

    def _write_comments(self) -> None:
        there, statements = self.comments(), []
        for model in (*self.publication.marts.values(), *self._views_after()):
            kind, target = "view" if model.is_view else "table", self.target(model.name)
            described = {"": model.description} | {c.name: c.description for c in model.docs.columns}
            for column, text in described.items():
                if text and there.get((model.name, column)) != text:
                    on = f"column {target}.{quoted(column)}" if column else f"{kind} {target}"
                    statements.append(f"comment on {on} is {text_literal(text)}")
        if statements:
            self.run_together(statements)

    def _replace_rows(self, model: Model) -> None:
        target = self.target(model.name)
        # two statements, because one with `or` would read the whole mart instead of using an index
        self.connection.execute(f"delete from {target} as m where {_replaced(model)}")  # noqa: S608
        if self.publication.removed:
            self.connection.execute(f"delete from {target} where {GONE}")  # noqa: S608
        self.connection.execute(f"insert into {target} {self._new_rows(model)}")

    def _make_anew(self, model: Model) -> None:
        draft = self.target(f"{model.name}__new")
        self.connection.execute(f"create table {draft} as {self._new_rows(model)}")
        self._carry_over(model, draft)
        self.drop(model.name)
        self.connection.execute(f"alter table {draft} rename to {quoted(model.name)}")
        self.finish(model)

    def _new_rows(self, model: Model) -> str:
        listed = ", ".join(map(quoted, self.engine.shape(model.name)))
        return f"select {listed} from {quoted(model.name)} where {MINE}{in_order(model)}"  # noqa: S608

    def _carry_over(self, model: Model, draft: str) -> None:
        """Copy the rows that stay into the new shape; a value that does not fit its column becomes null."""
        source = model.name if model.name in self._before else model.docs.formerly
        shape, before = self.engine.shape(model.name), self._before.get(source)
        if not before:
            return
        shared = [name for name in shape if name in before]
        stays = f"not m.{GONE} and not {_replaced(model)}"

        def copy(columns: Collection[str]) -> None:
            listed = ", ".join(map(quoted, columns))
            values = ", ".join(f"{self.lenient_cast}(m.{quoted(n)} as {shape[n]})" for n in columns)
            self.connection.execute(
                f"insert into {draft} ({listed}) select {values}"  # noqa: S608
                f" from {self.engine.previous(source)} as m where {stays}"
            )

        try:
            with self.engine.guarded():
                copy(shared)
        except SqlError:  # a cast that is not lenient: columns of another type start with null
            copy([name for name in shared if before[name] == shape[name]])

    def _keep_flags(self, model: Model, before: Mapping[str, str]) -> None:
        """A flag that was true under a key stays true when the key is written again."""
        key = [name for name in model.docs.primary_key if name in before]
        if len(key) < len(model.docs.primary_key) or not key:
            return
        same = " and ".join(f"o.{quoted(n)} = {quoted(model.name)}.{quoted(n)}" for n in key)
        for flag in (name for name in model.docs.sticky_flags if name in before):
            self.connection.execute(
                f"update {quoted(model.name)} set {quoted(flag)} = true where exists"  # noqa: S608
                f" (select 1 from {self.engine.previous(model.name)} as o where {same} and o.{quoted(flag)})"
            )

    def _write_state(self) -> None:
        fingerprints = sorted(self.publication.fingerprints.items())
        self._rewrite("channel_state", ("channel_id", "fingerprint"), fingerprints)
        self._rewrite("published_marts", ("name",), [(name,) for name in self.names_after()])

    def _rewrite(self, name: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
        table, typed = self.target(name, STATE_SCHEMA), [(column, "varchar") for column in columns]
        self.connection.execute(f"create table if not exists {table} ({', '.join(map(' '.join, typed))})")
        self.connection.execute(f"delete from {table}")  # noqa: S608
        if rows:  # in bulk: as parameters, the fingerprints of 5,000 channels took 0.2 s of CPU
            self.connection.append(table, typed, rows)


def _check_columns(model: Model, shape: Mapping[str, str]) -> None:
    for name in ("channel_id", "as_of_date") if model.docs.keeps_history else ("channel_id",):
        if name not in shape:
            raise ProjectError(model.path, None, f"has no column {name}; the rows of a mart belong to a channel.")
    model.check_order(shape)


def _replaced(model: Model) -> str:
    """The condition on rows `m` of a mart that the rows of the run replace."""
    if model.docs.keeps_history:
        return (
            "exists (select 1 from run__dates as d where d.channel_id = m.channel_id and d.as_of_date = m.as_of_date)"
        )
    return f"m.{MINE}"

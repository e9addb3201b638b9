"""Putting a run's rows into the marts: whose rows are replaced, whose stay.

An ordinary mart holds the newest rows of each channel: those of the run's channels are replaced. A
mart that keeps history replaces only the (channel, as_of_date) that the run produced. Channels that
raw no longer has leave every mart. A mart whose columns changed is made anew; rows that stay take
over the columns they share with it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from zoho_pipeline.transform.errors import ProjectError, TransformError
from zoho_pipeline.transform.project.model import Model
from zoho_pipeline.transform.run.build import fill
from zoho_pipeline.transform.run.engine import STATE_SCHEMA, Engine, quoted
from zoho_pipeline.warehouse import MARTS_SCHEMA, SqlError


@dataclass(frozen=True)
class Publication:
    """What one run publishes.

    Attributes:
        marts: the marts it writes.
        channels: whose rows it writes; removed: channels in the marts that raw no longer has.
        kept: names of the marts that models still make; retired: marts of the last run that none makes.
        held_back: channels whose rows were built but keep those of the last run.
    """

    marts: Mapping[str, Model]
    channels: Collection[str]
    removed: Collection[str]
    kept: Collection[str]
    retired: Collection[str]
    held_back: Collection[str]


def publish(engine: Engine, publication: Publication, state: Mapping[str, str]) -> None:
    """Write the marts and the fingerprints of their channels; all of it appears at once."""
    _prepare(engine, publication)
    before = engine.published(MARTS_SCHEMA)
    for model in publication.marts.values():
        if model.name in before:
            _keep_flags(engine, model, before[model.name])
    with engine.publishing():
        for model in publication.marts.values():
            _write(engine, model, before.get(model.name), publication)
        for name in publication.retired:
            _drop(engine, name)
        _write_state(engine, state, publication)


def _prepare(engine: Engine, publication: Publication) -> None:
    for table, channels in (("run__published", publication.channels), ("run__removed", publication.removed)):
        engine.connection.execute(f"create temporary table {table} (channel_id varchar)")
        fill(engine, table, channels)
    dated = [
        f"select channel_id, as_of_date from {quoted(m.name)}"  # noqa: S608
        for m in publication.marts.values()
        if m.docs.keeps_history
    ]
    none = "select cast(null as varchar) as channel_id, cast(null as date) as as_of_date where 1 = 0"
    together = " union all ".join([none, *dated])
    engine.connection.execute(
        f"create temporary table run__dates as select distinct d.channel_id, d.as_of_date from ({together}) as d"  # noqa: S608
        " where d.channel_id in (select channel_id from run__published)"
    )


def _replaced(model: Model) -> str:
    """Which rows `m` of a mart the run's rows take the place of."""
    if model.docs.keeps_history:
        return (
            "exists (select 1 from run__dates as d where d.channel_id = m.channel_id and d.as_of_date = m.as_of_date)"
        )
    return "m.channel_id in (select channel_id from run__published)"


def _write(engine: Engine, model: Model, before: Mapping[str, str] | None, publication: Publication) -> None:
    shape = engine.shape(model.name)
    needed = ["channel_id", *(["as_of_date"] if model.docs.keeps_history else [])]
    if missing := [name for name in needed if name not in shape]:
        raise ProjectError(model.path, None, f"has no column {missing[0]}; a mart's rows belong to a channel.")
    target, connection = engine.target(model.name), engine.connection
    if engine.in_draft:
        if publication.held_back:
            connection.execute(f"delete from {target} where channel_id not in (select channel_id from run__published)")  # noqa: S608
        if before:
            _carry_over(engine, model, shape, before, target)
        return
    listed = ", ".join(map(quoted, shape))
    mine = "channel_id in (select channel_id from run__published)"
    new = f"select {listed} from {quoted(model.name)} where {mine}"  # noqa: S608
    if before == shape:
        # two statements: joined by `or` they would read the whole mart where an index finds the rows
        connection.execute(f"delete from {target} as m where {_replaced(model)}")  # noqa: S608
        if publication.removed:
            connection.execute(f"delete from {target} where channel_id in (select channel_id from run__removed)")  # noqa: S608
        connection.execute(f"insert into {target} {new}")
        return
    draft = engine.target(f"{model.name}__new")
    connection.execute(f"create table {draft} as {new}")
    if before:
        _carry_over(engine, model, shape, before, draft)
    _drop(engine, model.name)
    connection.execute(f"alter table {draft} rename to {quoted(model.name)}")
    if engine.dialect == "postgres":
        connection.execute(f"create index on {target} (channel_id)")
        connection.execute(f"comment on table {target} is {_text(model.description)}")


def _drop(engine: Engine, name: str) -> None:
    """Drop a mart that is gone or is made anew. TransformError names the views on it, which nobody drops unasked."""
    try:
        engine.connection.execute(f"drop table if exists {engine.target(name)}")
    except SqlError as error:
        if error.kind != "DependentObjectsStillExist":
            raise
        on_it = re.findall(r"((?:materialized )?view \S+) depends on", str(error)) or ["something"]
        raise TransformError(
            f"the columns of {MARTS_SCHEMA}.{name} changed, and {', '.join(on_it)} reads it. Drop that, run the "
            "transform again, then make it anew. Nothing was published; the marts are those of the last run."
        ) from error


def _carry_over(engine: Engine, model: Model, shape: Mapping[str, str], before: Mapping[str, str], draft: str) -> None:
    """Copy the rows that stay into the new shape; a value that no longer fits its column becomes null."""
    old = engine.previous(model.name)
    shared = [name for name in shape if name in before]
    cast = "try_cast" if engine.dialect == "duckdb" else "cast"

    stays = f"m.channel_id not in (select channel_id from run__removed) and not {_replaced(model)}"  # noqa: S608

    def copy(columns: Collection[str]) -> None:
        listed = ", ".join(map(quoted, columns))
        values = ", ".join(f"{cast}(m.{quoted(n)} as {shape[n]})" for n in columns)
        engine.connection.execute(
            f"insert into {draft} ({listed}) select {values} from {old} as m where {stays}"  # noqa: S608
        )

    try:
        with engine.guarded():
            copy(shared)
    except SqlError:  # Postgres has no try_cast: columns of another type start anew
        copy([name for name in shared if before[name] == shape[name]])


def _keep_flags(engine: Engine, model: Model, before: Mapping[str, str]) -> None:
    """A flag that was once true under a key stays true when the key is written again."""
    key = [name for name in model.docs.primary_key if name in before]
    if len(key) < len(model.docs.primary_key) or not key:
        return
    same = " and ".join(f"o.{quoted(n)} = {quoted(model.name)}.{quoted(n)}" for n in key)
    for flag in (name for name in model.docs.sticky_flags if name in before):
        engine.connection.execute(
            f"update {quoted(model.name)} set {quoted(flag)} = true where exists"  # noqa: S608
            f" (select 1 from {engine.previous(model.name)} as o where {same} and o.{quoted(flag)})"
        )


def _write_state(engine: Engine, state: Mapping[str, str], publication: Publication) -> None:
    _rewrite(engine, "channel_state", "channel_id varchar, fingerprint varchar", sorted(state.items()))
    marts = sorted((engine.published(MARTS_SCHEMA).keys() & set(publication.kept)) | publication.marts.keys())
    _rewrite(engine, "published_marts", "name varchar", [(name,) for name in marts])


def _rewrite(engine: Engine, name: str, columns: str, rows: Sequence[tuple[str, ...]]) -> None:
    table = engine.target(name, STATE_SCHEMA)
    engine.connection.execute(f"create table if not exists {table} ({columns})")
    engine.connection.execute(f"delete from {table}")  # noqa: S608
    if rows:
        one = f"({', '.join('?' * len(rows[0]))})"
        values = [value for row in rows for value in row]
        engine.connection.execute(f"insert into {table} values {', '.join([one] * len(rows))}", values)  # noqa: S608


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

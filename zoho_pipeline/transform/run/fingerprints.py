"""Finds the channels that must be built again: each channel has one fingerprint of all data of its marts.

The fingerprint is a hash of three things:
- the files of the project, and the versions of the rules that dictionaries read texts and hosts by;
- the channel's rows in every raw table that a model reads (in large tables, the number of rows and their times,
  because each load stamps the rows that it writes);
- the channel's rows in the models whose yml says `config.meta.decides_rebuild: true`. The channel's clock is one:
  a new as-of time, or data that became stale, changes numbers although no row changed.
Without such a model, the build time is hashed too, and each run builds every channel. This is slower, but never wrong.
"""

import hashlib
from collections.abc import Collection, Iterable

from zoho_pipeline.transform.dictionaries.dictionary import rules_version
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.build import Builder, Parameters
from zoho_pipeline.transform.run.engine import Engine, quoted
from zoho_pipeline.warehouse.connection import STATE_SCHEMA

_ALL = " group by r.channel_id"
"""The end of a query on a raw table. A condition goes before it; it is no part of the text that is hashed."""


def stored_fingerprints(engine: Engine) -> dict[str, str]:
    """Channel → fingerprint of what is published; empty before the first transform."""
    if "channel_state" not in engine.published(STATE_SCHEMA):
        return {}
    table = engine.previous("channel_state", STATE_SCHEMA)
    return dict(engine.connection.fetch(f"select channel_id, fingerprint from {table}")[1])  # noqa: S608


def stored_marts(engine: Engine) -> set[str]:
    """The marts of the last run. Only these may be dropped when no model makes them; other tables are not ours."""
    if "published_marts" not in engine.published(STATE_SCHEMA):
        return set()
    table = engine.previous("published_marts", STATE_SCHEMA)
    return {row[0] for row in engine.connection.fetch(f"select name from {table}")[1]}  # noqa: S608


def fingerprints(
    builder: Builder, channels: Collection[str], parameters: Parameters, *, are_some: bool = False
) -> dict[str, str]:
    """Channel → fingerprint of what raw holds now. Call it inside `engine.raw()`.

    Args:
        are_some: raw has many other channels. Only the rows of `channels` are read then, which takes longer where
            they are most of the rows. The fingerprints are the same.

    Raises:
        DataBroke: a model that decides the rebuild met a value that it could not handle.
    """
    project, engine = builder.project, builder.engine
    deciding = [m.name for m in project.models.values() if m.docs.meta.get("decides_rebuild")]
    shared = project.fingerprint + rules_version() + ("" if deciding else repr(parameters))
    digests = {channel: hashlib.sha256(shared.encode()) for channel in channels}
    builder.for_channels(channels)
    builder.build(project.ancestors(deciding))
    of = " where r.channel_id in (select channel_id from run_channels)" if are_some else ""
    queries = [*_raw_queries(engine, project), *(_model_query(engine, name) for name in deciding)]
    for query in queries:
        for channel, *values in sorted(engine.connection.fetch(query.replace(_ALL, of + _ALL))[1], key=repr):
            if channel in digests:
                digests[channel].update(f"{query}{values!r}\0".encode())
    return {channel: digest.hexdigest() for channel, digest in digests.items()}


def _raw_queries(engine: Engine, project: Project) -> Iterable[str]:
    """One query per raw table that models read; its rows are (channel, number of rows, sum of their hashes)."""
    read = {table for model in project.models.values() for table in model.raw_tables}
    for table in sorted(read & project.raw_tables.keys()):
        columns = project.raw_tables[table]
        rows = engine.connection.fetch(f"select count(*) from {engine.raw_name(table)}")[1][0][0]  # noqa: S608
        yield (
            f"select r.channel_id, count(*), cast(sum({engine.row_hash('r', columns, rows)}) as varchar)"  # noqa: S608
            f" from {engine.raw_name(table)} as r{_ALL}"
        )


def _model_query(engine: Engine, model: str) -> str:
    shape = [name for name in engine.shape(model) if name != "channel_id"]
    values = ", ".join(f"cast({quoted(name)} as varchar)" for name in shape)
    return f"select channel_id, {values} from {quoted(model)}"  # noqa: S608

"""Queries of a sync on the raw tables of a channel, or of some channels, in SQL that both engines understand."""

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS, RawTable
from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.deletions import Known
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection

IDS_PER_QUERY = 5_000


def known_deletions(
    connection: Connection, channel_ids: Collection[str], module: str | None = None
) -> dict[str, dict[str, dict[str, Known]]]:
    """The deletions of channels that were not undone, by channel, module and id, in one query.

    Args:
        module: only those of one module.
    """
    of = "" if module is None else " and module = ?"
    wanted = sorted(channel_ids)
    rows = connection.fetch(
        f"select channel_id, module, id, deleted_time, deletion_type from {RAW_SCHEMA}.deleted_records"  # noqa: S608
        f" where channel_id = any(?) and restored_at is null{of}",
        (wanted,) if module is None else (wanted, module),
    )[1]
    found: dict[str, dict[str, dict[str, Known]]] = {channel_id: {} for channel_id in wanted}
    for channel_id, of_module, id_, deleted_time, deletion_type in rows:
        found[channel_id].setdefault(of_module, {})[id_] = Known(deleted_time, deletion_type)
    return found


@dataclass(frozen=True)
class Summary:
    """What one query shows of the rows of a channel in one table.

    Attributes:
        rows: all of them, also those of deleted records. `latest` and `latest_converted`: their latest change, and
            their latest conversion.
        live: the rows that are live and were created before an instant (see `live_totals`).
    """

    rows: int
    latest: datetime | None
    latest_converted: datetime | None
    live: Totals


NOTHING = Summary(0, None, None, Totals(0, None, None))
"""The summary of a table in which a channel has no rows."""


def summaries(
    connection: Connection,
    tables: Collection[tuple[str, RawTable]],
    before: Mapping[str, datetime],
    deleted: Container[str] | None = None,
) -> dict[tuple[str, str, str], Summary]:
    """The summary of these tables for each of these channels, by (channel, module, name of the table), in one query.

    A query per channel, table and question costs more: most of its cost is the planning. So modules that share a table
    share a part of the query too: one part per module of 25 channels took 8 s of planning, with ten modules each.

    Args:
        tables: each with the module whose deletions its rows can have.
        before: the channels, each with the instant before which its live rows count.
        deleted: the modules with deletions that were not undone; None: any may have some. The others need no join with
            them, which is half of the cost of planning.
    """
    if not tables or not before:
        return {}
    part_of = {(m, t.name): _Part(m, t, is_joined=deleted is None or m in deleted) for m, t in tables}
    sharing: dict[tuple[str, str, bool], list[_Part]] = {}
    for part in part_of.values():
        sharing.setdefault(part.key, []).append(part)
    params: list[Any] = [value for channel in before.items() for value in channel]
    for first, *others in sharing.values():
        params += first.params([first.module, *(other.module for other in others)])
    channels = ", ".join("(?, cast(? as timestamp with time zone))" for _ in before)
    # Postgres plans for the one channel that it sees. Of channels in a materialised part it expects few rows each.
    kept = "not materialized" if len(before) == 1 else "materialized"
    selects = " union all ".join(first.sql for first, *_ in sharing.values())
    rows = connection.fetch(f"with asked (channel_id, before) as {kept} (values {channels}) {selects}", params)[1]
    found = {
        (channel_id, name, module): Summary(int(n), latest, converted, Totals(int(live), *live_latest))
        for name, channel_id, module, n, latest, converted, live, *live_latest in rows
    }
    return {
        (channel_id, module, name): found.get(
            (channel_id, name, module if part.table.is_shared else part.key[1]), NOTHING
        )
        for channel_id, ((module, name), part) in product(before, part_of.items())
    }


@dataclass(frozen=True)
class _Part:
    """The part of the query of `summaries` for one module of a table.

    Attributes:
        key: equal for modules that can share a part: their table has a column `module`, or the module changes nothing.
    """

    module: str
    table: RawTable
    is_joined: bool

    @property
    def key(self) -> tuple[str, str, bool]:
        return self.table.name, "" if self.table.is_shared or not self.is_joined else self.module, self.is_joined

    def params(self, modules: list[str]) -> list[Any]:
        """The values of the marks, in the order of `sql`. `modules`: those that share this part."""
        if self.table.is_shared:
            return [sorted(modules)]
        return [self.key[1], *([self.module] if self.is_joined else [])]

    @property
    def sql(self) -> str:
        table, names = self.table, {column.name for column in self.table.columns}
        module = "t.module" if table.is_shared else "?"
        joined, conditions = "", []
        if self.is_joined:
            joined = (
                f" left join {RAW_SCHEMA}.deleted_records d on d.channel_id = t.channel_id and d.module = {module}"
                " and d.id = t.id and d.restored_at is null"
            )
            conditions.append("d.id is null")
        if "created_time" in names:
            conditions.append("(t.created_time is null or t.created_time < a.before)")
        is_live = f"filter (where {' and '.join(conditions)})" if conditions else ""
        has_conversions = "converted_date_time" in names
        converted = "t.converted_date_time" if has_conversions else "cast(null as timestamp with time zone)"
        return (  # the names come from the catalogue
            f"select '{table.name}' as table_name, a.channel_id, cast({module} as text) as module, count(*) as n_rows,"  # noqa: S608
            f" max(t.modified_time) as latest, max({converted}) as latest_converted, count(*) {is_live} as n,"
            f" max(t.modified_time) {is_live} as changed, max({converted}) {is_live} as converted"
            f" from asked a join {RAW_SCHEMA}.{table.name} t on t.channel_id = a.channel_id{joined}"
            f"{' where t.module = any(?)' if table.is_shared else ''}"
            f" group by a.channel_id{', t.module' if table.is_shared else ''}"
        )


def held(connection: Connection, table: RawTable, channel_id: str, ids: Collection[str]) -> set[str]:
    """Those of these ids that the table has, also of deleted records."""
    return {row["id"] for row in _by_ids(connection, table, "id", channel_id, ids)}


def values_of(
    connection: Connection, table: RawTable, column: str, channel_id: str, ids: Collection[str]
) -> dict[str, tuple[Any, datetime | None]]:
    """id → (value of a column, modified_time) of the stored rows among these ids."""
    rows = _by_ids(connection, table, f"id, {column} as value, modified_time", channel_id, ids)
    return {row["id"]: (row["value"], row["modified_time"]) for row in rows}


def columns_of_ids(
    connection: Connection, table: RawTable, columns: Sequence[str], channel_id: str, ids: Collection[str]
) -> dict[str, dict[str, Any]]:
    """id → these columns of the stored rows among these ids."""
    return {row["id"]: row for row in _by_ids(connection, table, ", ".join(columns), channel_id, ids)}


def versions_since(
    connection: Connection,
    table: RawTable,
    channel_id: str,
    since: datetime,
    limit: int,
    before: datetime | None = None,
) -> list[tuple[str, datetime]]:
    """(id, modified_time) of the newest `limit` rows modified in [since, before), newest first."""
    until = "" if before is None else " and modified_time < ?"
    rows = connection.rows(
        f"select id, modified_time from {table.source} t where channel_id = ? and modified_time >= ?{until}"  # noqa: S608
        f" order by modified_time desc limit {int(limit)}",
        (channel_id, since) if before is None else (channel_id, since, before),
    )
    return [(row["id"], row["modified_time"]) for row in rows]


def latest_change(connection: Connection, table: RawTable, channel_id: str) -> datetime | None:
    """The latest modified_time of a channel's rows, also of deleted records; None: there are no rows."""
    rows = connection.rows(
        f"select max(modified_time) as latest from {table.source} t where channel_id = ?",  # noqa: S608
        (channel_id,),
    )
    return rows[0]["latest"] if rows else None


def live_totals(connection: Connection, table: RawTable, module: str, channel_id: str, before: datetime) -> Totals:
    """Count, latest change and latest conversion of the rows that are live and were created before an instant."""
    found = summaries(connection, [(module, table)], {channel_id: before})
    return found[channel_id, module, table.name].live


def is_empty(connection: Connection, table: RawTable, channel_id: str) -> bool:
    """Whether the channel has no row in the table."""
    return not connection.rows(
        f"select 1 as one from {table.source} t where channel_id = ? limit 1",  # noqa: S608
        (channel_id,),
    )


def has_created_since(connection: Connection, table: RawTable, channel_id: str, instant: datetime) -> bool:
    """Whether a channel has a row that says that it was created at or after an instant."""
    sql = f"select 1 from {table.source} t where channel_id = ? and created_time >= ? limit 1"  # noqa: S608
    return bool(connection.fetch(sql, (channel_id, instant))[1])


def converted_since(connection: Connection, table: RawTable, channel_id: str, since: datetime) -> frozenset[str]:
    """Ids of the leads converted at or after an instant; none for other tables."""
    if all(column.name != "converted_date_time" for column in table.columns):
        return frozenset()
    rows = connection.rows(
        f"select id from {table.source} t where channel_id = ? and converted_date_time >= ?",  # noqa: S608
        (channel_id, since),
    )
    return frozenset(row["id"] for row in rows)


def open_deletions(connection: Connection, channel_id: str, module: str, ids: Collection[str]) -> list[dict[str, Any]]:
    """The rows of `deleted_records` of these records that have not been undone."""
    if not ids:
        return []
    columns = ", ".join(column.name for column in DELETED_RECORDS.columns)
    return connection.rows(
        f"select {columns} from {RAW_SCHEMA}.deleted_records"  # noqa: S608
        " where channel_id = ? and module = ? and restored_at is null and id = any(?)",
        (channel_id, module, sorted(ids)),
    )


def open_stays(
    connection: Connection, history: RawTable, parent: str, channel_id: str, parents: Collection[str]
) -> set[str]:
    """The ids of the stays of these parents that Zoho tracks and that have not ended."""
    rows = connection.rows(
        f"select id from {RAW_SCHEMA}.{history.name} where channel_id = ? and moved_to is null and basis = 'tracker'"  # noqa: S608
        f" and {parent} = any(?)",
        (channel_id, sorted(parents)),
    )
    return {row["id"] for row in rows}


def _by_ids(
    connection: Connection, table: RawTable, columns: str, channel_id: str, ids: Collection[str]
) -> Iterator[dict[str, Any]]:
    wanted = sorted(ids)
    for start in range(0, len(wanted), IDS_PER_QUERY):
        part = wanted[start : start + IDS_PER_QUERY]
        yield from connection.rows(
            f"select {columns} from {table.source} t where channel_id = ? and id = any(?)",  # noqa: S608
            (channel_id, part),
        )

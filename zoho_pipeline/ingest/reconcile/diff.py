"""Compares Zoho and the warehouse id by id: records that only one of them has, and versions that differ.

Some changes leave no trace: a merge whose loser is in no list, a restore that moves no time, a record that a sharing
rule shows or hides. So ids are compared, by the cheapest route, and what differs is repaired in the same sync.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from zoho_pipeline.ingest.catalog.field_selection import FieldPlan
from zoho_pipeline.ingest.catalog.tables import RawTable
from zoho_pipeline.ingest.routes.change_probe import CREATED, QUERY_REFUSED
from zoho_pipeline.ingest.routes.records_route import KeysetReader
from zoho_pipeline.ingest.routes.window import Window
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.server_clock import time_or_none
from zoho_pipeline.zoho.errors import BadAnswer
from zoho_pipeline.zoho.parsing import is_digits
from zoho_pipeline.zoho.read import coql
from zoho_pipeline.zoho.read.pages import Row

VERSION_FIELDS = ("Modified_Time", "Created_Time")


@dataclass(frozen=True)
class Version:
    """When a record was changed and converted, in whole seconds since 1970. `changed` is 0 if nobody can read it."""

    changed: int
    converted: int | None = None


@dataclass
class Difference:
    """The result of a comparison. `unknown`: ids that only Zoho shows. `vanished`: ids that only the warehouse has.
    `stale`: ids with another version in the warehouse. `impossible`: ids of Zoho that no record can have; each is in
    `rejected_records`, and no call can ask for one."""

    route: str
    source_rows: int = 0
    stored_rows: int = 0
    unknown: set[str] = field(default_factory=set)
    vanished: set[str] = field(default_factory=set)
    stale: set[str] = field(default_factory=set)
    impossible: set[str] = field(default_factory=set)

    @property
    def equal(self) -> bool:
        return not (self.unknown or self.vanished or self.stale)


def source_versions(
    client: ZohoClient,
    module: str,
    window: Window,
    *,
    by_query: bool,
    created: bool = True,
    tell: Callable[[int], object] = lambda _: None,
) -> tuple[str, dict[str, Version]]:
    """Every record that Zoho shows, created before the window's end: (route, id → version).

    Args:
        created: queries can name Created_Time.
        tell: is called with the number of records of each page.
    """
    if by_query:
        try:
            return "coql", _by_id(_queried(client, module, window.hi, tell, created))
        except QUERY_REFUSED:
            pass
    return "records", _by_id(_listed(client, module, window, tell))


def stored_versions(
    connection: Connection, table: RawTable, module: str, channel_id: str, before: datetime
) -> dict[str, Version]:
    """Every live record of the warehouse, created before an instant: id → version."""
    converted = "t.converted_date_time" if table.name == "leads" else "null"
    rows = connection.rows(
        f"select t.id, t.modified_time as changed, {converted} as converted from {table.source} t"  # noqa: S608
        f" left join {RAW_SCHEMA}.deleted_records d on d.channel_id = t.channel_id and d.module = ? and d.id = t.id"
        " and d.restored_at is null where t.channel_id = ? and d.id is null"
        " and (t.created_time is null or t.created_time < ?)",
        (module, channel_id, before),
    )
    return {row["id"]: Version(_second(row["changed"]) or 0, _second(row["converted"])) for row in rows}


def difference(route: str, source: Mapping[str, Version], stored: Mapping[str, Version], hi: datetime) -> Difference:
    """The differences. A record changed since the end of the window is not stale: it belongs to the next sync."""
    end = int(hi.timestamp())
    both = source.keys() & stored.keys()
    unknown = source.keys() - stored.keys()
    impossible = {id_ for id_ in unknown if not is_digits(id_)}
    return Difference(
        route=route,
        source_rows=len(source),
        stored_rows=len(stored),
        unknown=unknown - impossible,
        vanished=set(stored.keys() - source.keys()),
        stale={
            id_
            for id_ in both
            if source[id_].changed < end
            and (source[id_].changed != stored[id_].changed or _differs(source[id_].converted, stored[id_].converted))
        },
        impossible=impossible,
    )


def _differs(source: int | None, stored: int | None) -> bool:
    return source is not None and source != stored


def _by_id(versions: Iterable[tuple[str, Version]]) -> dict[str, Version]:
    """Id → version. Two rows without a usable id may have one name, if they are on different pages: both count."""
    found: dict[str, Version] = {}
    pages: dict[str, int] = {}
    for id_, version in versions:
        if id_ in found and not is_digits(id_):
            pages[id_] = pages.get(id_, 1) + 1
            id_ = f"{id_} / {pages[id_]}"
        found[id_] = version
    return found


def _queried(
    client: ZohoClient, module: str, before: datetime, tell: Callable[[int], object], created: bool
) -> Iterator[tuple[str, Version]]:
    known = (*VERSION_FIELDS, "Converted_Date_Time") if module == "Leads" else VERSION_FIELDS
    fields = [name for name in known if created or name != CREATED]
    after = "0"
    while True:
        page = coql.ids(client, module, after=after, limit=client.pacing.query_rows, fields=fields)
        tell(len(page.rows))
        yield from _versions(page.rows, before)
        if not page.more:
            return
        last = coql.last_id(page, after)
        if int(last) <= int(after):
            raise BadAnswer(f"COQL on {module}: more records follow, but the page ends where it began.")
        after = last


def _listed(
    client: ZohoClient, module: str, window: Window, tell: Callable[[int], object]
) -> Iterator[tuple[str, Version]]:
    names = (*VERSION_FIELDS, "Converted_Date_Time") if module == "Leads" else VERSION_FIELDS
    for batch in KeysetReader(client, module, FieldPlan(names), window).read(None):
        tell(len(batch.rows))
        yield from _versions(batch.rows, window.hi)


def _versions(rows: list[Row], before: datetime) -> Iterator[tuple[str, Version]]:
    for row in rows:
        created = time_or_none(row.get("Created_Time"))
        if created is not None and created >= before:
            continue
        changed, converted = (_second(time_or_none(row.get(name))) for name in ("Modified_Time", "Converted_Date_Time"))
        yield row["id"], Version(changed or 0, converted)


def _second(instant: datetime | None) -> int | None:
    if instant is None:
        return None
    return int((instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp())

"""What the warehouse held of a module when a sync began, and from where its changes are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from zoho_pipeline.ingest.extract import watermarks
from zoho_pipeline.ingest.extract.modules import Target
from zoho_pipeline.ingest.extract.step import ModuleState
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.raw.queries import is_empty, known_deletions, latest_change, live_totals, versions_since
from zoho_pipeline.ingest.routes.change_probe import Totals
from zoho_pipeline.ingest.routes.deletions import Known
from zoho_pipeline.ingest.routes.window import OVERLAP, OVERLAP_ROWS, SECOND, Window, parse
from zoho_pipeline.warehouse import RAW_SCHEMA, Connection


@dataclass(frozen=True)
class Before:
    """What there was.

    Attributes:
        since: everything changed before it is in; None: nothing is.
        recent: id → modified_time of rows at or after `since`, so that reading them again is no change.
        unsettled: from here on a second may not have been over when it was read: such rows are read again
            even if their Modified_Time is the one we hold. None: there are none.
        too_many: so many that they are not.
        proved: everything stamped before it is in, whatever any clock said (see `watermarks`). None: no row was read.
        again: rows from here on are loaded again although their version is held; None: all rows from `since` on.
        ahead: a stored mark is later than this run's own clock: one of the two clocks is wrong.
        converted: leads of which we know that they were converted at or after `since`.
        deletions, totals: known deletions; count and latest change of the live rows. `empty`: no row at all.
    """

    since: datetime | None
    recent: Mapping[str, datetime] = field(default_factory=dict)
    deletions: Mapping[str, Known] = field(default_factory=dict)
    empty: bool = True
    totals: Totals | None = None
    unsettled: datetime | None = None
    too_many: bool = False
    converted: frozenset[str] = frozenset()
    proved: datetime | None = None
    again: datetime | None = None
    ahead: bool = False


def overlap_start(cursor: datetime, newest: list[tuple[str, datetime]]) -> datetime:
    """The cursor less the overlap, or less of it where more rows lie there than fit a page.

    `newest`: (id, modified_time) at or after cursor − overlap, newest first.
    """
    if len(newest) <= OVERLAP_ROWS:
        return cursor - OVERLAP
    return min(cursor, newest[OVERLAP_ROWS - 1][1] + SECOND)


def look(
    connection: Connection, channel_id: str, target: Target, state: ModuleState, window: Window, limits: SyncLimits
) -> Before:
    """What a channel's rows of one module are at the start of a sync."""
    hi, lag = window.hi, window.lag
    cursor = parse(state.get("cursor"))
    known = known_deletions(connection, channel_id, target.module) if target.has_deletions else {}
    empty = is_empty(connection, target.table, channel_id)
    if cursor is None:
        return Before(None, {}, known, empty)
    proved = parse(state.get("proved")) or latest_change(connection, target.table, channel_id)
    ahead = watermarks.is_ahead(state, hi)
    cursor = min(cursor, hi)
    start = min(cursor, proved + SECOND if proved else watermarks.EVER)
    final_to = min(parse(state.get("final_to")) or cursor - lag - SECOND, cursor)
    if ahead:
        final_to = min(final_to, start - lag - SECOND)
    newest = versions_since(connection, target.table, channel_id, start - OVERLAP, OVERLAP_ROWS + 1)
    since = overlap_start(start, newest)
    again = None if start == cursor else cursor - OVERLAP
    unsettled, too_many = None, False
    late = versions_since(connection, target.table, channel_id, final_to, limits.most_unsettled + 1)
    if len(late) > limits.most_unsettled:
        too_many = True
    elif late:
        unsettled, since = final_to, min(since, final_to)
    recent = {id_: at for id_, at in {**dict(newest), **dict(late)}.items() if at >= since}
    totals = live_totals(connection, target.table, target.module, channel_id, hi) if target.has_deletions else None
    converted = _converted(connection, channel_id, target, since)
    return Before(since, recent, known, empty, totals, unsettled, too_many, converted, proved, again, ahead)


def _converted(connection: Connection, channel_id: str, target: Target, since: datetime) -> frozenset[str]:
    if all(column.name != "converted_date_time" for column in target.table.columns):
        return frozenset()
    rows = connection.rows(
        f"select id from {RAW_SCHEMA}.{target.table.name} where channel_id = ? and converted_date_time >= ?",  # noqa: S608
        (channel_id, since),
    )
    return frozenset(row["id"] for row in rows)

"""Reads the stored rows of a module at the start of a sync, and the instant from which changes must be read."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from zoho_pipeline.ingest.extract import watermarks
from zoho_pipeline.ingest.extract.baseline import Baseline
from zoho_pipeline.ingest.extract.modules import ModuleSpec
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.raw.queries import (
    Summary,
    converted_since,
    known_deletions,
    summaries,
    versions_since,
)
from zoho_pipeline.ingest.routes.deletions import Known
from zoho_pipeline.ingest.routes.window import EVER, OVERLAP, OVERLAP_ROWS, SECOND, Window
from zoho_pipeline.warehouse.connection import Connection


def read_baselines(
    connection: Connection,
    channel_id: str,
    specs: Sequence[ModuleSpec],
    state: ChannelState,
    window: Window,
    limits: SyncLimits,
) -> dict[str, Baseline]:
    """The baselines of several modules. Modules without a new row cost two queries together."""
    known = known_deletions(connection, channel_id)
    tables = {spec.module: spec.table for spec in specs}
    found = summaries(connection, tables, channel_id, window.hi, deleted=known.keys())
    return {
        spec.module: _baseline(
            connection,
            channel_id,
            spec,
            state.of(spec.module),
            window,
            limits,
            known.get(spec.module, {}) if spec.has_deletions else {},
            found[spec.module],
        )
        for spec in specs
    }


def read_baseline(
    connection: Connection, channel_id: str, spec: ModuleSpec, state: ModuleState, window: Window, limits: SyncLimits
) -> Baseline:
    """Read the rows of one channel and module at the start of a sync."""
    whole = ChannelState({spec.module: state})
    return read_baselines(connection, channel_id, [spec], whole, window, limits)[spec.module]


def _baseline(
    connection: Connection,
    channel_id: str,
    spec: ModuleSpec,
    state: ModuleState,
    window: Window,
    limits: SyncLimits,
    known: Mapping[str, Known],
    summary: Summary,
) -> Baseline:
    hi, lag, table, latest = window.hi, window.lag, spec.table, summary.latest
    empty = summary.rows == 0
    if state.cursor is None:
        return Baseline(None, deletions=known, empty=empty)
    proved = state.proved or latest
    ahead = watermarks.is_ahead(state, hi)
    cursor = min(state.cursor, hi)
    start = min(cursor, proved + SECOND if proved else EVER)
    final_to = min(state.final_to or cursor - lag - SECOND, cursor)
    if ahead:
        final_to = min(final_to, start - lag - SECOND)

    def versions(since: datetime, most: int, before: datetime | None = None) -> list[tuple[str, datetime]]:
        if latest is None or latest < since:
            return []
        return versions_since(connection, table, channel_id, since, most, before=before)

    newest = versions(start - OVERLAP, OVERLAP_ROWS + 1)
    since = overlap_start(start, newest)
    unsettled, too_many = None, False
    late = versions(final_to, limits.most_unsettled + 1, before=cursor)
    # no sync has read these in the order of change: notifications named them, or an edit moved them beyond its window
    beyond = versions(cursor, limits.most_unsettled + 1)
    if len(late) > limits.most_unsettled:
        too_many = True
    elif late:
        unsettled = final_to
    if beyond and unsettled is None:
        unsettled = cursor
    since = since if unsettled is None else min(since, unsettled)
    conversion = summary.latest_converted
    is_new = conversion is not None and conversion >= since
    return Baseline(
        since=since,
        recent={id_: at for id_, at in {**dict(newest), **dict(late), **dict(beyond)}.items() if at >= since},
        deletions=known,
        empty=empty,
        totals=summary.live if spec.has_deletions else None,
        unsettled=unsettled,
        too_many=too_many,
        converted=converted_since(connection, table, channel_id, since) if is_new else frozenset(),
        proved=proved,
        again=None if start == cursor else cursor - OVERLAP,
        ahead=ahead,
    )


def overlap_start(cursor: datetime, newest: list[tuple[str, datetime]]) -> datetime:
    """The cursor less the overlap, or less a shorter overlap if the rows of the whole one do not fit on one page.

    `newest`: (id, modified_time) of the rows at or after cursor − overlap, newest first.
    """
    if len(newest) <= OVERLAP_ROWS:
        return cursor - OVERLAP
    return min(cursor, newest[OVERLAP_ROWS - 1][1] + SECOND)

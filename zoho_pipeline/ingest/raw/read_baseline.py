"""Reads the stored rows of modules at the start of a sync, and the instant from which changes must be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class BaselineRequest:
    """A channel at the start of its sync, and the modules whose rows it asks for."""

    channel_id: str
    specs: Sequence[ModuleSpec]
    state: ChannelState
    window: Window
    limits: SyncLimits


def read_baselines(connection: Connection, requests: Sequence[BaselineRequest]) -> list[dict[str, Baseline]]:
    """The baselines of each request, by module. Modules without a new row cost two queries for all channels together.

    The channels of the requests differ.
    """
    known = known_deletions(connection, [request.channel_id for request in requests])
    # one module name can be another table in another channel: a tracker of Zoho's here, a chosen module there
    tables = {(spec.module, spec.table.name): spec.table for request in requests for spec in request.specs}
    before = {request.channel_id: request.window.hi for request in requests}
    deleted = {module for of_channel in known.values() for module in of_channel}
    found = summaries(connection, [(module, table) for (module, _), table in tables.items()], before, deleted)
    return [
        {
            spec.module: _baseline(
                connection,
                request,
                spec,
                known[request.channel_id].get(spec.module, {}) if spec.has_deletions else {},
                found[request.channel_id, spec.module, spec.table.name],
            )
            for spec in request.specs
        }
        for request in requests
    ]


def read_baseline(
    connection: Connection, channel_id: str, spec: ModuleSpec, state: ModuleState, window: Window, limits: SyncLimits
) -> Baseline:
    """Read the rows of one channel and module at the start of a sync."""
    request = BaselineRequest(channel_id, [spec], ChannelState({spec.module: state}), window, limits)
    return read_baselines(connection, [request])[0][spec.module]


def _baseline(
    connection: Connection, request: BaselineRequest, spec: ModuleSpec, known: Mapping[str, Known], summary: Summary
) -> Baseline:
    hi, lag, limits, channel_id = request.window.hi, request.window.lag, request.limits, request.channel_id
    state, table, latest = request.state.of(spec.module), spec.table, summary.latest
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

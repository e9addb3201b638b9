"""Which reference tables a sync may keep as they are, because an earlier sync has read them a short time ago.

Only syncs that notifications cause do that: they come every few minutes, and the side tables cost a third of their
credits. `sync_runs` says when each table was read, so the answer survives a restart and holds for every process.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from zoho_pipeline.ingest.catalog.tables import LEAD_STATUS_HISTORY, SYNC_RUNS
from zoho_pipeline.ingest.extract.modules import ModuleSpec, deal_history, lead_history
from zoho_pipeline.ingest.extract.state import ChannelState
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.routes.reference_tables import REFERENCE_READERS
from zoho_pipeline.warehouse.connection import RAW_SCHEMA

KEPT = "kept"
"""The route of a table that was not read again."""

SIDE_TABLES_KEPT = timedelta(hours=1)
"""A sync that notifications cause comes every few minutes: users, stages, hours and holidays are younger than this."""


def keep_fresh(sync: SyncContext, kept_for: timedelta | None) -> set[str]:
    """Report the reference tables that this sync keeps, and return their names.

    Args:
        kept_for: the age up to which a table is kept; None: each is read again.
    """
    if kept_for is None:
        return set()
    names = sorted(REFERENCE_READERS)
    read_at = _read_at(sync, names)
    now = sync.registry.database.now()
    # a time in the future came from a clock that was wrong
    kept = {name for name in names if (at := read_at.get(name)) is not None and now - kept_for <= at <= now}
    for name in sorted(kept):
        report = sync.reports[name] = ModuleReport(name, route=KEPT, window_end=sync.window.hi)
        report.route_reason = f"it was read at {read_at[name]:%H:%M} UTC, and a notification caused this sync"
    return kept


def known_histories(state: ChannelState) -> list[ModuleSpec]:
    """Zoho's own histories that earlier syncs have found."""
    own = [
        lead_history(name)
        for name, module in state.modules.items()
        if module.table == LEAD_STATUS_HISTORY.name and not module.absent
    ]
    return [deal_history(), *own]


def _read_at(sync: SyncContext, names: Sequence[str]) -> dict[str, datetime]:
    """When each table was last read to its end, by the clock of the registry."""
    places = ", ".join("?" for _ in names)
    query = (
        f"select module, max(finished_at) as at from {RAW_SCHEMA}.{SYNC_RUNS.name} where channel_id = ? "  # noqa: S608
        f"and outcome = 'complete' and route <> '{KEPT}' and module in ({places}) group by module"
    )
    with sync.warehouse.connect() as connection:
        return {row["module"]: row["at"] for row in connection.rows(query, (sync.channel.id, *names))}

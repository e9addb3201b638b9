"""What a sync leaves to be written at its end: reference tables, names, the channel's own rows, the log of the run.

The warehouse is written first, in one transaction: the rows of `sync_runs` and the channel's last complete sync become
visible together. The registry follows. So a process that dies in between leaves a channel that counts as not synced,
and as-of is never ahead of the rows or of `sync_runs`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zoho_pipeline.channels.platform import lead_changes as platform_changes
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.registry.sync_records import Run
from zoho_pipeline.ingest.catalog.field_map import discover
from zoho_pipeline.ingest.catalog.tables import BY_NAME, REJECTED_RECORDS, SYNC_RUNS
from zoho_pipeline.ingest.extract.row_filter import rejections
from zoho_pipeline.ingest.finish.push_proof import prove
from zoho_pipeline.ingest.forms.load_forms import try_to_load
from zoho_pipeline.ingest.load import row_names, sync_log
from zoho_pipeline.ingest.load.batch import newest_by_key
from zoho_pipeline.ingest.load.channel_tables import publish_channels
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.lookup_names import fill_names, has_bare_names
from zoho_pipeline.ingest.raw.small_tables import insert_rows, replace_all, upsert_rows
from zoho_pipeline.ingest.report import ModuleReport, SyncReport
from zoho_pipeline.warehouse.connection import RAW_SCHEMA, Connection
from zoho_pipeline.warehouse.warehouse import Warehouse

Row = dict[str, Any]


@dataclass(frozen=True)
class Ending:
    """A sync that has read everything, and is not written down yet. The sync holds the lock of its channel.

    Attributes:
        run: the results of the modules for the registry.
        finished_at: by the clock of the registry.
    """

    sync: SyncContext
    reports: Sequence[ModuleReport]
    run: Run
    finished_at: datetime

    @property
    def channel_id(self) -> str:
        return self.sync.channel.id


def prepare(sync: SyncContext) -> Ending:
    """Load what forms sent, and collect what remains to be written.

    Raises:
        LockLost: another sync of this channel may have begun.
    """
    reports = list(sync.reports.values())
    if reports:
        reports[0].tokens = _tokens(sync)
    # before as-of moves: a lead that the marts show from now on has the keys by which submissions find it
    try_to_load(sync.registry, sync.warehouse, [sync.channel.id])
    if has_bare_names(sync.state.modules):
        row_names.read_users_for_names(sync, sync.state.modules)
    sync.lock.ensure_held()
    spent = float(sync.client.meter.credits)
    run = sync_log.run_of(reports, sync.window.hi, run_id=sync.run_id, whole=sync.whole, spent=spent)
    return Ending(sync, reports, run, sync.registry.database.now())


def write(registry: Registry, warehouse: Warehouse, endings: Sequence[Ending], *, again: bool = False) -> None:
    """Write several endings in one transaction of the warehouse, then in one of the registry.

    Args:
        again: the warehouse may have them, because only the registry refused them.

    Raises:
        LockLost: one of the channels is not ours any more. Nothing was written.
    """
    runs = {ending.channel_id: ending.run for ending in endings}
    after = registry.after_runs(runs)
    with warehouse.connect(read_only=False) as connection:
        for ending in endings:
            ending.sync.lock.ensure_held()
        _write_references(connection, endings)
        _fill_names(connection, endings)
        found = {ending.channel_id: _found_fields(ending.sync) for ending in endings}
        publish_channels(connection, list(after.values()), registry.settings, found)
        for ending in endings if again else ():
            own = (ending.channel_id, ending.sync.run_id)
            connection.execute(f"delete from {RAW_SCHEMA}.{SYNC_RUNS.name} where channel_id = ? and run_id = ?", own)  # noqa: S608
        insert_rows(connection, SYNC_RUNS, [row for ending in endings for row in _log_rows(ending)])
    registry.record_runs(runs)


def conclude(ending: Ending) -> SyncReport:
    """Tell the platform, and compare with the notifications.

    Raises:
        ClockJumped, ReconnectNeeded, TokenThrottled: it stopped the sync.
    """
    sync = ending.sync
    platform_changes.tell_number(sync.registry, sync.channel)
    if sync.whole:
        prove(sync)
    if sync.fatal is not None:
        raise sync.fatal
    written = tuple(sorted(sync.written))
    return SyncReport(sync.channel.id, sync.run_id, list(ending.reports), sync.started_at, written)


def _write_references(connection: Connection, endings: Sequence[Ending]) -> None:
    """Write the reference tables as they are at Zoho, where they differ, and the values that did not fit."""
    wanted: dict[str, dict[str, list[Row]]] = {}
    for ending in endings:
        for part, found in ending.sync.references.items():
            for name, rows in found.tables.items():
                wanted.setdefault(name, {})[ending.channel_id] = rows
            if found.rejected:
                kept = rejections(ending.channel_id, part, found.rejected, ending.sync.window.now())
                upsert_rows(connection, REJECTED_RECORDS, newest_by_key(REJECTED_RECORDS, [kept]).to_pylist())
    for name, of_channels in wanted.items():
        changed = set(replace_all(connection, BY_NAME[name], of_channels))
        for ending in endings:
            if ending.channel_id in changed:
                ending.sync.written.add(name)


def _fill_names(connection: Connection, endings: Sequence[Ending]) -> None:
    for ending in endings:
        for reader in ending.sync.readers.values():
            if ending.sync.state.of(reader.spec.module).bare_names:
                fill_names(connection, reader.spec.table, ending.channel_id)


def _log_rows(ending: Ending) -> list[dict[str, Any]]:
    sync = ending.sync
    return [
        sync_log.row(ending.channel_id, sync.run_id, sync.started_at, report, ending.finished_at)
        for report in ending.reports
    ]


def _found_fields(sync: SyncContext) -> dict[str, str] | None:
    """The field map that this sync discovered. None if it read no fields of leads."""
    leads = sync.readers.get("Leads")
    if leads is None:
        return None
    if leads.fields.metas:
        return discover((meta.api_name, meta.label) for meta in leads.fields.metas)
    names = leads.state.names
    return discover((name, name) for name in names) if names else None


def _tokens(sync: SyncContext) -> int:
    """The number of requests for access tokens since the start of the sync."""
    return sync.registry.token_budget.requests_of(sync.channel.id, sync.started_at)

"""The two entry points of ingest: sync a channel, reconcile a channel.

If a module lacks something (scope, module, permission) or fails, its row in `sync_runs` says so. The others continue.
"""

import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from threading import Event
from typing import Any

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.access.verify import inspect
from zoho_pipeline.channels.database.locks import HeldLock, channel_lock
from zoho_pipeline.channels.errors import LockLost, RegistryError
from zoho_pipeline.channels.registry.model import PAUSED, Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.tables import BY_MODULE
from zoho_pipeline.ingest.extract.modules import (
    MODULE_SPECS,
    ModuleSpec,
    chosen_specs,
    deal_history,
    lead_history,
    module_spec,
)
from zoho_pipeline.ingest.extract.state import ChannelState
from zoho_pipeline.ingest.finish import ending
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.load import commit, lead_changes, sync_log
from zoho_pipeline.ingest.load.batch import AppendTracker
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.load.loader import Loader, LoadFailed
from zoho_pipeline.ingest.load.unchosen import forget_unchosen
from zoho_pipeline.ingest.reconcile.check_counts import check_counts
from zoho_pipeline.ingest.reconcile.silent_fields import reread_silent_fields
from zoho_pipeline.ingest.report import Comparison, ReconcileReport, Silent, SyncProgress, SyncReport
from zoho_pipeline.ingest.routes.reference_tables import REFERENCE_READERS
from zoho_pipeline.ingest.routes.window import Window
from zoho_pipeline.ingest.sync import emails
from zoho_pipeline.ingest.sync.kept_tables import keep_fresh, known_histories
from zoho_pipeline.ingest.sync.read_modules import MISSING, read_modules
from zoho_pipeline.ingest.sync.record_parts import read_parts
from zoho_pipeline.ingest.sync.sync_group import SyncGroup
from zoho_pipeline.settings import PipelineError, Settings, UsageError
from zoho_pipeline.warehouse.connection import WarehouseError
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import AnswerTooLarge, BadAnswer, Retryable, ZohoError
from zoho_pipeline.zoho.read import metadata

log = logging.getLogger(__name__)


def sync_channel(
    settings: Settings,
    registry: Registry,
    warehouse: Warehouse,
    channel_id: str,
    *,
    modules: Sequence[str] | None = None,
    full: bool = False,
    progress: SyncProgress | None = None,
    limits: SyncLimits | None = None,
    stop: Event | None = None,
    kept_for: timedelta | None = None,
    group: SyncGroup | None = None,
) -> SyncReport:
    """Bring a channel's raw rows up to date with Zoho.

    Args:
        modules: only these, by Zoho's API names. None means all.
        full: read every row again instead of the changed ones.
        progress: receives the number of rows while they are read.
        limits: sizes, prices, and the client's pacing. None means those of the product. A caller with other channels
            that wait, and a retry later, passes a pacing with fewer attempts.
        stop: another thread sets it to end the sync at its next checkpoint.
        kept_for: reference tables that were read within this time are not read again. None reads all.
        group: the syncs beside which this one runs. None: it runs alone.

    Raises:
        UsageError: a module that has no raw table. ChannelBusy: another sync of this channel runs.
        ReconnectNeeded, TokenThrottled, Retryable: no call to Zoho is possible.
        LoadFailed: the warehouse refused a load. Earlier loads stay.
        LockLost: another sync of this channel may have begun since then. Earlier loads stay.
        SyncStopped: `stop` was set. Earlier loads stay.
    """
    options: dict[str, Any] = {"modules": modules, "full": full, "progress": progress, "limits": limits, "stop": stop}
    options |= {"kept_for": kept_for, "group": group}
    return _run_channel(settings, registry, warehouse, channel_id, **options)[0]


def reconcile_channel(
    settings: Settings,
    registry: Registry,
    warehouse: Warehouse,
    channel_id: str,
    *,
    modules: Sequence[str] | None = None,
    progress: SyncProgress | None = None,
    limits: SyncLimits | None = None,
) -> ReconcileReport:
    """Sync a channel, then compare every module with Zoho id by id, and repair what differs.

    This finds changes without a trace (merges, restores, records that became visible or hidden), also after an outage
    that is longer than Zoho keeps deletions (60 days in the recycle bin, 120 days after a permanent deletion).

    The arguments are those of `sync_channel`. Raises what it raises.
    """
    options: dict[str, Any] = {"modules": modules, "reconcile": True, "progress": progress, "limits": limits}
    report, found = _run_channel(settings, registry, warehouse, channel_id, **options)
    return ReconcileReport(channel_id, report.run_id, list(found.values()), report)


def _run_channel(
    settings: Settings,
    registry: Registry,
    warehouse: Warehouse,
    channel_id: str,
    *,
    modules: Sequence[str] | None = None,
    full: bool = False,
    reconcile: bool = False,
    progress: SyncProgress | None = None,
    limits: SyncLimits | None = None,
    stop: Event | None = None,
    kept_for: timedelta | None = None,
    group: SyncGroup | None = None,
) -> tuple[SyncReport, dict[str, Comparison]]:
    started_at, limits = registry.database.now(), limits or SyncLimits()
    group = group or SyncGroup(registry, warehouse)
    waiting = partial(_say_waiting, channel_id, limits.lock_wait)
    with channel_lock(settings, channel_id, wait=limits.lock_wait, on_wait=waiting) as lock:
        channel = registry.get(channel_id)
        if channel.status == PAUSED:
            raise PipelineError(
                f"channel {channel_id} is paused. Resume it with: zoho-pipeline channels resume {channel_id}"
            )
        specs = _specs(channel, modules)
        with (
            group.turn(is_new=full or channel.last_complete_sync_at is None) as turn,
            group.under_way(channel_id),  # nobody waits for a channel that waits for its turn
            open_client(settings, registry, channel, pacing=limits.pacing) as client,
        ):
            run_id = f"{started_at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"

            def log_failure(error: PipelineError) -> None:
                names = _names_of(specs)
                with suppress(WarehouseError, RegistryError):  # the one that refused the rows, or holds the lock
                    logged = (registry, warehouse, channel_id, names, run_id, started_at, error)
                    sync_log.record_failure(*logged, spent=client.meter.credits, whole=modules is None)

            def count_credits() -> None:
                with suppress(RegistryError):
                    registry.add_credits(channel_id, client.meter.credits)

            try:
                opened = (settings, registry, warehouse, channel, client, lock, group)
                sync = _start(*opened, progress or Silent(), run_id, started_at, limits)
                sync.whole, sync.full, sync.reconcile, sync.stop = modules is None, full, reconcile, stop
                references = dict(REFERENCE_READERS) if modules is None else {}
                for name in keep_fresh(sync, kept_for) if references else ():
                    del references[name]
                if modules is None:
                    found = _histories(sync) if references else known_histories(sync.state)
                    specs += [spec for spec in found if spec.module not in _names_of(specs)]
                forget_unchosen(sync)
                read_modules(sync, specs, references, turn, group)
                check_counts(sync)
                commit.name_the_rest(sync)
                read_parts(sync)
                reread_silent_fields(sync)
                if modules is None and sync.fatal is None and emails.wanted(channel):
                    emails.sync_emails(sync)
            except (ZohoError, LoadFailed, LockLost) as error:
                log_failure(error)
                raise
            except BaseException:  # it was stopped, also by Ctrl-C, or has an error of ours
                count_credits()
                raise
            turn.end()
            try:
                ended = ending.prepare(sync)
                group.writer.ask(channel_id, ended)
            except (LockLost, WarehouseError) as error:
                log_failure(error)
                raise
            except BaseException:  # Ctrl-C, or the registry did not store its ending: its row is damaged
                count_credits()
                raise
            return ending.conclude(ended), sync.comparisons


def _say_waiting(channel_id: str, seconds: float) -> None:
    log.warning("channel %s is in use by another process. Waiting up to %g s.", channel_id, seconds)


def _names_of(specs: Sequence[ModuleSpec]) -> list[str]:
    return [spec.module for spec in specs]


def _specs(channel: Channel, modules: Sequence[str] | None) -> list[ModuleSpec]:
    chosen = {spec.module: spec for spec in chosen_specs(channel)}
    if modules is None:
        return [*MODULE_SPECS, *chosen.values()]
    if unknown := [name for name in modules if name not in BY_MODULE and name not in chosen]:
        names = ", ".join([*(name for name in BY_MODULE if name), *chosen])
        raise UsageError(
            f"channel {channel.id} does not read module {', '.join(unknown)}. It reads {names}. Add another one with: "
            f"zoho-pipeline channels set {channel.id} --module {unknown[0]}"
        )
    return [chosen.get(name) or module_spec(name) for name in dict.fromkeys(modules)]


def _start(
    settings: Settings,
    registry: Registry,
    warehouse: Warehouse,
    channel: Channel,
    client: ZohoClient,
    lock: HeldLock,
    group: SyncGroup,
    progress: SyncProgress,
    run_id: str,
    started_at: datetime,
    limits: SyncLimits,
) -> SyncContext:
    """Read the connected user, Zoho's clock, and the state that the last load left."""
    center = DataCenters.with_added(settings.data_centers).get(channel.data_center)
    channel = registry.refresh_connection(channel.id, inspect(client, center, channel.scopes))
    loader = Loader(settings, warehouse, channel.id, lock=lock)
    group.ensure_tables(loader)
    lead_changes.settle(registry, warehouse, channel)
    state = ChannelState.from_json(loader.state)
    read = [module.read_at for module in state.modules.values() if module.read_at is not None]
    return SyncContext(
        registry=registry,
        warehouse=warehouse,
        channel=channel,
        client=client,
        window=Window(client.server_time, settings.sync_lag_seconds, last_read=max(read, default=None)),
        loader=loader,
        lock=lock,
        run_id=run_id,
        started_at=started_at,
        progress=progress,
        limits=limits,
        state=state,
        appends=AppendTracker(()),
    )


def _histories(sync: SyncContext) -> list[ModuleSpec]:
    """Find Zoho's own histories. A history that is missing is inferred when rows are loaded."""
    try:
        found = metadata.history_modules(metadata.modules(sync.client))
        specs = [deal_history()]
        for name in found:
            if name == metadata.DEAL_HISTORY:
                continue
            try:
                fields = {field.api_name for field in metadata.fields(sync.client, name)}
            except BadAnswer as error:  # it may have no fields; the other histories have
                log.warning("channel %s: the history module %s cannot be read: %s", sync.channel.id, name, error)
                continue
            if {"Lead_Status", "Full_Name"} <= fields:
                specs.append(lead_history(name))
    except (*MISSING, AnswerTooLarge, Retryable) as error:
        log.warning("channel %s: history modules cannot be looked up: %s", sync.channel.id, error)
        specs = [deal_history()]
    return specs

"""A sync of one channel: Zoho → raw.

Modules are read side by side, each in a thread that only talks to Zoho; one thread, the caller's, loads.
Steps of several modules share a dlt run. What one module lacks (scope, module, permission) or fails at
is its own row in `sync_runs`; the others go on.
"""

import logging
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.access.verify import inspect
from zoho_pipeline.channels.errors import LockLost, RegistryError
from zoho_pipeline.channels.registry.locks import HeldLock, channel_lock
from zoho_pipeline.channels.registry.model import PAUSED, Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.tables import BY_MODULE
from zoho_pipeline.ingest.extract import watermarks
from zoho_pipeline.ingest.extract.baseline import Before, look
from zoho_pipeline.ingest.extract.extraction import Extraction
from zoho_pipeline.ingest.extract.modules import MODULE_TARGETS, Target, deal_history, lead_history, module_target
from zoho_pipeline.ingest.extract.step import Gathered, ModuleState, Step
from zoho_pipeline.ingest.extract.worker_pool import Done, Workers
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.load import commit
from zoho_pipeline.ingest.load.append_tracker import NewRows
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.load.loader import Loader, LoadFailed
from zoho_pipeline.ingest.raw.lookup_names import without_marks_of_named
from zoho_pipeline.ingest.reconcile import repair
from zoho_pipeline.ingest.report import Comparison, ModuleReport, ReconcileReport, Silent, SyncProgress, SyncReport
from zoho_pipeline.ingest.routes.reference_tables import SIDES
from zoho_pipeline.ingest.routes.window import Window, parse
from zoho_pipeline.ingest.sync import emails
from zoho_pipeline.settings import PipelineError, Settings, UsageError
from zoho_pipeline.warehouse import Warehouse, WarehouseError
from zoho_pipeline.zoho.accounts.data_centers import DataCenters
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import (
    ClockJumped,
    CreditsExhausted,
    ModuleMissing,
    NoPermission,
    NotSupported,
    ReconnectNeeded,
    Retryable,
    ScopeMissing,
    TokenThrottled,
    ZohoError,
)
from zoho_pipeline.zoho.read import metadata

log = logging.getLogger(__name__)

MISSING = (ScopeMissing, ModuleMissing, NoPermission, NotSupported)


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
) -> SyncReport:
    """Bring a channel's raw rows up to date with Zoho.

    Args:
        modules: these alone, by Zoho's API names; None is everything.
        full: read every row again instead of what changed.
        limits: sizes, prices, and the client's pacing: fewer tries where other channels wait and this one gets another
            try later.

    Raises:
        UsageError: a module we have no table for. ChannelBusy: another sync of this channel.
        ReconnectNeeded, TokenThrottled, Retryable: Zoho cannot be spoken to at all.
        LoadFailed: the warehouse did not take a step; earlier steps stand.
        LockLost: another sync of this channel may have begun meanwhile; earlier steps stand.
    """
    options: dict[str, Any] = {"modules": modules, "full": full, "progress": progress, "limits": limits}
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

    This finds what leaves no trace (merges, restores, records that became visible or hidden), also after an outage
    longer than Zoho remembers deletions (60 days in the recycle bin, 120 days after a permanent deletion).

    Raises what `sync_channel` raises.
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
) -> tuple[SyncReport, dict[str, Comparison]]:
    """A sync, and with `reconcile` a comparison of every module id by id; see `sync_channel`."""
    targets, started_at, limits = _targets(modules), registry.database.now(), limits or SyncLimits()
    waiting = partial(_say_waiting, channel_id, limits.lock_wait)
    with channel_lock(settings, channel_id, wait=limits.lock_wait, on_wait=waiting) as lock:
        channel = registry.get(channel_id)
        if channel.status == PAUSED:
            raise PipelineError(f"channel {channel_id} is paused. Take it up again: channels resume {channel_id}")
        with open_client(settings, registry, channel, pacing=limits.pacing) as client:
            run_id = f"{started_at:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"

            def account(error: PipelineError) -> None:
                names = [target.module for target in targets]
                with suppress(WarehouseError, RegistryError):  # the one that did not take the rows, or holds the lock
                    commit.account_of_failure(registry, warehouse, channel_id, names, run_id, started_at, error)

            try:
                opened = (settings, registry, warehouse, channel, client, lock)
                run = _start(*opened, progress or Silent(), run_id, started_at, limits)
                run.full, run.reconcile = full, reconcile
                targets += _histories(run) if modules is None else []
                _extract_and_load(run, targets, SIDES if modules is None else {})
                repair.check_counts(run)
                if modules is None and run.fatal is None and emails.wanted(channel):
                    emails.sync_emails(run)
            except (ZohoError, LoadFailed, LockLost) as error:
                account(error)
                raise
            try:
                return commit.finish(run), run.comparisons
            except LockLost as error:
                account(error)
                raise


def _say_waiting(channel_id: str, seconds: float) -> None:
    log.warning("channel %s is being worked on by another process; waiting up to %g s.", channel_id, seconds)


def _targets(modules: Sequence[str] | None) -> list[Target]:
    if modules is None:
        return list(MODULE_TARGETS)
    if unknown := [name for name in modules if name not in BY_MODULE]:
        names = ", ".join(name for name in BY_MODULE if name)
        raise UsageError(f"no table for module {', '.join(unknown)}. There are: {names}.")
    return [module_target(name) for name in dict.fromkeys(modules)]


def _start(
    settings: Settings,
    registry: Registry,
    warehouse: Warehouse,
    channel: Channel,
    client: ZohoClient,
    lock: HeldLock,
    progress: SyncProgress,
    run_id: str,
    started_at: datetime,
    limits: SyncLimits,
) -> SyncContext:
    """Who we speak for, Zoho's clock, and the state of the last completed step."""
    center = DataCenters.with_added(settings.data_centers).get(channel.data_center)
    own = client.metered()
    channel = registry.refresh_connection(channel.id, inspect(own, center, channel.scopes))
    registry.add_credits(channel.id, own.meter.credits)
    loader = Loader(settings, warehouse, channel.id, lock=lock)
    loader.ensure_tables()
    states: dict[str, ModuleState] = dict(loader.state.get("modules") or {})
    read = [at for state in states.values() if (at := parse(state.get("read_at"))) is not None]
    window = Window(client.server_time, settings.sync_lag_seconds, last_read=max(read, default=None))
    return SyncContext(
        settings=settings,
        registry=registry,
        warehouse=warehouse,
        channel=channel,
        client=client,
        window=window,
        loader=loader,
        lock=lock,
        run_id=run_id,
        progress=progress,
        states=states,
        started_at=started_at,
        limits=limits,
    )


def _histories(run: SyncContext) -> list[Target]:
    """Zoho's own histories where they can be found; what is missing is observed at loading instead."""
    own = run.client.metered()
    try:
        found = metadata.history_modules(metadata.modules(own))
        targets = [deal_history()]
        for name in found:
            if name == metadata.DEAL_HISTORY:
                continue
            fields = {field.api_name for field in metadata.fields(own, name)}
            if {"Lead_Status", "Full_Name"} <= fields:
                targets.append(lead_history(name))
    except (*MISSING, Retryable) as error:
        log.warning("channel %s: history modules cannot be looked up: %s", run.channel.id, error)
        targets = [deal_history()]
    finally:
        run.registry.add_credits(run.channel.id, own.meter.credits)
    return targets


def _extract_and_load(run: SyncContext, targets: Sequence[Target], sides: Iterable[str]) -> None:
    before = _before(run, targets)
    run.new_rows = NewRows({target.table.name for target in targets if before[target.module].empty})
    with Workers(run.limits) as workers:
        for target in targets:
            run.extractions[target.module] = extraction = _extraction(run, target, before[target.module])
            extraction.client.sleep = workers.sleep
            workers.start(target.module, extraction.steps)
        for name in sides:
            run.reports[name] = ModuleReport(name, window_end=run.window.hi)
            workers.start(name, lambda name=name: _side(run, name))  # type: ignore[misc]
        gathered = Gathered()
        for item in workers.items():
            if isinstance(item, Done):
                _done(run, item, workers, gathered)
                continue
            gathered.add(item)
            if gathered.is_full(run.limits):
                commit.load(run, gathered)
                gathered = Gathered()
    if isinstance(run.fatal, ClockJumped):
        raise run.fatal  # before the last load: which of the two times is right decides what was read to its end
    for extraction in run.extractions.values():
        extraction.client.sleep = run.client.sleep
    commit.last_load(run, gathered)


def _before(run: SyncContext, targets: Sequence[Target]) -> dict[str, Before]:
    """What the warehouse holds of each module around its cursor."""
    with run.warehouse.connect() as connection:
        run.states = without_marks_of_named(connection, run.channel.id, run.states)
        return {
            target.module: look(
                connection, run.channel.id, target, run.states.get(target.module, {}), run.window, run.limits
            )
            for target in targets
        }


def _extraction(run: SyncContext, target: Target, before: Before) -> Extraction:
    report = run.reports[target.module] = ModuleReport(target.module)
    return Extraction(
        target=target,
        channel_id=run.channel.id,
        client=run.client.metered(),
        window=run.window,
        state=watermarks.mended(dict(run.states.get(target.module, {})), run.window.hi),
        before=before,
        report=report,
        limits=run.limits,
        full=run.full,
        can_query=run.channel.allows("coql", target.module),
        can_bulk=target.reshape is None and run.channel.allows("bulk", target.module),
        advance=lambda rows, module=target.module: run.progress.advance(module, rows),  # type: ignore[misc]
    )


def _side(run: SyncContext, name: str) -> Iterable[Step]:
    report, client = run.reports[name], run.client.metered()
    started = time.monotonic()
    try:
        side = run.sides[name] = SIDES[name](client, run.channel, run.window.clock())
        report.rows, report.route, report.detail = side.rows, side.route, side.note
    finally:
        report.credits, report.requests = client.meter.credits, client.meter.requests
        report.seconds = time.monotonic() - started
    return ()


def _done(run: SyncContext, done: Done, workers: Workers, gathered: Gathered) -> None:
    """A module is through, or failed: say so, and stop all where nothing can be asked any more."""
    report = run.reports[done.name]
    if (extraction := run.extractions.get(done.name)) is not None:
        report.credits, report.requests = extraction.client.meter.credits, extraction.client.meter.requests
        report.seconds = done.seconds
    error = done.error
    if error is not None:
        report.note(str(error))
        if isinstance(error, MISSING):
            report.outcome = "skipped"
            if extraction is not None and not extraction.target.has_deletions:
                gathered.states[done.name] = {"table": extraction.target.table.name, "absent": True}
            if isinstance(error, ScopeMissing):
                run.registry.add_missing_scopes(run.channel.id, error.scopes)
        else:
            report.outcome = "stopped" if isinstance(error, CreditsExhausted) else "failed"
        log.warning("channel %s, module %s %s: %s", run.channel.id, done.name, report.outcome, error)
        if isinstance(error, ReconnectNeeded | TokenThrottled | ClockJumped):
            run.fatal = run.fatal or error
            workers.cancel()
    run.progress.finish(done.name)

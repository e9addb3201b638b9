"""Reads all modules and reference tables of a sync at the same time, and loads their checkpoints.

Each module is read in a thread that only calls Zoho. The thread of the caller loads. Checkpoints of several modules
share a load.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from zoho_pipeline.ingest.extract import watermarks
from zoho_pipeline.ingest.extract.baseline import Baseline
from zoho_pipeline.ingest.extract.checkpoints import Checkpoint
from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.modules import ModuleSpec
from zoho_pipeline.ingest.extract.state import ModuleState
from zoho_pipeline.ingest.finish import quiet
from zoho_pipeline.ingest.load import commit
from zoho_pipeline.ingest.load.batch import AppendTracker, LoadBatch
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.raw.read_baseline import BaselineRequest
from zoho_pipeline.ingest.report import ModuleReport, outcome_of
from zoho_pipeline.ingest.routes.reference_tables import ReferenceReader
from zoho_pipeline.ingest.sync.sync_group import SyncGroup, Turn
from zoho_pipeline.ingest.sync.worker_pool import Done, Waiting, WorkerPool
from zoho_pipeline.work_folders import TEMPORARY
from zoho_pipeline.zoho.errors import (
    ClockJumped,
    ModuleMissing,
    NoPermission,
    NotSupported,
    ReconnectNeeded,
    ScopeMissing,
    TokenThrottled,
)

log = logging.getLogger(__name__)

MISSING = (ScopeMissing, ModuleMissing, NoPermission, NotSupported)
"""Errors that mean: this connection cannot read the module. The module is skipped."""


def read_modules(
    sync: SyncContext,
    specs: Sequence[ModuleSpec],
    references: Mapping[str, ReferenceReader],
    turn: Turn,
    group: SyncGroup,
) -> None:
    """Read these modules and reference tables, and load everything except the reference tables.

    Without anything new, it loads nothing (see `quiet`).

    Args:
        turn: is told how many rows the sync holds.
        group: the syncs beside this one. They read their stored rows together.

    Raises:
        ClockJumped: Zoho's clock jumped. The last load did not happen.
        LoadFailed, LockLost, SyncStopped: the reading stopped. Earlier loads stay.
    """
    stored, is_loaded = sync.state, False
    baselines = _baselines(sync, specs, group)
    filled = {spec.table.name for spec in specs if not baselines[spec.module].empty}  # several modules may share one
    sync.appends = AppendTracker({spec.table.name for spec in specs} - filled)
    with WorkerPool(sync.limits, sync.stop) as workers:
        sync.window.sleep = workers.pause
        for spec in specs:
            sync.readers[spec.module] = reader = reader_of(sync, module_context(sync, spec, baselines[spec.module]))
            reader.client.sleep = workers.sleep
            workers.start(spec.module, reader.read)
        for name, read in references.items():
            sync.reports[name] = ModuleReport(name, window_end=sync.window.hi)
            workers.start(name, partial(_read_reference, sync, name, read))
        batch = LoadBatch()
        for item in workers.items():
            if isinstance(item, Done):
                _end(sync, item, workers, batch)
                continue
            has_time = item == Waiting() and batch.rows >= sync.limits.rows_while_waiting
            if isinstance(item, Checkpoint):
                batch.add(item)
                turn.holds(batch.rows)
            del item  # else its rows would stay in memory while they are loaded
            if has_time or batch.is_full(sync.limits):
                commit.load(sync, batch)
                batch, is_loaded = LoadBatch(), True
    if isinstance(sync.fatal, ClockJumped):
        raise sync.fatal  # before the last load, because only the right time shows what was read to its end
    sync.window.sleep = time.sleep
    for reader in sync.readers.values():
        reader.client.sleep = sync.client.sleep
    # rows that were only read again are no news, and a cursor that has moved with them needs its deletions
    if is_loaded or not quiet.is_quiet(sync, stored, batch):
        commit.last_load(sync, batch)


def _baselines(sync: SyncContext, specs: Sequence[ModuleSpec], group: SyncGroup) -> dict[str, Baseline]:
    """Read the stored rows of each module around its cursor. The channels of the group read together."""
    request = BaselineRequest(sync.channel.id, specs, sync.state, sync.window, sync.limits)
    sync.state, baselines = group.reader.ask(sync.channel.id, request)
    return baselines


def module_context(sync: SyncContext, spec: ModuleSpec, baseline: Baseline) -> ModuleContext:
    """The context of one module in a sync, with a report of its own."""
    report = sync.reports[spec.module] = ModuleReport(spec.module, table=spec.table.name)
    return ModuleContext(
        spec=spec,
        channel_id=sync.channel.id,
        client=sync.client.metered(),
        window=sync.window,
        baseline=baseline,
        report=report,
        limits=sync.limits,
        work=sync.registry.settings.home / TEMPORARY,
        full=sync.full or sync.state.of(spec.module).again,
        advance=partial(sync.progress.advance, spec.module),
    )


def reader_of(sync: SyncContext, module: ModuleContext) -> ModuleReader:
    """The reader of one module, from its state, by the routes that the connection allows."""
    spec = module.spec
    state = watermarks.corrected(sync.state.of(spec.module), sync.window.hi)
    can_bulk = spec.reshape is None and sync.channel.allows("bulk", spec.module)
    return ModuleReader(module, state, can_query=sync.channel.allows("coql", spec.module), can_bulk=can_bulk)


def _read_reference(sync: SyncContext, name: str, read: ReferenceReader) -> Iterable[Checkpoint]:
    """Read a reference table. It has no checkpoints: `finish.ending` writes it."""
    report, client = sync.reports[name], sync.client.metered()
    started = time.monotonic()
    try:
        found = sync.references[name] = read(client, sync.channel, sync.window.clock())
        report.rows, report.route, report.detail = found.rows, found.route, found.note
        report.rejected_rows = len(found.rejected)
    finally:
        report.count(client.meter)
        report.seconds = time.monotonic() - started
    return ()


def _is_told(sync: SyncContext, reader: ModuleReader, batch: LoadBatch) -> bool:
    """Remember that a chosen module is missing. Returns whether an earlier sync has told it: it is told once.

    A person who names the module is told again. The cursor stays, so that nothing is lost if the module comes back.
    """
    module = reader.spec.module
    known = sync.state.of(module)
    batch.states[module] = replace(batch.states.get(module, known), table=reader.spec.table.name, absent=True)
    return known.absent and sync.whole


def _end(sync: SyncContext, done: Done, workers: WorkerPool, batch: LoadBatch) -> None:
    """Report a module that was read to its end or failed. Stop all if no call to Zoho is possible any more."""
    report = sync.reports[done.name]
    if (reader := sync.readers.get(done.name)) is not None:
        report.count(reader.client.meter)
        report.seconds = done.seconds
    error = done.error
    if error is not None:
        report.note(str(error))
        if isinstance(error, MISSING):
            report.outcome = "skipped"
            if reader is not None and not reader.spec.has_deletions:
                batch.states[done.name] = ModuleState(table=reader.spec.table.name, absent=True)
            if reader is not None and reader.spec.is_chosen and _is_told(sync, reader, batch):
                del sync.reports[done.name], sync.readers[done.name]
                sync.progress.finish(done.name)
                return
            if isinstance(error, ScopeMissing):
                sync.registry.add_missing_scopes(sync.channel.id, error.scopes)
        else:
            report.outcome = outcome_of(error)
        log.warning("channel %s, module %s %s: %s", sync.channel.id, done.name, report.outcome, error)
        if isinstance(error, ReconnectNeeded | TokenThrottled | ClockJumped):
            sync.fatal = sync.fatal or error
            workers.cancel()
    sync.progress.finish(done.name)

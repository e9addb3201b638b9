"""The reading of one module in one run: the readers, deletions and comparison of a sync, on the mirror.

A sync loads its batches into the warehouse. Here each batch goes into the mirror, and the resource yields its rows at
the end of the run. So `commit`, `apply_deletions`, `check_counts` and `repair` work as they do in a sync.
"""

import logging
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pyarrow as pa

from zoho_pipeline.channels.database.locks import HeldLock
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.dlt_source.credentials import words_for_dlt
from zoho_pipeline.dlt_source.session import CHANNEL, MODULE, ORG, Session
from zoho_pipeline.ingest.catalog.tables import DELETED_RECORDS
from zoho_pipeline.ingest.extract.module_context import ModuleContext
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.modules import ModuleSpec
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.finish import quiet
from zoho_pipeline.ingest.load import commit
from zoho_pipeline.ingest.load.batch import AppendTracker, LoadBatch
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.raw.lookup_names import with_named
from zoho_pipeline.ingest.raw.queries import live_totals
from zoho_pipeline.ingest.raw.read_baseline import read_baseline
from zoho_pipeline.ingest.reconcile.check_counts import check_counts
from zoho_pipeline.ingest.report import ModuleReport, Silent
from zoho_pipeline.ingest.sync.read_modules import reader_of
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.zoho.errors import ModuleMissing, NoPermission, NotSupported, ScopeMissing

log = logging.getLogger(__name__)

MISSING = (ScopeMissing, ModuleMissing, NoPermission, NotSupported)
"""Errors that mean: this connection cannot read the module."""

MORE = "more"
"""The key in the state of a resource that says: the run ended before the module did (see `run_in_steps`)."""

_FAR = timedelta(days=36_500)
"""Also a record with an impossible time of creation counts as held."""

HELD = "held"
"""The key in the state of a resource under which the number of live rows, their latest change and their latest
conversion are that the destination has once the package is loaded."""

PROBLEM = "problem"
"""The key in the state of a resource under which the last comparison left a difference, as a text for a person."""


class ModuleReading:
    """Reads one module. Afterwards `resource_state` has what is true once the rows of the mirror are loaded.

    Args:
        resource_state: the state of the resource, which dlt stores with the package.
    """

    def __init__(self, session: Session, spec: ModuleSpec, resource_state: MutableMapping[str, Any]) -> None:
        self._session, self._spec, self._state = session, spec, resource_state
        stored = resource_state.get(MODULE)
        self._before = ModuleState.from_json(stored) if stored else ModuleState()
        self._sync = _context(session)
        self._counted = 0
        self._found: list[Any] | None = None

    @property
    def report(self) -> ModuleReport:
        return self._sync.reports[self._spec.module]

    def steps(self) -> Iterator[None]:
        """Read the module, and pause after each batch.

        Raises:
            ZohoError: nothing of this run is loaded, and the state stays that of the last run.
        """
        if self._session.is_full:
            self._state[MORE] = True
            return
        reader, sync, limits = self._reader(), self._sync, self._session.options.limits
        stored = sync.state
        batch, is_loaded = LoadBatch(), False
        for checkpoint in self._checkpoints(reader):
            batch.add(checkpoint)
            self._count()
            is_enough = self._session.is_full and self._can_go_on_later(reader)
            if is_enough or batch.is_full(limits):
                commit.load(sync, batch)
                batch, is_loaded = LoadBatch(), True
                yield
            if is_enough:
                self._doubt_what_was_held(reader)  # the step in which the module ends compares it
                self._store(more=True)
                return
        if is_loaded or not quiet.is_quiet(sync, stored, batch):
            commit.last_load(sync, batch)
        self._doubt_what_was_held(reader)
        check_counts(sync)
        commit.name_the_rest(sync)
        self._store(more=False)

    def _held(self) -> list[Any]:
        """What the mirror shows of the module: the number of live rows, their latest change and conversion (ISO)."""
        with self._session.mirror.connect() as connection:
            place = (connection, self._spec.table, self._spec.module, self._session.channel.id)
            found = live_totals(*place, self._session.window.hi + _FAR)
        return [found.count, *(at.isoformat() if at else "" for at in (found.changed, found.converted))]

    def _lacks_history(self) -> bool:
        """Whether the destination lacks rows of a history that the state counts. A history only grows."""
        held, found = self._state.get(HELD), self._found
        if self._spec.has_deletions or held is None or found is None:
            return False
        return bool(found[0] < held[0] or _is_behind(found, held))

    def _doubt_what_was_held(self, reader: ModuleReader) -> None:
        """Let the ids be compared if the destination lacks what the state counts: a person removed rows, or
        restored a backup. The cursor lies beyond these rows, and later changes would hide them from a query of totals.

        Another pipeline may have changed the number. That only counts if no query can compare it with Zoho.
        """
        held, found, module = self._state.get(HELD), self._found, self._spec.module
        if held is None or found is None or not self._spec.has_deletions:
            return
        if _is_behind(found, held) or (found != list(held) and not reader.routes.can_query):
            doubted = replace(self._sync.state.of(module), doubt=True)
            self._sync.state = ChannelState({**self._sync.state.modules, module: doubted})

    def _checkpoints(self, reader: ModuleReader) -> Iterator[Any]:
        """The checkpoints of the reader; none if the connection cannot read the module and nobody has named it."""
        try:
            yield from reader.read()
        except MISSING as error:
            if self._session.options.modules is not None and self._spec.has_deletions:
                raise
            log.warning("zoho_crm: %s is skipped: %s", self._spec.module, words_for_dlt(error))
            self.report.outcome = "skipped"
            self.report.note(words_for_dlt(error))

    def _reader(self) -> ModuleReader:
        """The reader of the module, once the mirror has what the destination has of it."""
        session, spec, sync = self._session, self._spec, self._sync
        if self._before.table is not None:  # without a state, every row is read
            session.mirror.fill(spec.table, session.stored.of_module(spec.table))
        if spec.has_deletions:
            session.mirror.fill(DELETED_RECORDS, session.stored.deletions(spec.module))
        with session.mirror.connect() as connection:
            found = ChannelState({spec.module: self._before} if self._before.table else {})
            sync.state = with_named(connection, session.channel.id, found)
            place = (connection, session.channel.id, spec, sync.state.of(spec.module), session.window)
            baseline = read_baseline(*place, session.options.limits)
        self._found = self._held() if self._before.table is not None else None
        report = sync.reports[spec.module] = ModuleReport(spec.module)
        module = ModuleContext(
            spec=spec,
            channel_id=session.channel.id,
            client=session.client.metered(),
            window=session.window,
            baseline=baseline,
            report=report,
            limits=session.options.limits,
            work=session.work,
            full=sync.state.of(spec.module).again or self._lacks_history(),
        )
        reader = sync.readers[spec.module] = reader_of(sync, module)
        return reader

    def _count(self) -> None:
        """Count the rows that are news. Rows of the overlap are read in each run, and would end each of them."""
        self._session.rows += self.report.rows - self._counted
        self._counted = self.report.rows

    def _can_go_on_later(self, reader: ModuleReader) -> bool:
        """Whether there is more to read, and the next run begins at another place than this one.

        A reading of every row again has no place to go on: the next run would begin at the first row.
        """
        now, before = reader.state, self._before
        if reader.module.full:
            return False
        return now.cursor != self._session.window.hi and (now.cursor, now.bulk) != (before.cursor, before.bulk)

    def _store(self, *, more: bool) -> None:
        """Hand the state to dlt, if it differs: a run without news loads nothing."""
        report = self.report
        if report.outcome == "skipped":
            self._state.pop(MORE, None)  # no further step of `run_in_steps` can read it either
            return
        known = self._sync.state.modules.get(self._spec.module)
        if known is not None:
            new = known.to_json()
            if new != self._state.get(MODULE):
                self._state[MODULE] = new
                self._state[ORG], self._state[CHANNEL] = self._session.channel.org_id, self._session.channel.id
        problem = report.detail if report.outcome == "failed" else None
        for name, value in ((MORE, more or None), (PROBLEM, problem), (HELD, self._held())):
            if value is None:
                self._state.pop(name, None)
            else:
                self._state[name] = value
        if report.outcome == "failed":
            log.warning("zoho_crm: %s is not complete: %s", self._spec.module, report.detail)
        log.info("zoho_crm: %s by %s: %d rows", self._spec.module, report.route or "-", report.rows)


class _Rows:
    """Stands where a sync has its `Loader`: a load goes into the mirror."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def load(
        self, tables: Mapping[str, Sequence[pa.Table]], state: Mapping[str, Any] | None = None, new: Any = ()
    ) -> None:
        del state, new  # the state goes to dlt at the end of the module
        self._session.mirror.put(tables)


class _NoRegistry:
    """Stands where a sync has its `Registry`: a source counts no credits, and remembers no scopes between runs."""

    def add_credits(self, channel_id: str, credits: float) -> None:
        del channel_id, credits


def _is_behind(found: Sequence[Any], held: Sequence[Any]) -> bool:
    """Whether the latest change or conversion of the destination is before that of the state.

    A conversion may leave the change as it was.
    """
    return any(now < before for now, before in zip(found[1:], held[1:], strict=False))


def _context(session: Session) -> SyncContext:
    return SyncContext(
        registry=cast(Registry, _NoRegistry()),
        warehouse=cast(Warehouse, session.mirror),
        channel=session.channel,
        client=session.client,
        window=session.window,
        loader=cast(Loader, _Rows(session)),
        lock=cast(HeldLock, None),  # dlt runs a pipeline once at a time
        run_id="",
        started_at=datetime.now(UTC),
        progress=Silent(),
        limits=session.options.limits,
        state=ChannelState(),
        appends=AppendTracker(()),
        reconcile=session.options.reconcile,
        references=session.references,
        infers_history=False,
    )

"""Load single records by their ids: what a notification named becomes fresh rows, with the sync's own conversion.

Cursors and watermarks stay where they are, because only a reading in the order of change may move them. So the next
sync reads every row again that is loaded here, and a notification can never make it miss one. Rows whose version the
warehouse has are not loaded again.
"""

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

from zoho_pipeline.channels.access.client_factory import open_client
from zoho_pipeline.channels.database.locks import HeldLock, channel_lock
from zoho_pipeline.channels.platform.lead_changes import tell_number
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.field_selection import FieldPlan, plan_from_memory, plan_from_metadata
from zoho_pipeline.ingest.catalog.tables import BY_MODULE, USERS
from zoho_pipeline.ingest.extract.baseline import Baseline
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.modules import module_spec
from zoho_pipeline.ingest.extract.row_filter import Tables
from zoho_pipeline.ingest.extract.schema_drift import whole_record, widened
from zoho_pipeline.ingest.extract.state import ChannelState, ModuleState
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.load import commit, lead_changes
from zoho_pipeline.ingest.load.apply_deletions import add_deletions
from zoho_pipeline.ingest.load.batch import AppendTracker, LoadBatch
from zoho_pipeline.ingest.load.context import SyncContext
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.raw.lookup_names import fill_user_names
from zoho_pipeline.ingest.raw.queries import is_empty, latest_change, values_of
from zoho_pipeline.ingest.raw.read_baseline import read_baseline
from zoho_pipeline.ingest.raw.small_tables import stored_rows
from zoho_pipeline.ingest.report import Silent
from zoho_pipeline.ingest.routes import by_id, coql_route
from zoho_pipeline.ingest.routes.window import EVER, Window, modified
from zoho_pipeline.ingest.sync.read_modules import module_context
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import NoPermission, NotSupported, ScopeMissing
from zoho_pipeline.zoho.read import coql, metadata
from zoho_pipeline.zoho.read.pages import Row

IDS_PER_QUERY = 100
FIELDS_EVERY = timedelta(hours=1)
"""How long the fields of a module are not asked for again. The next whole sync reads them anew in any case."""


class FieldPlans:
    """The fields of modules by channel, kept for an hour: a burst of records must not ask for them with each load."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[float, FieldPlan]] = {}

    def of(self, client: ZohoClient, channel_id: str, module: str, state: ModuleState, ids: Iterable[str]) -> FieldPlan:
        """The plan of a module, for one credit if it is not known yet.

        If the metadata cannot be read and no sync knew the fields, one of the records `ids` shows them.
        """
        kept = self._kept.get((channel_id, module))
        if kept is not None and time.monotonic() - kept[0] < FIELDS_EVERY.total_seconds():
            return kept[1]
        table = BY_MODULE[module]
        try:
            plan = plan_from_metadata(table, metadata.fields(client, module))
        except (ScopeMissing, NoPermission, NotSupported):
            plan = plan_from_memory(table, state.names, state.fields, state.unlisted)
            if not state.names and not state.fields:
                whole = whole_record(client, module, ids)
                if whole is None:
                    return plan
                plan = widened(table, plan, whole)
        self._kept[channel_id, module] = (time.monotonic(), plan)
        return plan


@dataclass
class RecordSession:
    """The reading of some records of one channel, inside its lock: `read` for each module, then one `load`.

    Attributes:
        loaded: module → rows that were new or newer, after `load`.
        credits: module → credits that its calls cost.
    """

    registry: Registry
    warehouse: Warehouse
    channel: Channel
    client: ZohoClient
    loader: Loader
    lock: HeldLock
    limits: SyncLimits
    plans: FieldPlans
    state: ChannelState
    loaded: dict[str, int] = field(default_factory=dict)
    credits: dict[str, float] = field(default_factory=dict)
    _rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    _plans: dict[str, FieldPlan] = field(default_factory=dict)
    _deletions: set[str] = field(default_factory=set)

    def knows(self, module: str) -> bool:
        """Whether a sync has read the module to its end once. Before, only a sync may load its rows."""
        return self.state.of(module).cursor is not None

    def read(self, module: str, ids: Sequence[str]) -> set[str]:
        """Read these records. Returns the ids that this user sees.

        Raises:
            ZohoError: nothing was loaded.
        """
        own = self.client.metered()
        try:
            plan = self._plans[module] = self.plans.of(own, self.channel.id, module, self.state.of(module), ids)
            found = self._fetch(own, module, plan, ids)
        finally:
            self._count(module, own)
        # a record whose answer has no usable id is left to the next sync, which compares the module
        asked = {id_: found[id_] for id_ in ids if id_ in found}
        self._rows.setdefault(module, {}).update(asked)
        return set(asked)

    def read_deletions(self, module: str) -> None:
        """Let `load` read the list of deletions of this module, as a sync does. Call it after a `read`."""
        self._deletions.add(module)

    def load(self) -> None:
        """Load what was read, in one dlt run.

        Raises:
            ZohoError, LoadFailed, LockLost: nothing was loaded.
        """
        modules = sorted({module for module, rows in self._rows.items() if rows} | self._deletions)
        if not modules:
            return
        read_at = [known.read_at for known in self.state.modules.values() if known.read_at is not None]
        window = Window(self.client.server_time, 0.0, last_read=max(read_at, default=None))
        sync = self._context(window)
        batch = LoadBatch()
        for module in modules:
            self._add(sync, module, batch)
        if batch.rows:
            commit.load(sync, batch)
            tell_number(self.registry, self.channel)

    def _fetch(self, client: ZohoClient, module: str, plan: FieldPlan, ids: Sequence[str]) -> dict[str, Row]:
        if self.channel.allows("coql", module) and coql_route.can_give_rows(module, plan):
            found: dict[str, Row] = {}
            try:
                for start in range(0, len(ids), IDS_PER_QUERY):
                    page = coql.by_ids(client, module, plan.names, ids[start : start + IDS_PER_QUERY])
                    found |= {row["id"]: row for row in page.rows}
                return found
            except coql_route.REFUSALS:
                pass  # the call for records shows them with the same rights
        return by_id.fetch(client, module, plan, ids)

    def _add(self, sync: SyncContext, module: str, batch: LoadBatch) -> None:
        """Add the rows of one module that are news, its deletions, and a state with unchanged cursors."""
        state, rows = self.state.of(module), self._rows.get(module, {})
        with self.warehouse.connect() as connection:
            reader = self._reader(sync, connection, module)
            latest = latest_change(connection, reader.spec.table, self.channel.id)
            rows = self._news(connection, reader, rows)
            users = stored_rows(connection, USERS, self.channel.id) if rows else []
        now = sync.window.now()
        tables: Tables = {}
        if rows:
            reader.rows.convert(list(rows.values()), now, tables)
            name = reader.spec.table.name
            tables[name] = [fill_user_names(part, reader.spec.table, users) for part in tables[name]]
        self.loaded[module] = len(rows)
        batch.put(tables)
        if module in self._deletions:
            reader.read_deletions()
            with self.warehouse.connect() as connection:
                add_deletions(sync, connection, reader, batch)
        self._count(module, reader.client)
        # the watermark of a module without rows must not come from a row that was loaded here
        proved = state.proved or latest or EVER
        batch.states[module] = replace(state, read_at=now, proved=proved)

    def _news(self, connection: Connection, reader: ModuleReader, rows: dict[str, Row]) -> dict[str, Row]:
        """The rows whose version the warehouse lacks, and those that the next sync reads again in any case."""
        module, state = reader.spec.module, self.state.of(reader.spec.module)
        stored = values_of(connection, reader.spec.table, "id", self.channel.id, list(rows))
        settled = state.final_to or state.cursor or EVER
        news = {
            id_: row
            for id_, row in rows.items()
            if id_ not in stored or stored[id_][1] != modified(row) or modified(row) >= settled
        }
        # no sync reads these again, and a query gives lookups without their names
        late = [id_ for id_, row in news.items() if modified(row) < settled]
        if late:
            whole = by_id.fetch(reader.client, module, self._plans[module], late)
            news = {id_: row for id_, row in news.items() if modified(row) >= settled} | whole
        return news

    def _reader(self, sync: SyncContext, connection: Connection, module: str) -> ModuleReader:
        spec, state = module_spec(module), self.state.of(module)
        if module in self._deletions:
            baseline = read_baseline(connection, self.channel.id, spec, state, sync.window, self.limits)
        else:
            baseline = Baseline(state.cursor, empty=is_empty(connection, spec.table, self.channel.id))
        context = module_context(sync, spec, baseline)
        reader = sync.readers[module] = ModuleReader(context, state, can_query=False, can_bulk=False)
        return reader

    def _context(self, window: Window) -> SyncContext:
        return SyncContext(
            registry=self.registry,
            warehouse=self.warehouse,
            channel=self.channel,
            client=self.client,
            window=window,
            loader=self.loader,
            lock=self.lock,
            run_id=f"records-{secrets.token_hex(3)}",
            started_at=self.registry.database.now(),
            progress=Silent(),
            limits=self.limits,
            state=self.state,
            appends=AppendTracker(()),
            users_asked=True,  # a sync reads them; here only the stored ones are used
        )

    def _count(self, module: str, client: ZohoClient) -> None:
        self.credits[module] = self.credits.get(module, 0.0) + client.meter.credits


@contextmanager
def record_session(
    settings: Settings,
    registry: Registry,
    warehouse: Warehouse,
    channel_id: str,
    plans: FieldPlans,
    limits: SyncLimits,
) -> Iterator[RecordSession]:
    """Hold the channel, and open what a `RecordSession` needs. The credits are counted at the end.

    Raises:
        ChannelBusy: a sync of this channel runs. UnknownChannel. WarehouseError: the warehouse is in use.
    """
    with channel_lock(settings, channel_id, wait=limits.lock_wait) as lock:
        channel = registry.get(channel_id)
        with open_client(settings, registry, channel, pacing=limits.pacing) as client:
            loader = Loader(settings, warehouse, channel_id, lock=lock)
            loader.ensure_tables()
            lead_changes.settle(registry, warehouse, channel)
            state = ChannelState.from_json(loader.state)
            try:
                yield RecordSession(registry, warehouse, channel, client, loader, lock, limits, plans, state)
            finally:
                registry.add_credits(channel_id, client.meter.credits)

"""The context that the parts of one sync share."""

from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from zoho_pipeline.channels.database.locks import HeldLock
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.extract.module_reader import ModuleReader
from zoho_pipeline.ingest.extract.state import ChannelState
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.load.batch import AppendTracker
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.report import Comparison, ModuleReport, SyncProgress
from zoho_pipeline.ingest.routes.reference_tables import ReferenceTables
from zoho_pipeline.ingest.routes.window import Window
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.warehouse.warehouse import Warehouse
from zoho_pipeline.zoho.connection.client import ZohoClient


@dataclass
class SyncContext:
    """One sync of one channel, from its start to its report.

    Attributes:
        state: the state that the last load stored in the warehouse.
        whole: every module is read, not only some that somebody named.
        stop: once it is set, the sync ends at its next checkpoint.
        full: every row is read again. `reconcile`: every module is compared with Zoho id by id.
        readers: by module. `references`: the reference tables that were read, by name. `reports`: of both.
        written: the reference tables that differed, and were written.
        comparisons: the results of comparisons id by id, by module.
        appends: remembers which tables were empty when the sync began.
        users_asked: users were read, although this sync does not read all tables.
        fatal: the error that ended the reading of all modules.
        infers_history: stays are inferred where Zoho keeps no history (see `raw/inferred_history`).
    """

    registry: Registry
    warehouse: Warehouse
    channel: Channel
    client: ZohoClient
    window: Window
    loader: Loader
    lock: HeldLock
    run_id: str
    started_at: datetime
    progress: SyncProgress
    limits: SyncLimits
    state: ChannelState
    appends: AppendTracker
    whole: bool = False
    stop: Event | None = None
    full: bool = False
    reconcile: bool = False
    readers: dict[str, ModuleReader] = field(default_factory=dict)
    references: dict[str, ReferenceTables] = field(default_factory=dict)
    reports: dict[str, ModuleReport] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    users_asked: bool = False
    fatal: PipelineError | None = None
    infers_history: bool = True

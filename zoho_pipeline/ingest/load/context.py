"""What the parts of one sync share."""

from dataclasses import dataclass, field
from datetime import datetime

from zoho_pipeline.channels.registry.locks import HeldLock
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.extract.extraction import Extraction
from zoho_pipeline.ingest.extract.step import ModuleState
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.load.append_tracker import NewRows
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.ingest.report import Comparison, ModuleReport, SyncProgress
from zoho_pipeline.ingest.routes.reference_tables import Side
from zoho_pipeline.ingest.routes.window import Window
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.warehouse import Warehouse
from zoho_pipeline.zoho.connection.client import ZohoClient


@dataclass
class SyncContext:
    """One sync of one channel, from its start to its report."""

    settings: Settings
    registry: Registry
    warehouse: Warehouse
    channel: Channel
    client: ZohoClient
    window: Window
    loader: Loader
    lock: HeldLock
    run_id: str
    progress: SyncProgress
    states: dict[str, ModuleState]
    started_at: datetime
    limits: SyncLimits
    full: bool = False
    extractions: dict[str, Extraction] = field(default_factory=dict)
    sides: dict[str, Side] = field(default_factory=dict)
    reports: dict[str, ModuleReport] = field(default_factory=dict)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    new_rows: NewRows = field(default_factory=lambda: NewRows(()))
    users_asked: bool = False
    reconcile: bool = False
    fatal: PipelineError | None = None

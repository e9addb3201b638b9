"""The context that the parts which read one module share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zoho_pipeline.ingest.extract.baseline import Baseline
from zoho_pipeline.ingest.extract.modules import ModuleSpec
from zoho_pipeline.ingest.limits import SyncLimits
from zoho_pipeline.ingest.report import ModuleReport
from zoho_pipeline.ingest.routes.window import Window
from zoho_pipeline.zoho.connection.client import ZohoClient


@dataclass(frozen=True)
class ModuleContext:
    """One module in one sync.

    Attributes:
        client: counts the credits of this module.
        baseline: the rows that the warehouse had when the sync began.
        work: the folder in HOME for downloads.
        full: every row is read, and the cursor is ignored.
        advance: shows the number of rows that were read.
    """

    spec: ModuleSpec
    channel_id: str
    client: ZohoClient
    window: Window
    baseline: Baseline
    report: ModuleReport
    limits: SyncLimits
    work: Path
    full: bool = False
    advance: Callable[[int], object] = int

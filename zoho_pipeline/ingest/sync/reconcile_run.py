"""Reconcile: a sync, then every module compared with Zoho id by id, and what differs repaired.

For what leaves no trace (merges, restores, records that became visible or hidden) and for outages
longer than Zoho remembers deletions (60 days in the recycle bin, 120 for good).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.reconcile.repair import Comparison
from zoho_pipeline.ingest.report import ModuleReport, Progress, SyncReport
from zoho_pipeline.ingest.sync.run import run_channel
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class ReconcileReport:
    """What a reconciliation found and repaired, and the sync that went before it.

    `repaired` counts records that differed; `complete`: every readable module was compared.
    """

    channel_id: str
    run_id: str
    comparisons: list[Comparison]
    sync: SyncReport

    @property
    def modules(self) -> list[ModuleReport]:
        return self.sync.modules

    @property
    def complete(self) -> bool:
        return self.sync.complete

    @property
    def repaired(self) -> int:
        return sum(c.added + c.updated + c.removed for c in self.comparisons)

    def as_dict(self) -> dict[str, Any]:
        return {
            "channel_id": self.channel_id,
            "run_id": self.run_id,
            "complete": self.complete,
            "repaired": self.repaired,
            "modules": [asdict(comparison) for comparison in self.comparisons],
        }


def reconcile_channel(
    settings: Settings,
    registry: Registry,
    warehouse: Warehouse,
    channel_id: str,
    *,
    modules: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> ReconcileReport:
    """Sync a channel, then compare and repair it; raises what `sync_channel` raises."""
    report, found = run_channel(
        settings, registry, warehouse, channel_id, modules=modules, reconcile=True, progress=progress
    )
    return ReconcileReport(channel_id, report.run_id, list(found.values()), report)

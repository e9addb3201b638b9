"""Stores sync results for tests that need a channel with earlier syncs, without a sync."""

from datetime import datetime
from typing import Any

from zoho_pipeline.channels.registry.model import ModuleSync
from zoho_pipeline.channels.registry.registry import Registry


def record_sync(
    registry: Registry,
    channel_id: str,
    module: str,
    upper_bound: datetime | None,
    outcome: Any,
    rows: int = 0,
    credits: float = 0.0,
    detail: str | None = None,
    route: str | None = None,
) -> None:
    """Store the result of one module, as a sync does at its end."""
    registry.record_syncs(channel_id, [ModuleSync(module, upper_bound, outcome, rows, credits, detail, route)])

"""The Dagster resource `services`: the settings, the registry and the warehouse, opened at first use.

Dagster stores run config and shows it in the UI, and settings hold secrets. So settings are never run config:
each process reads them from its own environment.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zoho_pipeline.settings import Settings
from zoho_pipeline.work_folders import remove_all_dead

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.registry import Registry
    from zoho_pipeline.ingest.limits import SyncLimits
    from zoho_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Services:
    """The registry and the warehouse of one deployment, opened at first use.

    `limits` are the limits of each sync; None means the limits of the product.
    """

    settings: Settings
    limits: "SyncLimits | None" = None

    @property
    def dialect(self) -> str:
        """`duckdb` or `postgres`, read from the URL, because the warehouse would import its drivers at each load."""
        return "postgres" if self.settings.warehouse_url.startswith("postgres") else "duckdb"

    @cached_property
    def registry(self) -> "Registry":
        from zoho_pipeline.channels.registry.registry import Registry

        remove_all_dead(self.settings.ensure_home())
        return Registry(self.settings)

    @cached_property
    def warehouse(self) -> "Warehouse":
        from zoho_pipeline.warehouse.warehouse import open_warehouse

        return open_warehouse(self.settings)

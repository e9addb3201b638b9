"""Resources: what an asset needs of the rooms below. One object, opened lazily, never in run config.

Settings hold secrets, and Dagster stores and shows run config; so the settings stay a plain Python
object that each process reads from its own environment.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from zoho_pipeline.settings import Settings

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.registry import Registry
    from zoho_pipeline.ingest.limits import SyncLimits
    from zoho_pipeline.warehouse import Warehouse


@dataclass(frozen=True)
class Rooms:
    """The registry and the warehouse of these settings, opened at first use.

    `limits`: the limits of each sync; None: the product's.
    """

    settings: Settings
    limits: "SyncLimits | None" = None

    @property
    def dialect(self) -> str:
        """`duckdb` or `postgres`, read off the URL: asking the warehouse would import its drivers at each load."""
        return "postgres" if self.settings.warehouse_url.startswith("postgres") else "duckdb"

    @cached_property
    def registry(self) -> "Registry":
        from zoho_pipeline.channels.registry.registry import Registry

        self.settings.ensure_home()
        return Registry(self.settings)

    @cached_property
    def warehouse(self) -> "Warehouse":
        from zoho_pipeline.warehouse import open_warehouse

        return open_warehouse(self.settings)

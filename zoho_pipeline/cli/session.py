"""What most commands need: settings, logging, HOME, and the registry and the warehouse, opened at first use."""

from functools import cached_property
from typing import TYPE_CHECKING

from zoho_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.registry import Registry
    from zoho_pipeline.warehouse.warehouse import Warehouse


class Session:
    """The settings and services of one command. The constructor checks every setting, and creates HOME.

    Raises:
        SettingsError: a setting is wrong. PipelineError: HOME cannot be used.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        from zoho_pipeline.logs import configure_logging

        self.settings = settings or load_settings()
        configure_logging(self.settings.log_level)
        self.settings.ensure_home()

    @cached_property
    def registry(self) -> "Registry":
        from zoho_pipeline.channels.registry.registry import Registry

        return Registry(self.settings)

    @cached_property
    def warehouse(self) -> "Warehouse":
        from zoho_pipeline.warehouse.warehouse import open_warehouse

        return open_warehouse(self.settings)

    def publish_registry(self) -> None:
        """Write the channels and their settings to `zoho_raw`, where the models read them."""
        from zoho_pipeline.ingest.load.channel_tables import publish

        publish(self.settings, self.registry, self.warehouse)

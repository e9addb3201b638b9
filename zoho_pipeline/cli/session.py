"""What most commands need: settings, logging, HOME, and the registry and the warehouse, opened at first use."""

import logging
import os
from functools import cached_property
from typing import TYPE_CHECKING

from zoho_pipeline.settings import PipelineError, Settings, load_settings
from zoho_pipeline.work_folders import remove_all_dead

if TYPE_CHECKING:
    from zoho_pipeline.channels.registry.model import Channel
    from zoho_pipeline.channels.registry.registry import Registry
    from zoho_pipeline.warehouse.warehouse import Warehouse

log = logging.getLogger(__name__)


class Session:
    """The settings and services of one command. The constructor checks every setting, and creates HOME.

    Args:
        reads_only: the command only reads the marts or the raw tables. It runs where HOME cannot be written, or not
            even seen, and HOME is not created.

    Raises:
        SettingsError: a setting is wrong. PipelineError: HOME cannot be used.
    """

    def __init__(self, settings: Settings | None = None, *, reads_only: bool = False) -> None:
        from zoho_pipeline.logs import configure_logging

        self.settings = settings or load_settings()
        configure_logging(self.settings.log_level)
        if not reads_only:
            remove_all_dead(self.settings.ensure_home())

    @cached_property
    def registry(self) -> "Registry":
        from zoho_pipeline.channels.registry.registry import Registry

        return Registry(self.settings)

    @cached_property
    def warehouse(self) -> "Warehouse":
        from zoho_pipeline.warehouse.warehouse import open_warehouse

        return open_warehouse(self.settings)

    def channel_if_known(self, channel_id: str) -> "Channel | None":
        """A channel of the registry; None where this user cannot use the registry.

        To open the registry may mean to create it, to migrate it or to encrypt tokens with a newer key. So it needs a
        HOME that can be written.

        Raises:
            UnknownChannel: the registry can be used, and has no such channel.
        """
        from zoho_pipeline.channels.errors import UnknownChannel

        if not os.access(self.settings.home, os.W_OK | os.X_OK):
            return None
        try:
            return self.registry.get(channel_id)
        except UnknownChannel:
            raise
        except PipelineError as error:
            log.info("The registry cannot be read, so only the marts are shown: %s", error)
            return None

    def publish_registry(self) -> None:
        """Write the channels and their settings to `zoho_raw`, where the models read them."""
        from zoho_pipeline.ingest.load.channel_tables import publish

        publish(self.settings, self.registry, self.warehouse)

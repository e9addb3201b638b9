"""What each request needs: settings, the registry and the warehouse, opened once per process."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fastapi import Request

from zoho_pipeline.channels.database.clock import DatabaseClock
from zoho_pipeline.channels.database.database import Database
from zoho_pipeline.channels.database.stamp import RegistryStamp
from zoho_pipeline.channels.platform.keys import ApiKeys, CachedKeys
from zoho_pipeline.channels.platform.replays import Replays
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings

KEPT_CONNECTIONS = 16
"""Connections to the registry that stay open for reading. Opening one costs more than what a page reads with it. With 4
of them, each request of a queue opened its own, and so the queue grew."""

if TYPE_CHECKING:
    from zoho_pipeline.warehouse.connection import PublishedPool
    from zoho_pipeline.warehouse.warehouse import Warehouse


@dataclass
class WebServices:
    """The services of one web process. `starts_worker`: the command that serves runs a worker beside it."""

    settings: Settings
    service: ServiceSettings
    starts_worker: bool = False

    @cached_property
    def registry(self) -> Registry:
        return Registry(self.settings)

    @cached_property
    def reading(self) -> Database:
        """The registry's database on connections that stay open: for transactions that only read."""
        return self.registry.database.keeping_connections(KEPT_CONNECTIONS, most=None)

    @cached_property
    def stamp(self) -> RegistryStamp:
        """Differs after each change of the registry: for what is kept in memory (`StampedCache`)."""
        return RegistryStamp(self.registry.database)

    @cached_property
    def clock(self) -> DatabaseClock:
        """Aware UTC now, by the clock that all hosts of the registry share."""
        return DatabaseClock(self.registry.database)

    @cached_property
    def keys(self) -> CachedKeys:
        return CachedKeys(ApiKeys(self.registry.database), self.stamp, self.clock)

    @cached_property
    def replays(self) -> Replays:
        return Replays(self.registry.database, self.registry.encryptor)

    @cached_property
    def warehouse(self) -> "Warehouse":
        from zoho_pipeline.warehouse.warehouse import open_warehouse

        return open_warehouse(self.settings)

    @cached_property
    def published(self) -> "PublishedPool":
        """Kept connections to the published marts."""
        return self.warehouse.published_pool()


def services(request: Request) -> WebServices:
    """The services of the app: a FastAPI dependency."""
    found: WebServices = request.app.state.services
    return found

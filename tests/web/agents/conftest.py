"""The web server on the world with marks, and the official client of MCP."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.agents.conftest import connect, marked_world
from tests.agents.world import Marks
from tests.web.server import serving
from tests.web.world import put
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.app import create_app

__all__ = ["marked_world"]

Headers = dict[str, str]
Work = Callable[[Client], Awaitable[Any]]


@pytest.fixture
def world(marked_world: tuple[Path, Marks], settings: Settings, registry: Registry) -> Marks:
    """The channels of the world in the registry, and their marts published."""
    connect(registry)
    put(marked_world[0], settings.home)
    return marked_world[1]


@pytest.fixture
def port(world: Marks, settings: Settings) -> Iterator[int]:
    """The port of a server on loopback."""
    with serving(create_app(settings, ServiceSettings()), lifespan="on") as found:
        yield found


def talk(port: int, headers: Headers, work: Work, *, mode: str = "auto") -> Any:
    """Run `work` with a client that is connected to /mcp."""

    async def run() -> Any:
        async with httpx2.AsyncClient(headers=headers, timeout=30) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                return await work(client)

    return asyncio.run(run())

"""MCP over Streamable HTTP, as an ASGI application that begins to work at its first request.

It keeps no session: each request is authenticated and answered by itself, so a revoked key ends at once and every
process of the web server can answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from zoho_pipeline.agents.desk import Desk
from zoho_pipeline.agents.protocol.server import AgentServer, Asks

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
MOST_BODY = 64 * 1024


class McpApp:
    """The application of one event loop.

    Args:
        caller_of: the caller of a request, which was authenticated before.
        hosts: the values of `Host` that are answered; `name:*` allows any port. Others get 421.
        origins: the pages that may call it from a browser. Others get 403.
    """

    def __init__(self, desk: Desk, caller_of: Asks, version: str, hosts: Sequence[str], origins: Sequence[str]) -> None:
        self._desk, self._caller_of, self._version = desk, caller_of, version
        self._security = TransportSecuritySettings(allowed_hosts=list(hosts), allowed_origins=list(origins))
        self._starting = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._manager: StreamableHTTPSessionManager | None = None
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        manager = await self._started()
        await manager.handle_request(scope, receive, send)

    async def close(self) -> None:
        """End what runs. The application answers no more."""
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _started(self) -> StreamableHTTPSessionManager:
        async with self._starting:
            if self._manager is None:
                server = await asyncio.to_thread(AgentServer, self._desk, self._caller_of, self._version)
                server.streamable_http_app(
                    json_response=True,
                    stateless_http=True,
                    transport_security=self._security,
                    max_request_body_size=MOST_BODY,
                )
                manager = server.session_manager
                ready = asyncio.Event()
                self._task = asyncio.create_task(self._live(manager, ready))
                await ready.wait()
                self._manager = manager
        return self._manager

    async def _live(self, manager: StreamableHTTPSessionManager, ready: asyncio.Event) -> None:
        async with manager.run():
            ready.set()
            await self._stopping.wait()

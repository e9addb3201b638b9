"""`/mcp`: the Model Context Protocol, for agents with an API key or a session token.

The library `mcp` takes as long to import as the rest of the web server, and it is an optional part of the
installation. So it is imported at the first request of an agent.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.setting_checks import LOOPBACK_HOSTS
from zoho_pipeline.web.agents.callers import SCOPE, caller_for, desk_for, desk_of
from zoho_pipeline.web.auth.require import authenticate, check_scopes
from zoho_pipeline.web.http.problems import Problem, problem_answer
from zoho_pipeline.web.services import services

if TYPE_CHECKING:
    from zoho_pipeline.agents.protocol.http import McpApp

PATH = "/mcp"
METADATA = f"/.well-known/oauth-protected-resource{PATH}"
"""RFC 9728: what a client reads after a 401."""

router = APIRouter(include_in_schema=False)


class McpDoor:
    """The ASGI endpoint: it proves who asks, and then calls the application of the protocol.

    `path` names it in the metrics, as for a route.
    """

    path = PATH

    def __init__(self, app: FastAPI, service: ServiceSettings) -> None:
        self._app, self._service = app, service
        self._is_installed = find_spec("mcp") is not None
        self._running: tuple[asyncio.AbstractEventLoop, McpApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        request = Request({**scope, "app": self._app}, receive)
        try:
            if request.method != "POST":  # no stream is kept open, and there is no session to end
                raise Problem("method_not_allowed", "Send a POST with one message.", headers={"Allow": "POST"})
            caller = await run_in_threadpool(self._caller, request)
            if not self._is_installed:
                raise Problem("unavailable", "This server was installed without its part for agents.")
        except Problem as problem:
            await problem_answer(scope, self._named(problem))(scope, receive, send)
            return
        scope["state"]["agent"] = caller
        protocol = await self._protocol(request)
        await protocol(scope, receive, send)

    async def close(self) -> None:
        """End the application when the server stops."""
        if self._running is not None and self._running[0] is asyncio.get_running_loop():
            await self._running[1].close()

    def _caller(self, request: Request) -> Caller:
        """The agent. Problem `unauthenticated`, `tenant_required`, `forbidden` or `rate_limited`."""
        if not request.headers.get("Authorization"):  # a cookie is no proof here: a page could send it
            raise Problem("unauthenticated", "Send `Authorization: Bearer` with an API key or a session token.")
        principal = authenticate(request)
        check_scopes(principal, (SCOPE,))
        return caller_for(request, principal)

    def _named(self, problem: Problem) -> Problem:
        """The problem with what RFC 6750 and RFC 9728 want in its header."""
        reasons = {"unauthenticated": "invalid_token", "forbidden": "insufficient_scope"}
        if problem.code in reasons:
            where = f'resource_metadata="{self._service.public_url}{METADATA}"'
            shown = f'Bearer error="{reasons[problem.code]}", scope="{SCOPE}", {where}'
            problem.headers["WWW-Authenticate"] = shown
        return problem

    async def _protocol(self, request: Request) -> "McpApp":
        loop = asyncio.get_running_loop()
        if self._running is None or self._running[0] is not loop:  # in tests, an app may live in several loops
            made = await run_in_threadpool(_application)  # other requests do not wait for the import
            if self._running is not None and self._running[0] is loop:
                return self._running[1]
            hosts, origins = allowed(self._service)
            protocol = made(desk_of(request), _agent_of, version("zoho-pipeline"), hosts, origins)
            self._running = loop, protocol
        return self._running[1]


def _application() -> "type[McpApp]":
    from zoho_pipeline.agents.protocol.http import McpApp

    return McpApp


def _agent_of(request: Any) -> Caller:
    found: Caller = request.scope["state"]["agent"]
    return found


def allowed(service: ServiceSettings) -> tuple[list[str], list[str]]:
    """The hosts and the origins under which /mcp is reached: those of the public URL.

    On loopback, any name of this machine at any port will do: `serve --port` may listen elsewhere than the public URL
    says, and a page of another site can send none of these hosts.
    """
    if service.is_loopback:
        names = [f"[{name}]" if ":" in name else name for name in LOOPBACK_HOSTS]
        hosts = [*names, *(f"{name}:*" for name in names)]
        return hosts, [f"http://{host}" for host in hosts]
    parts = urlsplit(service.public_url)
    default = {"https": 443, "http": 80}[parts.scheme]
    hosts = [parts.netloc] if parts.port else [parts.netloc, f"{parts.netloc}:{default}"]
    return hosts, [service.public_url]


@router.get(METADATA)
def protected_resource(request: Request) -> JSONResponse:
    """What a client needs to know before it asks for a token. The tokens are those of `POST /v1/sessions`."""
    url = services(request).service.public_url
    found = {
        "resource": f"{url}{PATH}",
        "authorization_servers": [url],
        "scopes_supported": [SCOPE, "pii"],
        "bearer_methods_supported": ["header"],
        "resource_name": "zoho-pipeline",
    }
    return JSONResponse(found)


def mount(app: FastAPI, service: ServiceSettings) -> None:
    """Let the app answer agents at /mcp."""
    app.state.agent_desk = desk_for(app.state.services)
    door = McpDoor(app, service)
    app.state.mcp_door = door
    app.router.routes.append(Route(PATH, door, include_in_schema=False))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """The life of the app: what agents opened is closed at its end."""
    yield
    await app.state.mcp_door.close()

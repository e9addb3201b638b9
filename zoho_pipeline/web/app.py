"""The web application: its routes in one list, and what surrounds every request."""

from fastapi import FastAPI

from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.agents import context, mcp_door
from zoho_pipeline.web.api import catalogue, channels, events, leads, manage, sessions, syncs
from zoho_pipeline.web.api.stream_seats import StreamSeats
from zoho_pipeline.web.api.writebacks import routes as writebacks
from zoho_pipeline.web.auth import operator
from zoho_pipeline.web.connect import routes as connect
from zoho_pipeline.web.forms import routes as forms
from zoho_pipeline.web.forms.gate import FormGate
from zoho_pipeline.web.hooks import routes as hooks
from zoho_pipeline.web.hooks.gate import HookGate
from zoho_pipeline.web.http import idempotency, problems
from zoho_pipeline.web.http.access_log import AccessLog
from zoho_pipeline.web.http.bodies import BodyLimits
from zoho_pipeline.web.http.client_address import ClientAddress
from zoho_pipeline.web.http.headers import SecurityHeaders
from zoho_pipeline.web.http.kept_answers import KeptAnswers
from zoho_pipeline.web.http.methods import HeadAsGet
from zoho_pipeline.web.http.rate_limits import RateLimits
from zoho_pipeline.web.http.sized_cache import SizedCache
from zoho_pipeline.web.operations import docs, health, metrics, openapi
from zoho_pipeline.web.pages import routes as pages
from zoho_pipeline.web.pages.channel_page import kept_numbers
from zoho_pipeline.web.pages.renderer import compile_templates
from zoho_pipeline.web.services import WebServices

ROUTERS = (
    connect.router,
    catalogue.router,
    channels.router,
    leads.router,
    syncs.router,
    events.router,
    sessions.router,
    manage.router,
    hooks.router,
    forms.router,
    writebacks.router,
    context.router,
    mcp_door.router,
    operator.router,
    pages.router,
    health.router,
    metrics.router,
    docs.router,
)
DESCRIPTION = (
    "Connect the Zoho CRM of a tenant, read its leads and insight, and ask for a sync. Send an API key or a session "
    "token as `Authorization: Bearer`. An error is `application/problem+json` with a `code` that never changes."
)


def create_app(
    settings: Settings,
    service: ServiceSettings,
    *,
    starts_worker: bool = False,
    rate_limits: RateLimits | None = None,
    stream_seats: StreamSeats | None = None,
) -> FastAPI:
    """The ASGI application. Nothing is opened before the first request that needs it.

    Args:
        starts_worker: whether the command that serves keeps a worker running; `/readyz` then expects its lease.
        rate_limits, stream_seats: None means those of the product.
    """
    app = FastAPI(
        title="zoho-pipeline",
        version="1",
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own page loads scripts from a CDN
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=mcp_door.lifespan,
        redirect_slashes=False,  # it would send the browser to the host that the request names
    )
    app.state.services = WebServices(settings, service, starts_worker)
    app.state.rate_limits = rate_limits or RateLimits()
    app.state.stream_seats = stream_seats or StreamSeats()
    app.state.answers = SizedCache[bytes]()
    app.state.page_numbers = kept_numbers()
    app.state.metrics = metrics.Metrics()
    app.state.on_stop = []  # called when the server stops; streams of events end then
    problems.install(app)
    idempotency.install(app)
    for router in ROUTERS:
        app.include_router(router)
    mcp_door.mount(app, service)
    openapi.describe(app)
    # the last one that is added is the outermost
    app.add_middleware(idempotency.StoreAnswers)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimits)
    app.add_middleware(HookGate)
    app.add_middleware(FormGate)
    app.add_middleware(KeptAnswers, services=app.state.services, limits=app.state.rate_limits)
    app.add_middleware(AccessLog)
    app.add_middleware(ClientAddress, trusted=service.trusted_proxies)
    app.add_middleware(SecurityHeaders, is_https=service.is_https)
    app.add_middleware(metrics.CountRequests, metrics=app.state.metrics)
    _build_routes(app)
    compile_templates()
    return app


def _build_routes(app: FastAPI) -> None:
    """Let FastAPI make the models of every route now.

    It makes them when the first request looks for its route, which took that request 0.25 s of CPU. At 50 pages per
    second, the requests behind it waited for up to 0.6 s, and their queue lasted for three seconds.
    """
    for route in app.routes:
        route.matches({"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []})

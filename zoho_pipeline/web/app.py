"""The web application: its routes in one list, and what surrounds every request."""

from fastapi import FastAPI

from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.api import catalogue
from zoho_pipeline.web.connect import routes as connect
from zoho_pipeline.web.http import problems
from zoho_pipeline.web.http.headers import SecurityHeaders
from zoho_pipeline.web.http.unexpected import CatchErrors
from zoho_pipeline.web.operations import docs, health, metrics
from zoho_pipeline.web.pages import routes as pages
from zoho_pipeline.web.services import WebServices

ROUTERS = (connect.router, catalogue.router, pages.router, health.router, metrics.router, docs.router)
DESCRIPTION = (
    "Connect the Zoho CRM of a tenant, read its leads and insight, and ask for a sync. Send an API key or a session "
    "token as `Authorization: Bearer`. An error is `application/problem+json` with a `code` that never changes."
)


def create_app(settings: Settings, service: ServiceSettings, *, starts_worker: bool = False) -> FastAPI:
    """The ASGI application. Nothing is opened before the first request that needs it.

    Args:
        starts_worker: whether the command that serves keeps a worker running; `/readyz` then expects its lease.
    """
    app = FastAPI(
        title="zoho-pipeline",
        version="1",
        description=DESCRIPTION,
        docs_url=None,  # FastAPI's own page loads scripts from a CDN
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.services = WebServices(settings, service, starts_worker)
    app.state.metrics = metrics.Metrics()
    app.state.on_stop = []  # called when the server stops; streams of events end then
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(CatchErrors)
    app.add_middleware(SecurityHeaders, is_https=service.is_https)
    app.add_middleware(metrics.CountRequests, metrics=app.state.metrics)  # the last one is the outermost
    return app

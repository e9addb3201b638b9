"""`GET /metrics` for Prometheus, and the middleware that counts and times the requests.

A metric has no tenant and no channel: the page may be read by people who may not know them, and each value of a label
is a series of its own.
"""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoho_pipeline.channels.registry import platform_tables as platform
from zoho_pipeline.channels.registry import tables
from zoho_pipeline.web.auth.require import require
from zoho_pipeline.web.http.problems import not_found
from zoho_pipeline.web.services import WebServices, services

router = APIRouter(tags=["operations"])
LOOPBACK = ("127.0.0.1", "::1")
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The series of one web process."""

    def __init__(self) -> None:
        self.collectors = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("zoho_http_requests", "Answered requests.", labels, registry=self.collectors)
        self.seconds = Histogram(
            "zoho_http_request_seconds",
            "Seconds from the request to the end of its answer, without streams.",
            ("route",),
            buckets=BUCKETS,
            registry=self.collectors,
        )
        self.in_flight = Gauge(
            "zoho_http_requests_in_flight", "Requests that are being answered.", [], registry=self.collectors
        )
        state = ["state"]
        self.sync_requests = Gauge(
            "zoho_sync_requests", "Sync requests of the last day.", state, registry=self.collectors
        )
        self.deliveries = Gauge("zoho_webhook_deliveries", "Deliveries of events.", state, registry=self.collectors)
        self.channels = Gauge("zoho_channels", "Channels.", ["status"], registry=self.collectors)
        result = ["result"]
        self.push_deliveries = Counter(
            "zoho_push_deliveries", "Deliveries of notifications to this process.", result, registry=self.collectors
        )
        self.workers = Gauge("zoho_workers", "Workers with a lease.", [], registry=self.collectors)

    def read_registry(self, found: WebServices) -> None:
        """Set the gauges of what the registry holds."""
        with found.registry.database.read() as transaction:
            now = found.registry.database.now_in(transaction)
            for gauge, column in (
                (self.sync_requests, platform.sync_requests.c.state),
                (self.deliveries, platform.webhook_deliveries.c.status),
                (self.channels, tables.channels.c.status),
            ):
                gauge.clear()
                for value, count in transaction.execute(select(column, func.count()).group_by(column)):
                    gauge.labels(value).set(count)
            alive = select(func.count()).where(platform.workers.c.lease_until > now)
            self.workers.set(transaction.scalar(alive) or 0)


class CountRequests:
    """Counts each request under its route, so that ids in paths make no series."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, streams = time.perf_counter(), 500, False

        async def watched(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                streams = any(
                    value.startswith(b"text/event-stream")
                    for name, value in message["headers"]
                    if name == b"content-type"
                )
            await send(message)

        with self._metrics.in_flight.track_inprogress():
            try:
                await self._app(scope, receive, watched)
            finally:
                route = str(getattr(scope.get("route"), "path", "(none)"))
                self._metrics.requests.labels(_method(scope), route, str(status)).inc()
                if not streams:
                    self._metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _method(scope: Scope) -> str:
    known: dict[str, Any] = dict.fromkeys(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
    return str(scope["method"]) if scope["method"] in known else "other"


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "The Prometheus text format."}},
)
def metrics(request: Request, found: Annotated[WebServices, Depends(services)]) -> Response:
    """The setting ZOHO_PIPELINE_METRICS says who may read it: this machine, keys with the scope `metrics`, or nobody.

    A request that a proxy forwarded is not from this machine, even if the proxy is on it.
    """
    if found.service.metrics == "off":
        raise not_found()
    if found.service.metrics == "key":
        require("metrics")(request)
    elif request.client is None or request.client.host not in LOOPBACK or any(h in request.headers for h in FORWARDED):
        raise not_found()
    measured: Metrics = request.app.state.metrics
    measured.read_registry(found)
    return Response(generate_latest(measured.collectors), media_type=CONTENT_TYPE_LATEST)

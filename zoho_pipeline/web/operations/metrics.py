"""`GET /metrics` for Prometheus, and the middleware that counts and times the requests.

A metric has no tenant and no channel: the page may be read by people who may not know them, and each value of a label
is a series of its own.
"""

import math
import time
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from sqlalchemy import Connection, func, select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.registry import platform_tables as platform
from zoho_pipeline.channels.registry import tables
from zoho_pipeline.web.auth.require import require
from zoho_pipeline.web.http.problems import not_found, problem_responses
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
            "zoho_sync_requests", "Sync requests that the registry keeps.", state, registry=self.collectors
        )
        self.deliveries = Gauge("zoho_webhook_deliveries", "Deliveries of events.", state, registry=self.collectors)
        self.channels = Gauge("zoho_channels", "Channels.", ["status"], registry=self.collectors)
        result = ["result"]
        self.push_deliveries = Counter(
            "zoho_push_deliveries", "Deliveries of notifications to this process.", result, registry=self.collectors
        )
        self.form_posts = Counter(
            "zoho_form_posts",
            "Posts of forms to this process: accepted, suspect, replay, no_consent, or why one was refused.",
            result,
            registry=self.collectors,
        )
        self.workers = Gauge("zoho_workers", "Workers with a lease.", [], registry=self.collectors)
        self.push = PushMetrics(self.collectors)
        self.writeback = WritebackMetrics(self.collectors)

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
            self.push.read(transaction, now)
            self.writeback.read(transaction, now)


class PushMetrics:
    """What the registry holds of notifications. The worker measures it, so these are numbers of the last 24 hours."""

    def __init__(self, collectors: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=collectors)

        self.seconds = {
            "raw": gauge("zoho_push_to_raw_seconds", "From a change at Zoho to its loaded row.", "quantile"),
            "insight": gauge("zoho_push_to_insight_seconds", "From a change at Zoho to its numbers.", "quantile"),
        }
        self.expiry = gauge("zoho_push_expiry_seconds", "Until the first subscription ends.")
        self.missed = gauge("zoho_push_missed_total", "Changes that no notification named, since push is on.")
        self.credits = gauge("zoho_push_credits", "API credits that notifications cost.", "lane")
        self.subscriptions = gauge("zoho_push_subscriptions", "Subscriptions.", "state")

    def read(self, transaction: Connection, now: datetime) -> None:
        for name, values in push_queue.seconds_of(transaction, now).items():
            self.seconds[name].clear()
            for share in (0.5, 0.95, 0.99):
                if (found := push_queue.percentile(values, share)) is not None:
                    self.seconds[name].labels(str(share)).set(found)
        rows = platform.push_subscriptions
        ends = [
            (expires_at - now).total_seconds() - skew
            for expires_at, skew in transaction.execute(select(rows.c.expires_at, rows.c.skew_seconds))
            if expires_at is not None
        ]
        self.expiry.set(min(ends, default=math.nan))
        self.missed.set(transaction.scalar(select(func.sum(rows.c.missed_total))) or 0)
        self.subscriptions.clear()
        for state, count in transaction.execute(select(rows.c.state, func.count()).group_by(rows.c.state)):
            self.subscriptions.labels(state).set(count)
        day = now - timedelta(hours=24)
        loads, asked = platform.push_loads, platform.sync_requests
        record = select(func.sum(loads.c.credits)).where(loads.c.at > day)
        insight = select(func.sum(asked.c.credits)).where(asked.c.reason.in_(("push", "gap")), asked.c.asked_at > day)
        self.credits.labels("record").set(transaction.scalar(record) or 0)
        self.credits.labels("insight").set(transaction.scalar(insight) or 0)


class WritebackMetrics:
    """What the registry holds of write-back: wishes by state, how long they take and wait, and switches."""

    def __init__(self, collectors: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=collectors)

        self.wishes = gauge("zoho_writebacks", "Wishes for the status of a lead.", "state")
        self.waiting = gauge("zoho_writeback_decisions", "Conflicts that wait for a person.")
        self.oldest = gauge("zoho_writeback_oldest_seconds", "Since the oldest wish that is not at its end.")
        self.seconds = gauge(
            "zoho_writeback_seconds", "From a wish to its change at Zoho, of the last 24 hours.", "quantile"
        )
        self.switches = gauge("zoho_writeback_switches", "Channels by the state of their write-back.", "state")

    def read(self, transaction: Connection, now: datetime) -> None:
        rows, switches = platform.writebacks, platform.writeback_settings
        for gauge, column in ((self.wishes, rows.c.state), (self.switches, switches.c.state)):
            gauge.clear()
            for state, count in transaction.execute(select(column, func.count()).group_by(column)):
                gauge.labels(state).set(count)
        waits = select(func.count()).where(rows.c.state == "conflict", rows.c.resolution.is_(None))
        self.waiting.set(transaction.scalar(waits) or 0)
        oldest = transaction.scalar(select(func.min(rows.c.created_at)).where(rows.c.state.in_(("queued", "sending"))))
        self.oldest.set(0 if oldest is None else (now - oldest).total_seconds())
        ended = select(rows.c.created_at, rows.c.finished_at).where(
            rows.c.state == "done", rows.c.finished_at > now - timedelta(hours=24)
        )
        newest = ended.order_by(rows.c.finished_at.desc()).limit(push_queue.MOST_MEASURED)
        took = sorted((end - begun).total_seconds() for begun, end in transaction.execute(newest))
        self.seconds.clear()
        for share in (0.5, 0.95, 0.99):
            if (found := push_queue.percentile(took, share)) is not None:
                self.seconds.labels(str(share)).set(found)


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
    responses={
        **problem_responses("tenant_required", "unauthenticated", "forbidden", "not_found"),
        200: {"content": {"text/plain": {}}, "description": "The Prometheus text format."},
    },
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

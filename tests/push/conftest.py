"""Fixtures of the tests of push: an installation on the simulator, and a web server that Zoho's courier reaches."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from tests.ingest.conftest import ALL_SCOPES, CLIENT, CLIENT_SECRET, QUICK
from tests.ingest.conftest import raw_tables as raw_tables
from tests.web.server import serving
from tests.worker.conftest import QUICK_WORK, Place
from tests.worker.conftest import place as place
from tests.worker.conftest import registry_env as registry_env
from tests.worker.conftest import wait_for as wait_for
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.platform import push_subscriptions
from zoho_pipeline.channels.platform.push_subscriptions import Subscription
from zoho_pipeline.channels.registry import platform_tables as tables
from zoho_pipeline.push import hooks
from zoho_pipeline.push.limits import PushLimits
from zoho_pipeline.push.record_lane import RecordLane
from zoho_pipeline.push.subscribe import Subscriber
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Secret
from zoho_pipeline.simulator import Org
from zoho_pipeline.web.app import create_app
from zoho_pipeline.worker.worker import Worker

PUSH_SCOPES = f"{ALL_SCOPES},ZohoCRM.notifications.ALL"
PUSH_LIMITS = PushLimits(poll_seconds=0.05, requests_seconds=0.1, renewals_seconds=0.1, first_wait=0.2)


@dataclass
class PushBench:
    """An installation, its web server on a port, and what tests ask of it."""

    place: Place
    service: ServiceSettings
    url: str
    http: httpx.Client
    app: Any
    org: Org = field(init=False)

    def connect(self, channel_id: str = "acme", scopes: str = PUSH_SCOPES, leads: int = 3) -> Org:
        org = self.place.orgs[channel_id] = self.place.sim.add_org(name=channel_id)
        org.insert_many("Leads", [{"Last_Name": f"{channel_id} {n}", "Company": "Co"} for n in range(leads)])
        token = org.grant(CLIENT, CLIENT_SECRET, scopes, None)
        register_from_refresh_token(
            self.place.registry, channel_id, Secret(token), data_center="sim", tenant=f"{channel_id}-inc"
        )
        self.org = org
        return org

    @property
    def subscriber(self) -> Subscriber:
        return Subscriber(self.place.settings, self.place.registry, self.service, QUICK.pacing)

    def work(self, service: ServiceSettings | None = None, limits: PushLimits = PUSH_LIMITS) -> Worker:
        """Let a worker do what waits."""
        worker = Worker(
            self.place.settings,
            service or self.service,
            limits=replace(QUICK_WORK, push=limits),
            sync_limits=QUICK,
        )
        worker.run(once=True)
        return worker

    def told(self) -> None:
        """Wait until Zoho has delivered everything."""
        assert self.place.sim.courier.wait_until_idle()

    def row(self, channel_id: str = "acme") -> Subscription:
        with self.place.registry.database.read() as transaction:
            found = push_subscriptions.get(transaction, channel_id)
        assert found is not None
        return found

    def secrets(self, channel_id: str = "acme") -> dict[str, str]:
        with self.place.registry.database.read() as transaction:
            found = hooks.open_secrets(transaction, self.place.registry.encryptor, channel_id)
        assert found is not None
        return {name: secret.reveal() for name, secret in found.items()}

    def store(self, **values: Any) -> None:
        with self.place.registry.database.write() as transaction:
            transaction.execute(update(tables.push_subscriptions).values(**values))

    def dirty(self) -> dict[str, dict[str, Any]]:
        """Record id → its row of the queue."""
        with self.place.registry.database.read() as transaction:
            return {row["record_id"]: dict(row) for row in transaction.execute(select(tables.push_dirty)).mappings()}

    def events(self, channel_id: str = "acme") -> list[str]:
        query = select(tables.channel_events.c.type).where(tables.channel_events.c.channel_id == channel_id)
        with self.place.registry.database.read() as transaction:
            return [t for t in transaction.scalars(query.order_by(tables.channel_events.c.seq)) if "push" in t]

    def deliver(self, ids: list[Any], *, hook: str | None = None, **values: Any) -> httpx.Response:
        """Post a notification as Zoho does. `token=...` leaves it out."""
        known = self.secrets() if hook is None or "token" not in values else {}
        body: dict[str, Any] = {"module": "Leads", "ids": ids, "operation": "update", "affected_fields": []}
        body |= {"server_time": int(time.time() * 1000), "channel_id": "1", "token": known.get("token")} | values
        if body["token"] is ...:
            del body["token"]
        return self.http.post(f"{hooks.WEBHOOK}/{hook or known['hook']}", json=body)

    def raw(self, sql: str) -> list[dict[str, Any]]:
        with self.place.warehouse.connect() as connection:
            return connection.rows(sql)


@pytest.fixture
def bench(place: Place) -> Iterator[PushBench]:
    """The web server knows its own URL only once it has a port, so the settings are made first."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    service = ServiceSettings(public_url=url, push_debounce=0.0, push_sync_interval=0.0)
    app = create_app(place.settings, service)
    with serving(app, port=port), httpx.Client(base_url=url, timeout=60) as http:
        yield PushBench(place, service, url, http, app)


@pytest.fixture
def synced(bench: PushBench) -> PushBench:
    """A channel with a first sync, published, and subscribed to everything. Whole syncs come rarely."""
    bench.service = replace(bench.service, push_sync_interval=3_600.0)
    bench.connect()
    bench.work()
    bench.subscriber.turn_on("acme")
    return bench


def lane(bench: PushBench) -> RecordLane:
    place = bench.place
    return RecordLane(place.settings, place.registry, place.warehouse, 0.0, PUSH_LIMITS, QUICK)

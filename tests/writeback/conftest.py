"""A channel with write-back on the simulator, and helpers that make wishes and send them without a worker process."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from tests.ingest.conftest import CLIENT, CLIENT_SECRET, PLAIN_SCOPES
from tests.registries import new_registry
from zoho_pipeline.channels.consent.register import register_from_refresh_token
from zoho_pipeline.channels.registry.platform_tables import channel_events
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.reading.leads import KnownLead
from zoho_pipeline.settings import Secret, Settings, load_settings
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.writeback import claims, wishes
from zoho_pipeline.writeback.limits import WritebackLimits
from zoho_pipeline.writeback.model import Writeback
from zoho_pipeline.writeback.sending import Sending
from zoho_pipeline.writeback.status_map import StatusMap
from zoho_pipeline.writeback.switch import switch_on
from zoho_pipeline.zoho.connection.pacing import Pacing
from zoho_pipeline.zoho.connection.server_clock import parse_time

PACING = Pacing(attempts=2, backoff_first=0.001, backoff_most=0.001)
NO_WAIT = timedelta(0)
QUICK = WritebackLimits(first_wait=NO_WAIT, longest_wait=NO_WAIT, poll_seconds=0.05, pacing=PACING, settle_seconds=0.0)
"""Without the wait for the end of a second: most tests count calls, and change a lead just before it is read."""
WORDS = StatusMap(
    {"new": "Not Contacted", "contacted": "Contacted", "lost": "Lost Lead"},
    {"Not Contacted": "new", "Contacted": "contacted", "Attempted to Contact": "contacted", "Lost Lead": "lost"},
)


@dataclass
class Bench:
    """A channel `acme` with one lead, and what a test does with it."""

    sim: Simulator
    org: Org
    settings: Settings
    registry: Registry
    lead: str
    limits: WritebackLimits = QUICK
    shown: str | None = "Not Contacted"
    workers: int = field(default=0)

    def on(self, **options: Any) -> None:
        switch_on(self.registry, self.registry.get("acme"), WORDS, pacing=PACING, **options)

    def known(self, lead: str | None = None, status: str | None = "?") -> KnownLead:
        found = lead or self.lead
        at = parse_time(self.org.row("Leads", found)["Modified_Time"])
        return KnownLead(found, self.shown if status == "?" else status, False, at)

    def ask(self, status: str, expected: str | None = None, known: KnownLead | None = None) -> Writeback:
        wish = wishes.Wish(known or self.known(), status, expected, "asha", "called")
        return wishes.ask(self.registry, "acme", wish, "key:test")

    def claim(self, worker: str = "w") -> Writeback | None:
        return next(iter(claims.claim(self.registry, worker, 1, self.limits)), None)

    def turn(self, worker: str = "w") -> Writeback | None:
        """Claim one wish and make one attempt; the wish as it is then. None: nothing is due."""
        wish = self.claim(worker)
        if wish is None:
            return None
        Sending(self.registry, worker, self.limits).send(wish)
        return self.get(wish)

    def drain(self, most: int = 20) -> None:
        """Make attempts until nothing is due."""
        for _ in range(most):
            if self.turn() is None:
                return
        raise AssertionError("it does not end")

    def get(self, wish: Writeback | str) -> Writeback:
        return wishes.get(self.registry, wish if isinstance(wish, str) else wish.id)

    def status(self) -> str | None:
        found: str | None = self.org.row("Leads", self.lead)["Lead_Status"]
        return found

    def puts(self) -> list[Any]:
        return [call for call in self.sim.requests if call.method == "PUT"]

    def path(self, wish: Writeback) -> list[tuple[str, str | None]]:
        """(state, code) of each step of a wish."""
        return [(step.to_state, step.code) for step in wishes.steps(self.registry, wish.id)]

    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """The events of write-back, in their order."""
        with self.registry.database.read() as transaction:
            rows = transaction.execute(channel_events.select().order_by(channel_events.c.seq)).all()
        return [(row.type, row.data) for row in rows if row.type.startswith("writeback.")]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.told()]

    def limit(self, **values: Any) -> None:
        self.limits = replace(self.limits, **values)


@pytest.fixture(params=["sqlite"])
def registry_env(request: pytest.FixtureRequest) -> dict[str, str]:
    return (
        {}
        if request.param == "sqlite"
        else {"ZOHO_PIPELINE_REGISTRY": request.getfixturevalue("postgres_registry_url")}
    )


@pytest.fixture
def bench(simulator: Simulator, settings_env: Callable[..., dict[str, str]], registry_env: dict[str, str]) -> Bench:
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{simulator.url}"}}', **registry_env)
    return connected(simulator, load_settings(env))


def connected(simulator: Simulator, settings: Settings) -> Bench:
    """A connected channel with one lead, and with write-back on."""
    settings.ensure_home()
    org = simulator.add_org(name="Acme")
    lead = org.insert("Leads", {"Last_Name": "Rao", "Company": "Dukan", "Lead_Status": "Not Contacted"})
    registry = new_registry(settings)
    token = org.grant(CLIENT, CLIENT_SECRET, PLAIN_SCOPES, None)
    register_from_refresh_token(registry, "acme", Secret(token), data_center="sim", tenant="acme-inc")
    made = Bench(simulator, org, settings, registry, lead)
    made.on()
    return made

"""One org to read from: an org of the simulator, or of a real Zoho when three variables are set.

    ZOHO_LIVE_CLIENT_ID, ZOHO_LIVE_CLIENT_SECRET, ZOHO_LIVE_REFRESH_TOKEN   a client and a grant of a sandbox
    ZOHO_LIVE_DATA_CENTER                                                   its data center (default: us)

The contract tests only read, so any org can be used. An org with some leads, also converted ones, tests the most.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from zoho_pipeline.settings import Secret
from zoho_pipeline.zoho.accounts import oauth
from zoho_pipeline.zoho.accounts.data_centers import DataCenter, DataCenters
from zoho_pipeline.zoho.accounts.oauth import AccessToken
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.connection.rate_limits import OrgLimits

CLIENT_ID = "1000.TESTCLIENT"
CLIENT_SECRET = "test-client-secret-0123456789"
ALL_SCOPES = (*DEFAULT_SCOPES, "ZohoCRM.modules.emails.READ", "ZohoSearch.securesearch.READ")

_LIVE_NAMES = ("ZOHO_LIVE_CLIENT_ID", "ZOHO_LIVE_CLIENT_SECRET", "ZOHO_LIVE_REFRESH_TOKEN")
# Read them before the fixture of the whole suite removes them.
_LIVE = {name: os.environ.get(name, "") for name in _LIVE_NAMES}
_LIVE_CENTER = os.environ.get("ZOHO_LIVE_DATA_CENTER", "us")
_CONNECT = socket.socket.connect


class MintingTokens:
    """The simplest real token source: it requests one token over HTTP, and another one when the token is refused."""

    def __init__(self, center: DataCenter, client_id: str, secret: Secret, refresh_token: Secret) -> None:
        self._center, self._client_id, self._secret, self._refresh_token = center, client_id, secret, refresh_token
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self.minted = 0

    def current(self) -> AccessToken:
        with self._lock:
            return self._token or self._mint()

    def refused(self, token: AccessToken) -> AccessToken:
        with self._lock:
            if self._token is not None and self._token.value != token.value:
                return self._token
            return self._mint()

    def _mint(self) -> AccessToken:
        with oauth.new_http(self._center.accounts_server) as http:
            self._token = oauth.refresh(http, self._center, self._client_id, self._secret, self._refresh_token)
        self.minted += 1
        return self._token


@dataclass
class Zoho:
    """A connection to read through. `org` is the handle of the simulator; None on a real Zoho."""

    client: ZohoClient
    tokens: MintingTokens
    naps: list[float] = field(default_factory=list)
    simulator: Any = None
    org: Any = None


def connect(simulator: Any, org: Any, *, scopes: tuple[str, ...] = ALL_SCOPES, user: Any = None, **more: Any) -> Zoho:
    """Connect to an org of the simulator. Waits are recorded and not slept, unless `sleep` is given."""
    refresh_token = org.grant(CLIENT_ID, CLIENT_SECRET, " ".join(scopes), user)
    center = DataCenters.with_added({"sim": simulator.url}).get("sim")
    tokens = MintingTokens(center, CLIENT_ID, Secret(CLIENT_SECRET), Secret(refresh_token))
    naps: list[float] = []
    more.setdefault("limits", OrgLimits(concurrency=20))
    client = ZohoClient(tokens.current().api_domain, tokens, **{"sleep": naps.append, **more})
    return Zoho(client, tokens, naps, simulator, org)


def fill(org: Any) -> None:
    """Add 450 leads on three pages (some of one second, some converted, some deleted) and their related records."""
    start = datetime(2026, 3, 1, 9, tzinfo=UTC)
    leads = org.insert_many(
        "Leads",
        [
            {
                "Last_Name": f"Lead {n}",
                "Company": "Ünïcode & Co" if n % 7 == 0 else "Acme",
                "Email": f"lead{n}@example.com",
                "Created_Time": start + timedelta(minutes=n),
                "Modified_Time": start + timedelta(minutes=n - n % 10),
            }
            for n in range(450)
        ],
    )
    for lead in leads[:5]:
        org.convert(
            lead,
            at=start + timedelta(days=1),
            deal={"Deal_Name": f"Deal {lead}", "Stage": "Qualification", "Amount": 1200.5},
        )
    for lead in leads[5:8]:
        org.delete("Leads", lead)
    org.delete("Leads", leads[8], permanent=True)
    org.insert_many(
        "Notes",
        [
            {"Note_Title": f"n{n}", "Note_Content": "text", "Parent_Id": {"id": leads[20], "module": "Leads"}}
            for n in range(3)
        ],
    )
    org.set_business_hours({"type": "24_by_5", "week_starts_on": "Monday", "same_as_everyday": True})
    org.add_holiday("Republic Day", "2026-01-26")
    for n in range(13):
        org.add_email(leads[20], subject=f"mail {n}", sent=bool(n % 2))


@pytest.fixture
def connected(simulator: Any) -> Iterator[Callable[..., Zoho]]:
    """`connected(org, …)` → a connection to that org of the simulator, closed at the end."""
    with ExitStack() as stack:

        def build(org: Any, **more: Any) -> Zoho:
            zoho = connect(simulator, org, **more)
            stack.enter_context(zoho.client)
            return zoho

        yield build


@pytest.fixture
def org(simulator: Any) -> Any:
    """An empty Indian org of the simulator."""
    return simulator.add_org(name="Acme", time_zone="Asia/Kolkata", currency="INR", edition="Enterprise")


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Any, Any]]:
    """One filled simulator per test module: its tests only read."""
    from zoho_pipeline.simulator import Simulator

    with Simulator.start(port=0) as simulator:
        org = simulator.add_org(name="Acme", time_zone="Asia/Kolkata", currency="INR", edition="Enterprise")
        fill(org)
        yield simulator, org


@pytest.fixture(params=["simulator", pytest.param("live", marks=pytest.mark.live)])
def zoho(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoho]:
    """A connection whose org must only be read: first the filled org of the simulator, then a real one."""
    simulated = request.param == "simulator"
    found = connect(*request.getfixturevalue("filled")) if simulated else _live(monkeypatch)
    with found.client:
        yield found


def _live(monkeypatch: pytest.MonkeyPatch) -> Zoho:
    absent = [name for name, value in _LIVE.items() if not value]
    if absent:
        pytest.skip(f"a real Zoho is read only if {', '.join(absent)} is set")
    monkeypatch.setattr(socket.socket, "connect", _CONNECT)
    client_id, secret, refresh_token = (_LIVE[name] for name in _LIVE_NAMES)
    tokens = MintingTokens(DataCenters().get(_LIVE_CENTER), client_id, Secret(secret), Secret(refresh_token))
    return Zoho(ZohoClient(tokens.current().api_domain, tokens, sleep=time.sleep), tokens)

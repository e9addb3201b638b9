"""One simulator: its orgs, what they share, ordered faults and hooks, and the log of calls."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from zoho_pipeline.simulator.clock import Clock
from zoho_pipeline.simulator.faults import Faults
from zoho_pipeline.simulator.org_handle import OrgHandle
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.state.setup import new_org
from zoho_pipeline.simulator.state.shared import Shared
from zoho_pipeline.simulator.state.tokens import TokenDesk
from zoho_pipeline.simulator.switches import Switches

FIRST_ID, ORG_SPAN, SEED_SPAN = 4_876_876_000_000_300_000, 10**12, 10**10


@dataclass(frozen=True)
class LoggedCall:
    """One answered call, without its headers, its form and its token."""

    method: str
    path: str
    params: dict[str, str]
    status: int
    credits: int
    org_id: str | None
    modified_since: str | None
    at: int
    query: str | None = None  # the select_query of a COQL call

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Hook:
    """An action for the k-th matching call."""

    left: int
    action: Callable[[], object]
    path: str
    after: bool


class Hub:
    """The state of one simulator. Whoever changes it holds `lock`."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.url = ""
        self.shared = Shared()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the address and the seed."""
        self.shared.reset()
        self.faults = Faults()
        self.orgs: dict[str, OrgHandle] = {}
        self.requests: list[LoggedCall] = []
        self.hooks: list[Hook] = []
        self.page_snapshots: dict[str, list[str]] = {}

    @property
    def lock(self) -> threading.RLock:
        return self.shared.lock

    @property
    def clock(self) -> Clock:
        return self.shared.clock

    @property
    def switches(self) -> Switches:
        return self.shared.switches

    @property
    def tokens(self) -> TokenDesk:
        return self.shared.tokens

    def add_org(
        self, name: str = "Acme", *, time_zone: str = "Asia/Kolkata", currency: str = "INR",
        edition: str = "Enterprise", id_base: int | None = None, location: str = "us",
        environment: str = "production", multi_currency: bool = False,
    ) -> OrgHandle:  # fmt: skip
        """Add an org with an administrator. Its ids count up from `id_base`: two orgs with one base share ids."""
        with self.lock:
            base = FIRST_ID + len(self.orgs) * ORG_SPAN + self.seed * SEED_SPAN if id_base is None else id_base
            org = new_org(
                self.shared, name=name, time_zone=time_zone, currency=currency, edition=edition, id_base=base,
                location=location, environment=environment, multi_currency=multi_currency,
            )  # fmt: skip
            return self.adopt(org)

    def adopt(self, org: Org) -> OrgHandle:
        """Take an org into the simulator, under an org id that no other org has."""
        while org.id in self.orgs:
            org.id = str(int(org.id) + ORG_SPAN)
            org.zgid = str(int(org.zgid) + 1)
        self.orgs[org.id] = handle = OrgHandle(org, self.shared)
        return handle

    def on_call(self, k: int, action: Callable[[], object], path: str = "/crm/", *, after: bool = False) -> None:
        """Run `action` at the k-th call (1: the next one) whose path contains `path`, before it or after it."""
        with self.lock:
            self.hooks.append(Hook(k, action, path, after))

    def due_hooks(self, path: str, *, after: bool) -> list[Hook]:
        """Count this call and return the hooks that are due; they leave the list."""
        due = []
        for hook in list(self.hooks):
            if hook.after is after and hook.path in path:
                hook.left -= 1
                if hook.left <= 0:
                    self.hooks.remove(hook)
                    due.append(hook)
        return due

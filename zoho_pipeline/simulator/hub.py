"""What every part of the simulator shares: the clock, the switches, the orgs, the tokens, the logs."""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from zoho_pipeline.simulator.accounts.token_endpoint import TokenDesk
from zoho_pipeline.simulator.clock import Clock
from zoho_pipeline.simulator.faults import Faults
from zoho_pipeline.simulator.state.org import Org
from zoho_pipeline.simulator.switches import Switches

FIRST_ID, ORG_SPAN, SEED_SPAN = 4_876_876_000_000_300_000, 10**12, 10**10


@dataclass(frozen=True)
class LoggedCall:
    """One call as it was answered; never its headers, its form or a token."""

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
    """Something to happen at the k-th call that fits."""

    left: int
    action: Callable[[], object]
    path: str
    after: bool


class Hub:
    """State of one simulator; whoever changes it holds `lock`."""

    def __init__(self, seed: int = 0) -> None:
        self.lock = threading.RLock()
        self.seed = seed
        self.url = ""
        self.reset()

    def reset(self) -> None:
        """Forget everything but the address."""
        self.clock = Clock()
        self.switches = Switches()
        self.faults = Faults()
        self.tokens = TokenDesk(self)
        self.orgs: dict[str, Org] = {}
        self.requests: list[LoggedCall] = []
        self.hooks: list[Hook] = []
        self.page_snapshots: dict[str, list[str]] = {}

    def add_org(
        self, name: str = "Acme", *, time_zone: str = "Asia/Kolkata", currency: str = "INR",
        edition: str = "Enterprise", id_base: int | None = None, location: str = "us",
        environment: str = "production", multi_currency: bool = False,
    ) -> Org:  # fmt: skip
        """An org with an admin. Ids count up from `id_base`: two orgs given the same base share ids."""
        with self.lock:
            base = FIRST_ID + len(self.orgs) * ORG_SPAN + self.seed * SEED_SPAN if id_base is None else id_base
            org = Org(
                self, name=name, time_zone=time_zone, currency=currency, edition=edition, id_base=base,
                location=location, environment=environment, multi_currency=multi_currency,
            )  # fmt: skip
            self.orgs[self._key(org)] = org
            return org

    def _key(self, org: Org) -> str:
        """Orgs are told apart by id; one that shares its ids with another gets the next org id."""
        while org.id in self.orgs:
            org.id = str(int(org.id) + ORG_SPAN)
            org.zgid = str(int(org.zgid) + 1)
        return org.id

    def on_call(self, k: int, action: Callable[[], object], path: str = "/crm/", *, after: bool = False) -> None:
        """Do something at the k-th call (1 = the next) whose path contains `path`, before or after it."""
        with self.lock:
            self.hooks.append(Hook(k, action, path, after))

    def due_hooks(self, path: str, *, after: bool) -> list[Hook]:
        """Hooks whose call this is; they are taken off the list."""
        due = []
        for hook in list(self.hooks):
            if hook.after is after and hook.path in path:
                hook.left -= 1
                if hook.left <= 0:
                    self.hooks.remove(hook)
                    due.append(hook)
        return due

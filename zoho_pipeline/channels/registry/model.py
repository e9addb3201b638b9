"""What a channel is: one tenant's connected Zoho org, and what we know of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from zoho_pipeline.zoho.accounts import scopes as zoho_scopes

ACTIVE, PAUSED, RECONNECT_NEEDED = "active", "paused", "reconnect_needed"
STATUSES = (ACTIVE, PAUSED, RECONNECT_NEEDED)
OUTCOMES = ("complete", "skipped", "failed", "stopped")
"""Of a module's part of a sync. Skipped: the scope, the module or the permission is missing. Stopped: the budget."""


@dataclass(frozen=True)
class Connection:
    """What a consent, or a refresh token, turned out to be connected to.

    `org_id`, `org_name`, `edition`, `users_licensed` and `currency` are None where the scopes do not show the org;
    `timezone` is then the user's. `scopes` is None where Zoho did not name them.
    """

    data_center: str
    accounts_server: str
    api_domain: str
    timezone: str
    scopes: tuple[str, ...] | None
    org_id: str | None = None
    org_name: str | None = None
    edition: str | None = None
    currency: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    is_admin: bool | None = None
    users_licensed: int | None = None
    missing_scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModuleStatus:
    """How the newest sync of a module went. `upper_bound` is of the last complete one: all changes before it are in."""

    module: str
    upper_bound: datetime | None
    outcome: str
    detail: str | None
    route: str | None
    rows: int
    credits: float
    synced_at: datetime


@dataclass(frozen=True)
class ModuleSync:
    """How a module's part of one sync went, to be noted. `outcome`: one of OUTCOMES; `credits`: what it spent.

    `not_after`: Zoho's clock at that sync. An earlier bound that lies after it came of a wrong clock.
    """

    module: str
    upper_bound: datetime | None
    outcome: str
    rows: int = 0
    credits: float = 0.0
    detail: str | None = None
    route: str | None = None
    not_after: datetime | None = None


@dataclass(frozen=True)
class Channel:
    """A channel as the registry knows it; no secret in it."""

    id: str
    tenant: str | None
    data_center: str
    accounts_server: str
    api_domain: str
    org_id: str | None
    org_name: str | None
    edition: str | None
    users_licensed: int | None
    user_id: str | None
    user_name: str | None
    is_admin: bool | None
    timezone: str
    currency: str | None
    scopes: tuple[str, ...] | None
    missing_scopes: tuple[str, ...]
    status: str
    status_detail: str | None
    connected_at: datetime
    created_at: datetime
    field_map: Mapping[str, str] = field(default_factory=dict)
    lead_source_map: Mapping[str, str] = field(default_factory=dict)
    business_hours: Mapping[str, Any] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, ModuleStatus] = field(default_factory=dict)
    credits_used: float = 0.0
    timezone_is_set: bool = False

    @property
    def last_complete_sync_at(self) -> datetime | None:
        """The smallest upper bound over the modules; None while one of them was never read to its end.

        A module that is missing does not hold the others back; Leads, without which there is nothing, does.
        """
        counted = [m for m in self.modules.values() if m.outcome != "skipped" or m.module == "Leads"]
        bounds = [m.upper_bound for m in counted if m.upper_bound is not None]
        return min(bounds) if bounds and len(bounds) == len(counted) else None

    @property
    def last_tried_at(self) -> datetime | None:
        """When the newest sync that came to an end ended, well or not; None before the first."""
        return max((module.synced_at for module in self.modules.values()), default=None)

    @property
    def leads_readable(self) -> bool | None:
        """Whether the newest sync could read Leads; None before the first one."""
        leads = self.modules.get("Leads")
        return None if leads is None else leads.outcome != "skipped"

    @property
    def hints(self) -> tuple[str, ...]:
        """What the connection hides, or cannot tell, in sentences."""
        said = []
        if self.is_admin is False:
            who = self.user_name or "the connected user"
            said.append(f"{who} is no administrator: Zoho shows only what this user may see")
        if self.org_id is None:
            said.append("the scopes do not show the org: its edition and credits are unknown")
        if self.currency is None:
            said.append(f"no currency is known; give one with: zoho-pipeline channels set {self.id} --currency INR")
        return tuple(said)

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person should know: the channel's own status first, then each module that did not complete."""
        own = (self.status_detail,) if self.status_detail else ()
        parts = (m for m in self.modules.values() if m.outcome != "complete")
        return own + tuple(f"{m.module}: {m.detail or m.outcome}" for m in parts)

    def allows(self, need: str, module: str | None = None) -> bool:
        """Whether the granted scopes cover a need of `zoho.scopes`, as far as is known.

        Where Zoho did not name the scopes, a need counts as covered until a call was refused for it.
        """
        wanted = zoho_scopes.requires(need, module)
        if set(wanted) & set(self.missing_scopes):
            return False
        return zoho_scopes.allows(self.scopes, need, module)


def longest_waiting_first(channels: Iterable[Channel]) -> list[Channel]:
    """In the order in which they should have their turn: by their last try, whatever came of it, so that one that
    always fails stands in line like the others."""
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(channels, key=lambda channel: (channel.last_tried_at or never, channel.id))

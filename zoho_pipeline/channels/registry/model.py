"""What a channel is: one tenant's connected Zoho org, and what the registry knows about it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from zoho_pipeline.zoho.accounts import scopes as zoho_scopes

ACTIVE, PAUSED, RECONNECT_NEEDED = "active", "paused", "reconnect_needed"
STATUSES = (ACTIVE, PAUSED, RECONNECT_NEEDED)

Outcome = Literal["complete", "skipped", "failed", "stopped"]
"""The outcome of one module's sync.

Skipped: a scope, the module or a permission is missing. Stopped: the credit budget is used up. Failed: the module was
not read to its end, or a difference from Zoho remains that no route repaired. Only `complete` moves the cursor.
"""
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

FLAT, SUBFORMS = "flat", "subforms"
"""How a chosen module is read: only what lists give, or its subforms and multi-select lookups too."""

MODULE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
"""The API names that a module of Zoho can have."""


@dataclass(frozen=True)
class OrgConnection:
    """The org and the user that a refresh token gives access to.

    `org_id`, `org_name`, `edition`, `users_licensed` and `currency` are None where the scopes do not show the org;
    `timezone` is the user's then. `scopes` is None where Zoho did not name them.
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
    """The newest sync of a module. `upper_bound` belongs to the last complete one: all changes before it are loaded."""

    module: str
    upper_bound: datetime | None
    outcome: Outcome
    detail: str | None
    route: str | None
    rows: int
    credits: float
    synced_at: datetime


@dataclass(frozen=True)
class ModuleSync:
    """The result of one module in one sync, to be stored. `credits` is what the module's part spent.

    `not_after` is Zoho's clock at that sync. A stored bound later than that came from a wrong clock.
    """

    module: str
    upper_bound: datetime | None
    outcome: Outcome
    rows: int = 0
    credits: float = 0.0
    detail: str | None = None
    route: str | None = None
    not_after: datetime | None = None


@dataclass(frozen=True)
class Channel:
    """A channel as the registry knows it. It holds no secret.

    `same_org`: the other channels of its org. `chosen_modules`: module beyond the catalogue → FLAT or SUBFORMS.
    """

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
    chosen_modules: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, ModuleStatus] = field(default_factory=dict)
    credits_used: float = 0.0
    timezone_is_set: bool = False
    same_org: tuple[str, ...] = ()
    is_damaged: bool = False  # its rows in the registry cannot be read; `status_detail` says what to do

    @property
    def module_choices(self) -> list[str]:
        """The chosen modules as `channels set --module` takes them."""
        return [name if kind == FLAT else f"{name}:{kind}" for name, kind in self.chosen_modules.items()]

    @property
    def last_complete_sync_at(self) -> datetime | None:
        """The smallest upper bound over the modules; None while one of them was never read to its end.

        A skipped module is left out, except for Leads: without leads there is nothing to report.
        """
        counted = [m for m in self.modules.values() if m.outcome != "skipped" or m.module == "Leads"]
        bounds = [m.upper_bound for m in counted if m.upper_bound is not None]
        return min(bounds) if bounds and len(bounds) == len(counted) else None

    @property
    def last_tried_at(self) -> datetime | None:
        """When the newest sync ended, whatever its outcome; None before the first one."""
        return max((module.synced_at for module in self.modules.values()), default=None)

    @property
    def leads_readable(self) -> bool | None:
        """Whether the newest sync could read Leads; None before the first one."""
        leads = self.modules.get("Leads")
        return None if leads is None else leads.outcome != "skipped"

    @property
    def hints(self) -> tuple[str, ...]:
        """What a person should know of the connection, in sentences: what it does not show, and a shared org."""
        found = []
        if self.same_org:
            found.append(shared_org_sentence((self.id, *self.same_org)))
        if self.is_admin is False:
            who = self.user_name or "the connected user"
            found.append(f"{who} is no administrator: Zoho shows only what this user may see")
        if self.org_id is None:
            found.append("the scopes do not show the org: its edition and credits are unknown")
        if self.currency is None:
            found.append(f"the currency is unknown; set it with: zoho-pipeline channels set {self.id} --currency INR")
        return tuple(found)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in sentences: the channel's own status first, then each module that is not complete."""
        own = (self.status_detail,) if self.status_detail else ()
        parts = (m for m in self.modules.values() if m.outcome != "complete")
        return own + tuple(f"{m.module}: {m.detail or m.outcome}" for m in parts)

    def allows(self, need: str, module: str | None = None) -> bool:
        """Whether the granted scopes cover a need (one of `scopes.NEEDS`).

        Where Zoho did not name the scopes, a need counts as covered until Zoho refuses a call for it.
        """
        wanted = zoho_scopes.requires(need, module)
        if set(wanted) & set(self.missing_scopes):
            return False
        return zoho_scopes.allows(self.scopes, need, module)


def shared_org_sentence(channel_ids: Iterable[str]) -> str:
    """What a person should know of channels that have the same org, without a full stop, and the cure."""
    ids = sorted(channel_ids)
    return (
        f"channels {', '.join(ids)} have the same Zoho org, and sums over them count every record more than once. To "
        "keep one of them, remove each other one with: zoho-pipeline channels remove ID --purge"
    )


def longest_waiting_first(channels: Iterable[Channel]) -> list[Channel]:
    """The channels by the end of their last sync, oldest first. A failed sync counts too, so that a channel which
    always fails waits like the others."""
    never = datetime.min.replace(tzinfo=UTC)
    return sorted(channels, key=lambda channel: (channel.last_tried_at or never, channel.id))

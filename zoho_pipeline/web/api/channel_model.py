"""The fields of a channel, as the API answers them and as its page shows them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

Status = Literal["connected", "paused", "reconnect_needed", "never_synced"]


class Org(BaseModel):
    """The connected Zoho org. A value is null where the scopes do not show it."""

    name: str | None = Field(description="The name of the org.")
    edition: str | None = Field(description="Its edition of Zoho CRM.")


class ConnectedUser(BaseModel):
    """The user who gave the consent: the pipeline sees what this user sees."""

    name: str | None = Field(description="The user's full name.")
    is_admin: bool | None = Field(description="Whether the user is an administrator; null: unknown.")


class LastSync(BaseModel):
    """The newest syncs."""

    complete_at: datetime | None = Field(description="All changes before this instant are loaded; null: never.")
    tried_at: datetime | None = Field(description="When the newest sync ended, whatever its outcome.")
    outcome: Literal["complete", "skipped", "failed", "stopped"] | None = Field(
        description="The worst outcome of a module in its newest sync. `stopped`: the credit budget was used up."
    )


class SyncState(BaseModel):
    """The newest request for a sync."""

    state: Literal["idle", "queued", "running", "done", "failed"] = Field(description="`idle`: nobody asked yet.")
    request_id: str | None = Field(description="For GET /v1/syncs/{id}.")
    progress: dict[str, int] = Field(description="Module → rows read so far.")
    error: str | None = Field(default=None, description="Why it failed, in a sentence.")


class LeadCounts(BaseModel):
    """Leads at `as_of`. A count is null where there is no data; it is never 0 for that reason."""

    total: int | None = Field(description="Live leads.")
    this_month: int | None = Field(description="Leads created in the running month of the channel's time zone.")
    last_month_same_point: int | None = Field(description="Leads of last month up to the same point.")
    change_rate: float | None = Field(description="The change between these two: 0.25 is a quarter more.")
    newer_than_as_of: int | None = Field(description="Loaded leads that no number counts yet, of the newest 200.")


class Credits(BaseModel):
    """API credits of the org."""

    used_24h: float = Field(description="Spent in the last 24 hours by all channels of this org.")
    limit: int | None = Field(description="What the edition allows per 24 hours; null: unknown.")
    budget: int | None = Field(description="The part of it that syncs may use.")


class Module(BaseModel):
    """The newest sync of one Zoho module."""

    module: str = Field(description="Zoho's name of the module.")
    outcome: Literal["complete", "skipped", "failed", "stopped"] = Field(description="How its newest sync ended.")
    complete_at: datetime | None = Field(description="All its changes before this instant are loaded.")
    synced_at: datetime = Field(description="When its newest sync ended.")
    rows: int = Field(description="Rows that the newest sync loaded.")
    credits: float = Field(description="Credits that it spent.")
    detail: str | None = Field(description="What a person should know about it.")


class Push(BaseModel):
    """Notifications from Zoho. A change that no notification names is found by the next sync."""

    state: Literal["off", "on", "short", "stopped", "failed"] = Field(
        description="`short`: Zoho keeps the subscription for less than a week. `stopped`: changes come, and no "
        "notification. `failed`: Zoho does not renew it."
    )
    detail: str | None = Field(default=None, description="Why it is so, in a sentence.")
    expires_at: datetime | None = Field(default=None, description="When the subscription ends.")
    last_event_at: datetime | None = Field(default=None, description="When the last notification came.")
    p95_seconds: float | None = Field(default=None, description="From the change in Zoho to the loaded row.")
    missed: int | None = Field(default=None, description="Changes of the last whole sync without a notification.")
    idle: int | None = Field(default=None, description="Named records that the last whole sync found unchanged.")
    is_catching_up: bool = Field(default=False, description="Notifications may be lost; a whole sync is asked for.")
    is_hourly: bool = Field(default=False, description="Their share of the credits is used: numbers change hourly.")


class WriteBack(BaseModel):
    """Statuses that the platform writes to Zoho."""

    state: Literal["on", "off", "degraded", "broken"] = Field(
        description="`off`: nothing is written to Zoho. `degraded`: a status of the map left Zoho's list. `broken`: "
        "Zoho refuses every change."
    )
    detail: str | None = Field(default=None, description="Why it is degraded or broken, in a sentence.")
    open: int | None = Field(default=None, description="Wishes that are not sent yet.")
    conflicts: int | None = Field(default=None, description="Wishes that met another change, and wait for a person.")


class ChannelState(BaseModel):
    """A channel: its connection, its syncs and its main numbers."""

    id: str = Field(description="The id that you chose.")
    tenant: str | None = Field(description="Whose channel it is.")
    timezone: str = Field(description="The IANA time zone of its days and months.")
    currency: str | None = Field(description="The home currency of the org; null: unknown.")
    status: Status = Field(description="The state of the connection.")
    status_detail: str | None = Field(
        description="Why it is so, in a sentence. With `connected` or `never_synced`: why no sync can work."
    )
    org: Org
    connected_user: ConnectedUser
    data_center: str = Field(description="The data centre of Zoho in which the org lives.")
    scopes: list[str] | None = Field(description="What the consent allows; null: Zoho did not name it.")
    missing_scopes: list[str] = Field(description="Scopes for which Zoho refused a call.")
    hints: list[str] = Field(description="What the connection does not show, in sentences.")
    problems: list[str] = Field(description="What is wrong, in sentences.")
    connected_at: datetime = Field(description="When the last consent was given.")
    last_sync: LastSync
    sync: SyncState
    as_of: datetime | None = Field(description="The instant at which the numbers are true; null: no numbers yet.")
    data_status: Literal["ok", "stale", "never_synced", "module_missing"] = Field(
        description="`stale`: the last complete sync is too old, and these are its numbers."
    )
    leads: LeadCounts
    credits: Credits
    modules: list[Module] = Field(description="The newest sync of each module.")
    chosen_modules: list[str] = Field(
        description="The modules beyond the usual ones that it reads too; `:subforms` after a name: also its subforms."
    )
    push: Push
    write_back: WriteBack


class ChannelPage(BaseModel):
    """A page of channels, in the order of their ids."""

    data: list[ChannelState]
    next_cursor: str | None = Field(description="For `cursor` of the next page; null: this is the last one.")


class Lead(BaseModel):
    """A lead in a list."""

    id: str = Field(description="Zoho's id.")
    created_at: datetime | None = Field(description="When it was created in Zoho.")
    created_local: str | None = Field(description="The same in the channel's time zone, without an offset.")
    lead_status: str | None = Field(description="The status today, as Zoho spells it.")
    lead_source: str | None = Field(description="The source; for a newer lead the value of the picklist.")
    company: str | None = Field(description="The company.")
    owner_name: str | None = Field(description="Who owns the lead in Zoho.")
    content_id: str | None = Field(description="The content item to which it is credited; null: none is known.")
    content_title: str | None = Field(description="The title of that item.")
    captured_by: Literal["landing_page", "zoho_crm"] | None = Field(
        default=None,
        description="`landing_page`: a form of a landing page brought it. `zoho_crm`: none did. Null: it is newer "
        "than `as_of`.",
    )
    is_converted: bool = Field(description="Whether the lead was converted.")
    is_newer_than_as_of: bool = Field(description="Whether it was created after `as_of`, so no number counts it yet.")
    name: str | None = Field(description="The name; without scope `pii` its initials.")
    email: str | None = Field(description="The e-mail address; without scope `pii` masked.")
    phone: str | None = Field(description="The phone number; without scope `pii` its last two digits.")


class LeadPage(BaseModel):
    """A page of leads, the newest first."""

    data: list[Lead]
    next_cursor: str | None = Field(description="For `cursor` of the next page; null: this is the last one.")

"""Managing a channel over HTTP: pause, resume, verify, remove."""

import logging
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from zoho_pipeline.channels.access.verify import verify as verify_at_zoho
from zoho_pipeline.channels.consent.remove import Removal
from zoho_pipeline.channels.consent.remove import remove as remove_channel
from zoho_pipeline.channels.database.locks import channel_lock
from zoho_pipeline.channels.errors import (
    ChannelBusy,
    ChannelError,
    DecryptionError,
    LockLost,
    OtherOrg,
    RegistryError,
    UnknownChannel,
)
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.model import ACTIVE, PAUSED, RECONNECT_NEEDED, Channel
from zoho_pipeline.push.subscribe import end_for_removal
from zoho_pipeline.settings import SettingsError
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import ChannelId, require, visible_channel
from zoho_pipeline.web.http.problems import Problem, not_found, problem_responses
from zoho_pipeline.web.http.rate_limits import limits_of
from zoho_pipeline.web.services import WebServices, services
from zoho_pipeline.zoho.connection.pacing import WHILE_A_PERSON_WAITS
from zoho_pipeline.zoho.errors import ReconnectNeeded, TokenThrottled, UnknownDataCenter, ZohoError

VERIFICATIONS, VERIFICATION_SECONDS = 6, 60.0
"""Each verification costs two calls at Zoho."""

LOCK_SECONDS = 5.0
"""How long a removal waits for a sync of the channel. It holds one of 40 threads meanwhile."""

log = logging.getLogger(__name__)
router = APIRouter(prefix="/v1/channels", tags=["manage"])

Admin = Annotated[Principal, Depends(require("admin"))]
REFUSALS = ("tenant_required", "unauthenticated", "forbidden", "not_found", "rate_limited")
REPEATS = ("idempotency_mismatch", "invalid", "conflict")


class ChannelState(BaseModel):
    """Whether a channel works."""

    id: str = Field(description="The id of the channel.")
    tenant: str | None = Field(description="The tenant that it belongs to.")
    status: Literal["connected", "paused", "reconnect_needed"] = Field(description="What happens to it.")


class Removed(BaseModel):
    """The end of a channel."""

    revoked: bool = Field(description="Whether its token was revoked at Zoho.")
    detail: str = Field(description="The same in a sentence.")
    purge: Literal["queued"] | None = Field(
        description="`queued`: a worker deletes its rows. Until then no channel can have the id. Null: the rows stay."
    )


_STATUS: dict[str, Literal["connected", "paused", "reconnect_needed"]] = {
    ACTIVE: "connected",
    PAUSED: "paused",
    RECONNECT_NEEDED: "reconnect_needed",
}


@router.post("/{id}/pause", responses=problem_responses(*REFUSALS, *REPEATS))
def pause(request: Request, channel_id: ChannelId, principal: Admin) -> ChannelState:
    """Leave the channel out of every sync. What was read stays."""
    found, channel = _channel(request, principal, channel_id)
    try:
        found.registry.pause(channel.id)
    except UnknownChannel:
        raise not_found() from None
    return _changed(found, principal, channel, "channel.paused")


@router.post("/{id}/resume", responses=problem_responses(*REFUSALS, *REPEATS, "reconnect_needed"))
def resume(request: Request, channel_id: ChannelId, principal: Admin) -> ChannelState:
    """Include a paused channel in the syncs again."""
    found, channel = _channel(request, principal, channel_id)
    try:
        found.registry.resume(channel.id)
    except UnknownChannel:
        raise not_found() from None
    except RegistryError:
        raise
    except ChannelError:
        raise Problem("reconnect_needed", "A person must connect the channel again first.") from None
    return _changed(found, principal, channel, "channel.resumed")


@router.post(
    "/{id}/verify",
    responses=problem_responses(*REFUSALS, *REPEATS, "reconnect_needed", "not_yours", "throttled", "unavailable"),
)
def verify(request: Request, channel_id: ChannelId, principal: Admin) -> ChannelState:
    """Ask Zoho whether the connection works, and store what it says about the org."""
    found, channel = _channel(request, principal, channel_id)
    # by channel: a second key of the tenant must not double what Zoho is asked
    limits_of(request).take(("verify", channel.tenant, channel.id), VERIFICATIONS, VERIFICATION_SECONDS)
    audit = Audit(found.registry.database)
    try:
        verify_at_zoho(found.registry, channel.id, pacing=WHILE_A_PERSON_WAITS)
    except UnknownChannel:
        raise not_found() from None
    except (ZohoError, OtherOrg, SettingsError, DecryptionError) as error:
        problem = _refused_by_zoho(error)
        log.warning("channel %s was not verified: %s", channel.id, error)
        audit.record(
            principal.id, "channel.not_verified", tenant=channel.tenant, channel_id=channel.id, detail=problem.code
        )
        raise problem from None
    return _changed(found, principal, channel, "channel.verified")


@router.delete("/{id}", responses=problem_responses(*REFUSALS, "conflict", "throttled", "unavailable"))
def remove(
    request: Request,
    channel_id: ChannelId,
    principal: Admin,
    purge: Annotated[bool, Query(description="Delete its rows in the warehouse too.")] = False,
) -> Removed:
    """Revoke the token at Zoho and forget the channel. It cannot be undone.

    This process does not write to the warehouse, so a worker deletes the rows.
    """
    found = services(request)
    channel = visible_channel(found, principal, channel_id, damaged_too=True)
    try:
        # the lock is held around both steps: else the subscription of a channel that stays would end
        with channel_lock(found.settings, channel.id, wait=LOCK_SECONDS):
            end_for_removal(found.settings, found.registry, found.service, channel.id)
            done = remove_channel(found.registry, channel.id, purge_for=principal.id if purge else None)
    except UnknownChannel:
        raise not_found() from None
    except (ChannelBusy, LockLost):
        raise Problem("conflict", "The channel is in use. Nothing was done. Try again.") from None
    except ZohoError as error:
        log.warning("channel %s was not removed: %s", channel.id, error)
        raise _refused_by_zoho(error) from None
    action = "channel.purged" if purge else "channel.removed"
    detail = "revoked" if done.revoked else "not revoked"
    Audit(found.registry.database).record(
        principal.id, action, tenant=channel.tenant, channel_id=channel.id, detail=detail
    )
    return Removed(revoked=done.revoked, detail=_shown(done), purge="queued" if purge else None)


def _channel(request: Request, principal: Principal, channel_id: str) -> tuple[WebServices, Channel]:
    found = services(request)
    return found, visible_channel(found, principal, channel_id)


def _changed(found: WebServices, principal: Principal, channel: Channel, action: str) -> ChannelState:
    Audit(found.registry.database).record(principal.id, action, tenant=channel.tenant, channel_id=channel.id)
    now = found.registry.get(channel.id)
    return ChannelState(id=now.id, tenant=now.tenant, status=_STATUS[now.status])


def _refused_by_zoho(error: Exception) -> Problem:
    if isinstance(error, OtherOrg):
        return Problem("not_yours", "The token belongs to another org than the channel. Nothing was changed.")
    if isinstance(error, (SettingsError, UnknownDataCenter)):
        detail = (
            "This service has no access to the channel's data centre at Zoho any more. Its log says what is missing."
        )
        return Problem("unavailable", detail)
    if isinstance(error, DecryptionError):
        return Problem("reconnect_needed", "The stored access cannot be decrypted. Connect the channel again.")
    if isinstance(error, ReconnectNeeded):
        return Problem("reconnect_needed", "Zoho refuses the connection. A person must connect the channel again.")
    if isinstance(error, TokenThrottled):
        return Problem("throttled", "Zoho gives no token for now.", headers={"Retry-After": "600"})
    return Problem("unavailable", "Zoho did not answer as it should. Try again.", headers={"Retry-After": "30"})


def _shown(done: Removal) -> str:
    """The detail without the names of other channels: they may belong to another tenant."""
    return "its token was not revoked: another connection uses it too" if done.is_shared else done.detail

"""What the forms of a channel's page do. Each returns the name of the sentence that the page shows after it."""

from zoho_pipeline.channels.errors import (
    ChannelError,
    ChannelPaused,
    ReconnectFirst,
    TooManyConsents,
    TooManySyncs,
)
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.connect_sessions import ConnectSessions
from zoho_pipeline.channels.sync_requests.model import MOST_PER_HOUR, USER
from zoho_pipeline.channels.sync_requests.queue import request_sync
from zoho_pipeline.web.api.writebacks.routes import decide
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import check_scopes, visible_channel
from zoho_pipeline.web.http.problems import Problem, not_found
from zoho_pipeline.web.http.rate_limits import too_many
from zoho_pipeline.web.services import WebServices
from zoho_pipeline.writeback.errors import UnknownWriteback
from zoho_pipeline.writeback.wishes import Choice
from zoho_pipeline.writeback.wishes import get as get_writeback
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES, NOTIFICATION_SCOPES, WRITE_BACK_SCOPES, all_covered


def ask_for_sync(found: WebServices, principal: Principal, channel_id: str) -> str:
    """Ask for a sync. Problem: `forbidden` without the scope `sync`; `not_found`."""
    check_scopes(principal, ("sync",))
    visible_channel(found, principal, channel_id)
    try:
        _, joined = request_sync(
            found.registry, channel_id, reason=USER, requested_by=principal.id, most_per_hour=MOST_PER_HOUR
        )
    except (ChannelPaused, ReconnectFirst):
        return "refused"
    except TooManySyncs:
        return "limit"
    return "joined" if joined else "asked"


def pause(found: WebServices, principal: Principal, channel_id: str) -> str:
    """Pause the channel. Problem: `forbidden` without the scope `admin`; `not_found`."""
    check_scopes(principal, ("admin",))
    channel = visible_channel(found, principal, channel_id)
    found.registry.pause(channel_id)
    audit = Audit(found.registry.database)
    audit.record(principal.id, "channel.paused", tenant=channel.tenant, channel_id=channel_id)
    return "paused"


def resume(found: WebServices, principal: Principal, channel_id: str) -> str:
    """End the pause. Problem: `forbidden` without the scope `admin`; `not_found`."""
    check_scopes(principal, ("admin",))
    channel = visible_channel(found, principal, channel_id)
    try:
        found.registry.resume(channel_id)
    except ChannelError:
        return "refused"
    audit = Audit(found.registry.database)
    audit.record(principal.id, "channel.resumed", tenant=channel.tenant, channel_id=channel_id)
    return "resumed"


def decide_writeback(
    found: WebServices, principal: Principal, channel_id: str, writeback_id: str, choice: Choice
) -> str:
    """Decide about a conflict of write-back. Problem: `forbidden` without the scope `write`; `not_found`."""
    check_scopes(principal, ("write",))
    visible_channel(found, principal, channel_id)
    try:
        if get_writeback(found.registry, writeback_id).channel_id != channel_id:
            raise not_found()
        decided = decide(found, principal, writeback_id, choice)
    except UnknownWriteback:
        raise not_found() from None
    except Problem as problem:
        if problem.status != 409:
            raise
        return "undecided"
    return "kept" if decided.resolution == "kept" else "forced"


def reconnect(found: WebServices, principal: Principal, channel_id: str) -> str:
    """Prepare a new consent of the channel; the path where the browser begins it.

    Raises:
        Problem: `forbidden` without the scope `connect`; `not_found`; `rate_limited`.
    """
    check_scopes(principal, ("connect",))
    channel = visible_channel(found, principal, channel_id)
    scopes = list(DEFAULT_SCOPES)
    for extra in (NOTIFICATION_SCOPES, WRITE_BACK_SCOPES):  # a new consent replaces the old one
        scopes += extra if channel.scopes is not None and all_covered(channel.scopes, extra) else ()
    try:
        session = ConnectSessions(found.registry.database).begin(
            ConnectSessions.new_id(),
            tenant=channel.tenant,
            channel_id=channel_id,
            principal=principal.id,
            origin=principal.origin,
            request={"data_center": channel.data_center, "scopes": scopes, "timezone": None},
            life_seconds=found.service.connect_seconds,
        )
    except TooManyConsents as error:
        raise too_many(error.retry_after) from None
    audit = Audit(found.registry.database)
    audit.record(principal.id, "consent.prepared", tenant=channel.tenant, channel_id=channel_id)
    return f"/zohoCrm/start?session={session.id}"

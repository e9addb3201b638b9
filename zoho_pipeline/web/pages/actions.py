"""What the forms of a channel's page do. Each returns the name of the sentence that the page shows after it."""

from zoho_pipeline.channels.errors import (
    ChannelError,
    ChannelPaused,
    ReconnectFirst,
    TooManySyncs,
)
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.sync_requests.model import MOST_PER_HOUR, USER
from zoho_pipeline.channels.sync_requests.queue import request_sync
from zoho_pipeline.web.api.writebacks.routes import decide
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import check_scopes, visible_channel
from zoho_pipeline.web.connect.prepare import prepare
from zoho_pipeline.web.http.problems import Problem, not_found
from zoho_pipeline.web.services import WebServices
from zoho_pipeline.writeback.errors import UnknownWriteback
from zoho_pipeline.writeback.wishes import Choice
from zoho_pipeline.writeback.wishes import get as get_writeback


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
    found: WebServices,
    principal: Principal,
    channel_id: str,
    writeback_id: str,
    choice: Choice,
    question: str | None,
) -> str:
    """Decide about a conflict of write-back. Problem: `forbidden` without the scope `write`; `not_found`.

    Args:
        question: which status the page showed; see `wishes.resolve`.
    """
    check_scopes(principal, ("write",))
    visible_channel(found, principal, channel_id)
    try:
        if get_writeback(found.registry, writeback_id).channel_id != channel_id:
            raise not_found()
        decided = decide(found, principal, writeback_id, choice, question)
    except UnknownWriteback:
        raise not_found() from None
    except Problem as problem:
        if problem.status != 409:
            raise
        return "undecided"
    return "kept" if decided.resolution == "kept" else "forced"


def connect(found: WebServices, principal: Principal, channel_id: str, region: str | None = None) -> str:
    """Prepare a consent of a new or a known channel; the path where the browser begins it.

    Raises:
        Problem: `forbidden` without the scope `connect`, and what `prepare` raises.
    """
    check_scopes(principal, ("connect",))
    return prepare(found, principal, channel_id, region=region).start_path


def reconnect(found: WebServices, principal: Principal, channel_id: str) -> str:
    """`connect` for a channel that exists. Problem `not_found`: it does not."""
    visible_channel(found, principal, channel_id)
    return connect(found, principal, channel_id)

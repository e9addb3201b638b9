"""Syncs of a channel: ask for one, look at one, list the last ones.

The list comes from the registry and not from `zoho_raw.sync_runs`: a DuckDB file has one writer and no reader beside
it, so the web server never opens it. Each whole sync leaves its results in the registry, whoever started it.
"""

import math
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from zoho_pipeline.channels.errors import ChannelPaused, ReconnectFirst, TooManySyncs, UnknownChannel
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.channels.sync_requests.model import MOST_PER_HOUR, USER, SyncRequest
from zoho_pipeline.web.api.channel_state import for_browser
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import ChannelId, require, visible_channel
from zoho_pipeline.web.http import cursors
from zoho_pipeline.web.http.bodies import RequestBody
from zoho_pipeline.web.http.problems import Problem, not_found, problem_responses
from zoho_pipeline.web.services import WebServices, services

router = APIRouter(prefix="/v1", tags=["syncs"])

_KNOWN = ("unauthenticated", "forbidden", "not_found", "tenant_required")
State = Literal["queued", "running", "done", "failed"]


class SyncOrder(RequestBody):
    """What kind of sync is wanted."""

    full: bool = Field(default=False, description="Read every row again, not only the rows that changed.")


class SyncAccepted(BaseModel):
    """The request that will be worked on."""

    id: str = Field(description="The id for `GET /v1/syncs/{id}`.")
    state: State
    joined: bool = Field(description="A sync of the channel was queued or running already, and this call joined it.")
    full: bool = Field(description="Whether it reads every row again. A sync that runs already stays as it is.")


class ModuleResult(BaseModel):
    """The result of one module of Zoho CRM, or of a reference table."""

    module: str
    outcome: Literal["complete", "skipped", "failed", "stopped"]
    rows: int = Field(description="Rows that were new or changed.")
    credits: float
    route: str | None
    detail: str | None = Field(description="What is missing, or why it failed.")


class Sync(BaseModel):
    """A sync: a request, or a run that came by itself."""

    id: str
    channel_id: str
    reason: Literal["user", "push", "connect", "gap", "run"] = Field(
        description="Why it was made: `run` is a sync that nobody asked for, such as the one of the night."
    )
    full: bool
    state: State = Field(description="`done` means that the rows are published, so every page shows them.")
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: dict[str, int] = Field(description="Module → rows read so far.")
    modules: list[ModuleResult] = Field(description="Empty until the sync has ended.")
    credits: float | None = Field(description="API credits that it spent.")
    error: str | None = Field(description="Why it failed.")


class SyncPage(BaseModel):
    """Syncs of a channel, the newest first."""

    data: list[Sync]
    next_cursor: str | None


@router.post(
    "/channels/{id}/syncs",
    status_code=202,
    response_model=SyncAccepted,
    summary="Ask for a sync",
    responses=problem_responses(*_KNOWN, "paused", "reconnect_needed", "invalid", "rate_limited"),
)
def ask_for_sync(
    channel_id: ChannelId,
    principal: Annotated[Principal, Depends(require("sync"))],
    found: Annotated[WebServices, Depends(services)],
    order: SyncOrder | None = None,
) -> dict[str, Any]:
    """Ask for a sync of the whole channel. A queued or running one is joined, and there is never a second one.

    The answer comes at once. Follow the sync by its id, or by the channel's events.
    """
    visible_channel(found, principal, channel_id)
    try:
        request, joined = queue.request_sync(
            found.registry,
            channel_id,
            reason=USER,
            requested_by=principal.id,
            full=order is not None and order.full,
            most_per_hour=MOST_PER_HOUR,
        )
    except UnknownChannel:
        raise not_found() from None
    except ChannelPaused:
        raise Problem("paused", "The channel is paused. Resume it first.") from None
    except ReconnectFirst:
        raise Problem("reconnect_needed", "Zoho refuses the channel's token. Connect it again first.") from None
    except TooManySyncs as error:
        wait = str(math.ceil(error.retry_after))
        detail = f"The channel had {MOST_PER_HOUR} syncs on request within an hour."
        raise Problem("rate_limited", detail, headers={"Retry-After": wait}) from None
    return {"id": request.id, "state": request.state, "joined": joined, "full": request.full}


@router.get(
    "/channels/{id}/syncs",
    response_model=SyncPage,
    summary="The last syncs of a channel",
    responses=problem_responses(*_KNOWN, "invalid"),
)
def list_syncs(
    channel_id: ChannelId,
    principal: Annotated[Principal, Depends(require("read"))],
    found: Annotated[WebServices, Depends(services)],
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=cursors.LONGEST)] = None,
) -> dict[str, Any]:
    """Requests for a sync and the whole syncs that came by themselves, the newest first, of the last 30 days."""
    channel = visible_channel(found, principal, channel_id, damaged_too=True)
    keys, binding = found.settings.secret_keys, {"list": "syncs", "tenant": channel.tenant, "channel": channel.id}
    before = None
    if cursor is not None:
        at, last_id = cursors.decode(keys, binding, cursor)
        before = (datetime.fromisoformat(str(at)), str(last_id))
    rows = queue.history(found.registry, channel_id, limit + 1, before)
    more, rows = len(rows) > limit, rows[:limit]
    position = (rows[-1].asked_at.isoformat(), rows[-1].id) if more else None
    next_cursor = None if position is None else cursors.encode(keys, binding, position)
    return {"data": [_shown(row) for row in rows], "next_cursor": next_cursor}


@router.get(
    "/syncs/{sync_id}", response_model=Sync, summary="One sync", responses=problem_responses(*_KNOWN, "invalid")
)
def get_sync(
    sync_id: str,
    principal: Annotated[Principal, Depends(require("read"))],
    found: Annotated[WebServices, Depends(services)],
) -> dict[str, Any]:
    """The state of one sync, its progress, and its results once it has ended."""
    request = queue.get(found.registry, sync_id)
    if request is None:
        raise not_found()
    visible_channel(found, principal, request.channel_id, damaged_too=True)
    return _shown(request)


def _shown(request: SyncRequest) -> dict[str, Any]:
    names = ("id", "channel_id", "reason", "full", "state", "asked_at", "started_at", "finished_at", "credits", "error")
    shown: dict[str, Any] = {name: getattr(request, name) for name in names}
    shown["error"] = for_browser(request.error or "")
    return shown | {"progress": dict(request.progress or {}), "modules": [dict(part) for part in request.modules]}

"""Events of a channel for an open page: server-sent events over fetch, so that the token travels in a header."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.web.api.channels import WHO
from zoho_pipeline.web.api.event_hub import EventHub, Listener, PageEvent
from zoho_pipeline.web.api.stream_seats import StreamSeats
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import ChannelId, require, visible_channel
from zoho_pipeline.web.http.problems import problem_responses
from zoho_pipeline.web.services import services

router = APIRouter(prefix="/v1", tags=["events"])

COMMENT_SECONDS = 15.0
"""Proxies cut connections on which nothing comes."""

LONGEST_SECONDS = 3_600.0
"""A page then connects again by itself, and proves again who it is."""

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A stream of server-sent events. `id` is a number that grows; `event` is the type: "
        "`sync.progress` (at most one per second), `sync.finished`, `sync.failed`, `channel.status`, "
        "`insight.published`; `data` is a JSON object.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@dataclass(frozen=True)
class Admitted:
    """Who may listen to which channel, and for how many seconds."""

    channel: Channel
    principal: Principal
    seconds: float


class SeatedStream(StreamingResponse):
    """A stream that has a place among the open ones from its first to its last byte, however it ends.

    Raises:
        Problem: `rate_limited` or `unavailable`, before anything is sent.
    """

    def __init__(self, lines: AsyncIterator[str], seats: StreamSeats, principal: Principal) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(lines, media_type="text/event-stream", headers=headers)
        self._seats, self._principal = seats, principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._seats.seat(self._principal):
            await super().__call__(scope, receive, send)


def admitted(
    request: Request, channel_id: ChannelId, principal: Annotated[Principal, Depends(require("read"))]
) -> Admitted:
    """The caller, if it may listen. It reads the registry, so it runs in a thread of the pool, once per stream."""
    found = services(request)
    channel = visible_channel(found, principal, channel_id, damaged_too=True)
    left = LONGEST_SECONDS
    if principal.expires_at is not None:
        left = min(left, (principal.expires_at - found.clock()).total_seconds())
    return Admitted(channel, principal, left)


@router.get(
    "/channels/{id}/events",
    response_class=StreamingResponse,
    summary="Events of a channel as they happen",
    responses=_STREAM | problem_responses(*WHO, "not_found"),
)
async def stream(
    request: Request,
    seen: Annotated[Admitted, Depends(admitted)],
    last_event_id: Annotated[str | None, Header(description="The id of the last event that the page got.")] = None,
) -> StreamingResponse:
    """Follow a channel. After a cut connection, `Last-Event-ID` brings what happened within the last hour.

    A comment comes every 15 seconds. The stream ends with the token or its key, at the latest after an hour. A caller
    that has too many open streams gets 429.
    """
    hub, principal = hub_of(request), seen.principal
    ends_at = time.monotonic() + seen.seconds

    async def lines() -> AsyncIterator[str]:
        proof = principal.id if principal.kind == "operator" else principal.key_id
        listener = await hub.listen(seen.channel.id, seen.channel.tenant, _number(last_event_id), proof)
        try:
            yield "retry: 3000\n: connected\n\n"  # only now: what happens after this line is heard
            while (left := ends_at - time.monotonic()) > 0:
                event = await _next(listener, min(COMMENT_SECONDS, left))
                if listener.has_ended:
                    return
                yield ":\n\n" if event is None else _shown(event)
        finally:
            hub.leave(listener)

    return SeatedStream(lines(), request.app.state.stream_seats, principal)


def hub_of(request: Request) -> EventHub:
    """The hub of the app, made at its first use."""
    state = request.app.state
    if not hasattr(state, "event_hub"):
        state.event_hub = EventHub(services(request).registry)
        state.on_stop.append(state.event_hub.close)
    hub: EventHub = state.event_hub
    return hub


async def _next(listener: Listener, seconds: float) -> PageEvent | None:
    """The next event of a page; None if none comes in this time, or if the page has ended."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await listener.next()
    return None


def _shown(event: PageEvent) -> str:
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))  # JSON has no line breaks
    return f"id: {event.seq}\nevent: {event.type}\ndata: {data}\n\n"


def _number(last_event_id: str | None) -> int | None:
    """The number in Last-Event-ID; None where there is none, or one that no event can have."""
    text = (last_event_id or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None

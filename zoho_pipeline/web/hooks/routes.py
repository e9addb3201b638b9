"""The routes of deliveries: Zoho's notifications on their own path or on the shared one, and workflow webhooks."""

import asyncio
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from zoho_pipeline.channels.database.group_commit import QueueFull
from zoho_pipeline.push import receive
from zoho_pipeline.push.hooks import WEBHOOK, WORKFLOW, Heard
from zoho_pipeline.push.receive import Delivery, Malformed, Trust
from zoho_pipeline.web.hooks.gate import Receiver, receiver_of, refused
from zoho_pipeline.web.http.problems import Problem, problem_responses

router = APIRouter(tags=["notifications"])

REFUSALS = problem_responses("bad_request", "unauthenticated", "too_large", "rate_limited", "unavailable")


class Accepted(BaseModel):
    """The delivery is stored."""

    accepted: int = Field(description="The number of records that will be read again.")


_NOTIFICATION: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A notification of Zoho CRM. The content type does not matter.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["module", "ids"],
                    "properties": {
                        "module": {"type": "string"},
                        "ids": {
                            "type": "array",
                            "maxItems": receive.MOST_IDS,
                            "items": {"type": ["string", "integer"]},
                        },
                        "operation": {"type": "string", "enum": list(receive.OPERATIONS)},
                        "channel_id": {"type": ["string", "integer"]},
                        "token": {"type": ["string", "null"]},
                        "server_time": {"type": "integer", "description": "Milliseconds since 1970."},
                    },
                }
            }
        },
    }
}
_FIELDS: dict[str, Any] = {"type": "object", "required": ["module", "id", "secret"]}
_FIELDS |= {"properties": {name: {"type": "string"} for name in ("module", "id", "secret")}}
_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
_WORKFLOW: dict[str, Any] = {
    "requestBody": {"required": True, "content": {media_type: {"schema": _FIELDS} for media_type in _TYPES}}
}


@router.post(WEBHOOK + "/{hook}", responses=REFUSALS, openapi_extra=_NOTIFICATION)
async def webhook(request: Request, hook: str) -> Accepted:  # noqa: ARG001 (the gate judged it)
    """A notification of Zoho on the path of its subscription. Only ids are used; each record is read again."""
    delivery = _parsed(request)
    found: Heard = request.scope["state"]["heard"]
    trust = delivery.trust(found)
    if trust == "refused":
        raise refused(request.scope)
    return await _store(request, found, delivery, trust)


@router.post(WEBHOOK, responses=REFUSALS, openapi_extra=_NOTIFICATION)
async def shared_webhook(request: Request) -> Accepted:
    """A notification of Zoho on the shared path: `channel_id` and `token` say whose it is, and both are required."""
    try:
        delivery = _parsed(request)
    except Problem as problem:
        refusal = refused(request.scope)  # nothing is known of who sends it, so it counts as a refused one
        raise problem if refusal.status == 401 else refusal from None
    receiver = await _receiver(request)
    found = await run_in_threadpool(receiver.hearing.by_number, delivery) if delivery.has_token else None
    if found is None:
        raise refused(request.scope)
    return await _store(request, found, delivery, "trusted")


@router.post(WORKFLOW + "/{hook}", responses=REFUSALS, openapi_extra=_WORKFLOW)
async def workflow(request: Request, hook: str) -> Accepted:  # noqa: ARG001 (the gate judged it)
    """A webhook of a Zoho workflow, as form or JSON, with the fields `module`, `id` and `secret`."""
    try:
        delivery = receive.from_workflow(await _fields(request))
    except Malformed as error:
        raise _bad(request, error) from None
    found: Heard = request.scope["state"]["heard"]
    if delivery.trust(found) != "trusted":
        raise refused(request.scope)
    return await _store(request, found, delivery, "trusted")


def _parsed(request: Request) -> Delivery:
    try:
        return receive.parse(request.scope["state"]["body"])
    except Malformed as error:
        raise _bad(request, error) from None


def _bad(request: Request, error: Malformed) -> Problem:
    request.app.state.metrics.push_deliveries.labels("malformed").inc()
    return Problem("bad_request", f"This is no notification: {error}.")


async def _receiver(request: Request) -> Receiver:
    made: Receiver | None = getattr(request.app.state, "receiver", None)
    if made is None:
        made = await run_in_threadpool(receiver_of, request.app)
    return made


async def _store(request: Request, found: Heard, delivery: Delivery, trust: Trust) -> Accepted:
    """Answer after the commit."""
    receiver, counter = await _receiver(request), request.app.state.metrics.push_deliveries
    hints = delivery.hints(found.channel_id, trust)
    try:
        stored = await asyncio.wrap_future(receiver.writer.put(found, hints, doubtful=trust == "doubtful"))
    except QueueFull:
        counter.labels("unavailable").inc()
        raise Problem("unavailable", "Too much waits to be stored.", headers={"Retry-After": "5"}) from None
    if not stored:
        receiver.hearing.forget(found)
        raise refused(request.scope)
    counter.labels(trust).inc()
    return Accepted(accepted=len(hints))


async def _fields(request: Request) -> dict[str, Any]:
    """The fields of a form or of a JSON object. An admin chose the type in Zoho, so the content decides."""
    body: bytes = request.scope["state"]["body"]
    if body.lstrip()[:1] == b"{":
        return receive.json_object(body)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        form = await request.form(max_files=0, max_fields=50)
        return {name: value for name, value in form.items() if not isinstance(value, UploadFile)}
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=50, keep_blank_values=True))
    except ValueError:
        raise Malformed("the body is neither a form nor JSON") from None

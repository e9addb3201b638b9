"""The routes of forms: a submission, and the script that a page loads."""

import asyncio
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.concurrency import run_in_threadpool

from zoho_pipeline.channels.database.group_commit import QueueFull
from zoho_pipeline.channels.forms.form_keys import OpenForm
from zoho_pipeline.forms.read_submission import LONGEST, Given, InvalidSubmission, read_submission
from zoho_pipeline.forms.suspect import suspect_reason
from zoho_pipeline.forms.writer import Answer
from zoho_pipeline.web.auth.require import authenticate, check_scopes, visible_channel
from zoho_pipeline.web.forms.gate import PER_ADDRESS, FormDesk, Knock, count_key, desk_of
from zoho_pipeline.web.http.problems import Problem, not_found, problem_responses
from zoho_pipeline.web.http.rate_limits import counted_address, limits_of
from zoho_pipeline.web.services import services

router = APIRouter(tags=["forms"])

SCRIPT_SECONDS = 3_600
"""How long a browser keeps the script."""

REFUSALS = problem_responses(
    "bad_request", "tenant_required", "unauthenticated", "forbidden", "not_found", "conflict", "gone",
    "too_large", "unsupported_media", "invalid", "rate_limited", "unavailable",
)  # fmt: skip
_TEXT: dict[str, Any] = {"type": "string", "maxLength": LONGEST}
_FIELDS: dict[str, Any] = {
    "type": "object",
    "required": ["submission_id", "consent"],
    "properties": {
        "submission_id": {
            "type": "string",
            "format": "uuid",
            "description": "Made by the client, once per submission.",
        },
        "submitted_at": {
            "type": "string",
            "format": "date-time",
            "description": "At most 7 days old, and at most 5 minutes ahead. Default: now.",
        },
        "consent": {
            "type": "object",
            "required": ["analytics"],
            "properties": {"analytics": {"type": "boolean"}, "text_version": _TEXT},
            "description": "Without `analytics: true`, nothing is stored.",
        },
        **dict.fromkeys(("email", "email_sha256", "phone", "phone_sha256", "company", "form_id"), _TEXT),
        **{f"utm_{name}": _TEXT for name in ("source", "medium", "campaign", "term", "content", "id")},
        **dict.fromkeys(("landing_url", "referrer", "content_id", "activity_id", "gclid"), _TEXT),
        "elapsed_ms": {"type": "number", "minimum": 0, "description": "From showing the form to sending it."},
        "hp": {**_TEXT, "description": "A field that people do not see. A robot fills it in."},
    },
}
_TYPES = ("application/json", "application/x-www-form-urlencoded")
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {kind: {"schema": _FIELDS} for kind in _TYPES}}}


class Stored(BaseModel):
    """What became of a submission. It never says whether somebody is a lead."""

    stored: bool = Field(description="Whether it is kept. False: there is no consent.")
    reason: str | None = Field(None, description="`no_consent`, or missing.")


@router.post(
    "/v1/forms/{form_key}",
    status_code=202,
    response_model_exclude_none=True,
    responses={**REFUSALS, 200: {"model": Stored, "description": "It was stored before."}},
    openapi_extra=_BODY,
)
async def submit(
    request: Request,
    response: Response,
    form_key: Annotated[str, PathParameter(description="The public key of the form, `fk_…`.")],  # noqa: ARG001
) -> Stored:
    """A submission of a form. A browser is known by its `Origin`; a server sends an API key with the scope `forms`, or
    the headers of Standard Webhooks. E-mail and phone are hashed before anything is stored."""
    form: OpenForm = request.scope["state"]["form"]
    knock: Knock = request.scope["state"]["knock"]
    if not knock.is_browser:
        await _prove(request, form)
        count_key(limits_of(request), form.form_key)
    given = _read(_fields(request))
    desk = desk_of(request.app)
    submission = None
    if given.consent_text_version is not None:
        too_many = desk.addresses.sends_too_many(form.form_key, knock.address)
        submission = given.hashed(form.salt, suspect_reason(given, too_many=too_many))
    try:
        answer = await asyncio.wrap_future(desk.writer.put(form, submission))
    except QueueFull:
        raise Problem("unavailable", "Too much waits to be stored.", headers={"Retry-After": "5"}) from None
    found = _answered(desk, form, answer, response)
    is_suspect = submission is not None and submission.suspect_reason is not None
    request.scope["state"]["form_result"] = answer if answer != "stored" else "suspect" if is_suspect else "accepted"
    return found


@router.api_route("/forms.js", methods=["GET"], include_in_schema=False)
def script() -> Response:
    """The script of a page with a form. Any page may load it, so it alone may be embedded across origins."""
    headers = {"Cache-Control": f"public, max-age={SCRIPT_SECONDS}", "Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(_script(), media_type="text/javascript; charset=utf-8", headers=headers)


@cache
def _script() -> bytes:
    """The script without its indents: a page loads at most 2 KB."""
    lines = (Path(__file__).parent / "static" / "forms.js").read_bytes().splitlines()
    return b"\n".join(line.strip() for line in lines)


async def _prove(request: Request, form: OpenForm) -> None:
    """Let a server go on that shows an API key of the channel's tenant, or the signature of the form's secret."""
    if "authorization" not in request.headers:
        try:
            signed = Webhook(form.secret.reveal())
            signed.verify(request.scope["state"]["body"], dict(request.headers), json_parse=False)
        except (WebhookVerificationError, ValueError):  # ValueError: a header is no base64, or has no comma
            _count_refused(request)
            raise Problem("unauthenticated", "The signature is wrong, or older than five minutes.") from None
        return
    try:
        principal = await run_in_threadpool(authenticate, request)
    except Problem as problem:
        if problem.code == "unauthenticated":
            _count_refused(request)
        raise
    check_scopes(principal, ("forms",))
    await run_in_threadpool(visible_channel, services(request), principal, form.channel_id)


def _count_refused(request: Request) -> None:
    limits_of(request).take(("forms refused", counted_address(request.scope)), PER_ADDRESS)


def _fields(request: Request) -> Mapping[str, Any]:
    """The fields of a JSON object or of a form."""
    body: bytes = request.scope["state"]["body"]
    try:
        if request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded"):
            return dict(parse_qsl(body.decode(), keep_blank_values=True))
        found = orjson.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Problem("bad_request", "The body is neither a JSON object nor a form.")
    return found


def _read(fields: Mapping[str, Any]) -> Given:
    try:
        return read_submission(fields)
    except InvalidSubmission as error:
        raise Problem("invalid", "A field of the form is wrong; see errors.", errors=error.errors) from None


def _answered(desk: FormDesk, form: OpenForm, answer: Answer, response: Response) -> Stored:
    if answer == "unknown_key":
        desk.keys.forget(form)
        raise not_found()
    if answer == "conflict":
        raise Problem("conflict", "Another submission has this submission_id. Make a new one for each submission.")
    if answer == "gone":
        raise Problem("gone", "This submission was forgotten. It is not stored again.")
    if answer == "bad_time":
        errors = [{"field": "submitted_at", "message": "It must be at most 7 days old, and at most 5 minutes ahead."}]
        raise Problem("invalid", "A field of the form is wrong; see errors.", errors=errors)
    if answer == "no_consent":
        return Stored(stored=False, reason="no_consent")
    if answer == "replay":
        response.status_code = 200
    return Stored(stored=True, reason=None)

"""Write-back: wish a status for a lead, look at the wishes, decide about one that waits.

A web process reads the published marts and the registry. It never asks Zoho, so the worker finds out what Zoho holds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response

from zoho_pipeline.channels.errors import ChannelPaused, ReconnectFirst, UnknownChannel
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.reading.leads import KnownLead, find_lead
from zoho_pipeline.web.api.writebacks.shapes import (
    Decision,
    DryRun,
    LeadId,
    StatusWish,
    WishAccepted,
    WritebackPage,
    WritebackShown,
    WritebackWithSteps,
)
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.auth.require import require, visible_channel
from zoho_pipeline.web.http import cursors
from zoho_pipeline.web.http.problems import Problem, not_found, problem_responses
from zoho_pipeline.web.services import WebServices, services
from zoho_pipeline.writeback import wishes
from zoho_pipeline.writeback.errors import (
    LeadConverted,
    NotWaiting,
    OtherQuestion,
    ScopeMissing,
    StatusUnmapped,
    UnknownWriteback,
    WritebackOff,
)
from zoho_pipeline.writeback.model import State, Step, Writeback
from zoho_pipeline.zoho.write.lead_status import change_request

router = APIRouter(prefix="/v1", tags=["write-back"])

_KNOWN = ("unauthenticated", "forbidden", "not_found", "tenant_required", "invalid", "rate_limited")
_REFUSED = ("paused", "reconnect_needed", "writeback_off", "scope_missing")
_REPEATS = ("idempotency_mismatch", "conflict")
READ_BEFORE = "the Modified_Time that is read right before"
"""The precondition in the request of a dry run, which asks nobody."""

Writer = Annotated[Principal, Depends(require("write"))]
Reader = Annotated[Principal, Depends(require("read"))]
Found = Annotated[WebServices, Depends(services)]


@router.patch(
    "/channels/{channel_id}/leads/{lead_id}",
    status_code=202,
    response_model=WishAccepted,
    summary="Wish a status for a lead",
    responses={
        200: {"model": DryRun, "description": "The answer to a dry run."},
        **problem_responses(*_KNOWN, *_REFUSED, "converted", *_REPEATS),
    },
)
def wish_status(
    channel_id: str,
    lead_id: LeadId,
    wish: StatusWish,
    principal: Writer,
    found: Found,
    response: Response,
    dry_run: Annotated[bool, Query(description="Only say what would happen. Nothing is stored or sent.")] = False,
) -> Any:
    """Wish a status for a lead. A worker writes it to Zoho, and never over an edit that the user did not see.

    The lead must be in the published data. A newer wish for the same lead takes the place of one that is not sent yet.
    """
    channel = visible_channel(found, principal, channel_id)
    with _problems():
        wishes.check_usable(found.registry, channel)
        lead = _published_lead(found, channel_id, lead_id)
        if lead is None:
            raise not_found()
        wanted = wishes.Wish(lead, wish.status, wish.expected_status, wish.actor, wish.reason)
        if dry_run:
            tried = _tried(found, channel_id, wanted)
            return Response(tried.model_dump_json(), media_type="application/json")
        made = wishes.ask(found.registry, channel_id, wanted, principal.id)
    audit = Audit(found.registry.database)
    audit.record(principal.id, "writeback.asked", tenant=channel.tenant, channel_id=channel_id, detail=made.id)
    response.headers["Location"] = f"/v1/writebacks/{made.id}"
    return WishAccepted(id=made.id, state=made.state, zoho_status=made.desired)


@router.get(
    "/writebacks/{writeback_id}",
    response_model=WritebackWithSteps,
    summary="One write-back with its steps",
    responses=problem_responses(*_KNOWN),
)
def get_writeback(writeback_id: str, principal: Reader, found: Found) -> dict[str, Any]:
    """The state of one write-back, and each step on the way to it."""
    return _with_steps(found, _visible(found, principal, writeback_id), principal)


@router.get(
    "/channels/{channel_id}/writebacks",
    response_model=WritebackPage,
    summary="The write-backs of a channel",
    responses=problem_responses(*_KNOWN),
)
def list_writebacks(
    channel_id: str,
    principal: Reader,
    found: Found,
    state: Annotated[State | None, Query(description="Only those in this state.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=cursors.LONGEST)] = None,
) -> dict[str, Any]:
    """The write-backs of a channel, the newest first."""
    channel = visible_channel(found, principal, channel_id)
    keys = found.settings.secret_keys
    binding = {"list": "writebacks", "tenant": channel.tenant, "channel": channel.id, "state": state}
    before = None
    if cursor is not None:
        at, last_id = cursors.decode(keys, binding, cursor)
        before = (datetime.fromisoformat(str(at)), str(last_id))
    rows = wishes.page(found.registry, channel_id, limit + 1, state=state, before=before)
    more, rows = len(rows) > limit, rows[:limit]
    position = (rows[-1].created_at.isoformat(), rows[-1].id) if more else None
    next_cursor = None if position is None else cursors.encode(keys, binding, position)
    return {"data": [_shown(row, principal) for row in rows], "next_cursor": next_cursor}


@router.post(
    "/writebacks/{writeback_id}/resolve",
    response_model=WritebackWithSteps,
    summary="Decide about a conflict",
    responses=problem_responses(*_KNOWN, *_REFUSED, *_REPEATS),
)
def resolve_writeback(writeback_id: str, decision: Decision, principal: Writer, found: Found) -> dict[str, Any]:
    """Decide about a write-back that waits, under the policy `hold`: keep Zoho's status, or force the wish."""
    _visible(found, principal, writeback_id)
    is_named = "found_status" in decision.model_fields_set
    question = wishes.question_of(decision.found_status) if is_named else None
    return _with_steps(found, decide(found, principal, writeback_id, decision.choice, question), principal)


def decide(
    found: WebServices, principal: Principal, writeback_id: str, choice: wishes.Choice, question: str | None
) -> Writeback:
    """Decide about a write-back that the caller may see; see `wishes.resolve`. Problem: why it is not possible."""
    with _problems():
        decided = wishes.resolve(found.registry, writeback_id, choice, principal.id, question=question)
    channel = found.registry.get(decided.channel_id)
    audit = Audit(found.registry.database)
    action = f"writeback.{decided.resolution}"
    audit.record(principal.id, action, tenant=channel.tenant, channel_id=channel.id, detail=decided.id)
    return decided


def _tried(found: WebServices, channel_id: str, wish: wishes.Wish) -> DryRun:
    verdict, meant, switch = wishes.dry_run(found.registry, channel_id, wish)
    words: dict[str, Literal["write", "nothing", "refuse", "conflict"]] = {"write": "write", "refuse": "refuse"}
    words |= {"unchanged": "nothing", "conflict": "conflict"}
    would = words[verdict.action]
    request = change_request(wish.lead.id, meant.desired, switch.trigger, READ_BEFORE) if would == "write" else None
    why = f"{verdict.why} This is judged by the published lead; a worker reads the lead at Zoho before it writes."
    return DryRun(would=would, request=request, why=why)


def _published_lead(found: WebServices, channel_id: str, lead_id: str) -> KnownLead | None:
    with found.published.reading() as connection:
        return None if connection is None else find_lead(connection, channel_id, lead_id)


def _visible(found: WebServices, principal: Principal, writeback_id: str) -> Writeback:
    """A write-back of a channel that the caller may see. Problem `not_found`."""
    try:
        writeback = wishes.get(found.registry, writeback_id)
    except UnknownWriteback:
        raise not_found() from None
    visible_channel(found, principal, writeback.channel_id)
    return writeback


def _with_steps(found: WebServices, writeback: Writeback, principal: Principal) -> dict[str, Any]:
    return _shown(writeback, principal) | {"events": [_step(s) for s in wishes.steps(found.registry, writeback.id)]}


def _step(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in ("at", "who", "from_state", "to_state", "code", "detail")}


def _shown(writeback: Writeback, principal: Principal) -> dict[str, Any]:
    renamed = {"zoho_status": writeback.desired, "found_status": writeback.zoho_status}
    shown = {name: getattr(writeback, name) for name in WritebackShown.model_fields if name not in renamed}
    if not {"write", "pii"} & principal.scopes:
        shown |= {"actor": None, "reason": None}
    return shown | renamed


@contextmanager
def _problems() -> Iterator[None]:
    """Turn the errors of write-back into problems. No text of an exception reaches the caller."""
    try:
        yield
    except (UnknownChannel, UnknownWriteback):
        raise not_found() from None
    except ChannelPaused:
        raise Problem("paused", "The channel is paused. Resume it first.") from None
    except ReconnectFirst:
        raise Problem("reconnect_needed", "Zoho refuses the channel's token. Connect it again first.") from None
    except WritebackOff:
        raise Problem("writeback_off", "The write-back of this channel is off, or Zoho refuses it.") from None
    except ScopeMissing:
        detail = "The consent of this channel does not allow changes of leads. Connect it again with write-back."
        raise Problem("scope_missing", detail) from None
    except LeadConverted:
        raise Problem("converted", "The lead was converted, and Zoho does not change converted leads.") from None
    except OtherQuestion:
        raise Problem("conflict", "Zoho has another status than `found_status` now. Look at it, then decide.") from None
    except NotWaiting:
        raise Problem("conflict", "The write-back does not wait for a decision.") from None
    except StatusUnmapped as error:
        known = ", ".join(error.known[:50])
        errors = [{"field": error.field, "message": f"It is not known. Known are: {known}"}]
        raise Problem("invalid", "The channel has no such status; see errors.", errors=errors) from None

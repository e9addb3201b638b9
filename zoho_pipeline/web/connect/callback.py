"""`GET /zohoCrm/callback`: Zoho sends the browser back. The consent is finished, and a page says how."""

import logging
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from zoho_pipeline.channels.consent.binding import binding_hash
from zoho_pipeline.channels.consent.connect import finish
from zoho_pipeline.channels.consent.signed_state import ConsentRequest, read_state
from zoho_pipeline.channels.errors import RegistryError, StateForged
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.connect_sessions import CONNECTED, FAILED, ConnectSession, ConnectSessions
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.web.connect.first_sync import ask_first_sync
from zoho_pipeline.web.connect.outcomes import NO_RETRY, TEXTS, Outcome, code_of
from zoho_pipeline.web.connect.result_page import FAILED_TITLE, problem_page, result_page
from zoho_pipeline.web.http.problems import Problem, not_found, problem_responses
from zoho_pipeline.web.http.rate_limits import count_address
from zoho_pipeline.web.services import WebServices, services

COOKIE = "zp_bind_"
"""With the id of the session behind it, so that two consents in one browser do not meet."""

_HERE = Path(__file__).parent
_STATIC = {"callback.js": "text/javascript", "callback.css": "text/css"}

log = logging.getLogger(__name__)
router = APIRouter(tags=["connect"])


class Finished(BaseModel):
    """The end of a consent for a program that asks for JSON."""

    session_id: str = Field(description="The session that began the consent.")
    channel_id: str = Field(description="The channel that is connected now.")


@router.get(
    "/zohoCrm/callback",
    response_model=Finished,
    responses={
        **problem_responses(
            "state_invalid",
            "state_expired",
            "state_used",
            "consent_denied",
            "code_rejected",
            "accounts_server_refused",
            "browser_mismatch",
            "not_yours",
            "conflict",
            "rate_limited",
            "throttled",
            "unavailable",
        ),
        200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "The page of the result"},
    },
)
def callback(request: Request) -> Response:
    """Where Zoho sends the browser back, with a code or an error. It is a page, or JSON for `Accept: application/json`.

    The state proves which consent it is. It works once.
    """
    try:
        count_address(request, "callback")
    except Problem as problem:
        return problem_page(request, problem)
    outcome = _finished(request)
    page = result_page(request, outcome)
    if outcome.code is None and outcome.session_id:
        page.delete_cookie(COOKIE + outcome.session_id, path="/zohoCrm")
    return page


@router.get("/zohoCrm/static/{name}", include_in_schema=False)
def static_file(name: str) -> Response:
    """The script and the style of the page."""
    if name not in _STATIC:
        raise not_found()
    return FileResponse(_HERE / "static" / name, media_type=_STATIC[name])


def _finished(request: Request) -> Outcome:
    found, params = services(request), dict(request.query_params)
    consent: ConsentRequest | None = None
    session: ConnectSession | None = None
    try:
        now = found.registry.database.now().timestamp()
        consent = read_state(found.registry.encryptor, params.get("state", ""), now)
        if consent.session is None:
            raise StateForged("a consent of the command line came to the web server")
        session = ConnectSessions(found.registry.database).get(consent.session)
        binding = request.cookies.get(COOKIE + consent.session)
        channel = finish(found.registry, params, binding=binding)
    except Exception as error:
        code = code_of(error)
        if code == "internal":
            log.exception("a consent ended with an error that nobody expected")
        else:
            log.warning("a consent was refused (%s, %s): %s", code, type(error).__name__, error)
        return _failed(request, found, session, code, type(error).__name__)
    return _connected(found, consent, session, channel)


def _connected(
    found: WebServices, consent: ConsentRequest, session: ConnectSession | None, channel: Channel
) -> Outcome:
    assert session is not None  # `finish` refuses a consent without one
    ask_first_sync(found.registry, channel.id, session.principal)
    ConnectSessions(found.registry.database).settle(session.id, CONNECTED, None)
    _audit(found, session, "consent.connected", None)
    org = channel.org_name or channel.user_name or "Zoho CRM"
    owner = f" for {channel.tenant}" if channel.tenant else ""
    text = f"{org} is connected{owner}, as channel {channel.id}. Its data are being read now."
    return Outcome(None, "Zoho CRM is connected", text, session.id, consent.channel_id, session.origin)


def _failed(request: Request, found: WebServices, session: ConnectSession | None, code: str, kind: str) -> Outcome:
    if session is None:
        return Outcome(code, FAILED_TITLE, TEXTS[code])
    try:
        # a state that comes again says nothing new about a session that has ended, and whoever comes in another browser
        # must not end the consent of its owner, who can still finish it
        if code not in ("state_used", "browser_mismatch"):
            ConnectSessions(found.registry.database).settle(session.id, FAILED, code)
        _audit(found, session, "consent.refused", f"{code} ({kind})")
    except RegistryError as error:
        log.warning("the end of a consent could not be stored: %s", error)
    # who is in front of this browser did not begin the session, or its page was told before
    if code in ("browser_mismatch", "state_used"):
        return Outcome(code, FAILED_TITLE, TEXTS[code])
    own = binding_hash(request.cookies.get(COOKIE + session.id, ""))
    may_retry = code not in NO_RETRY and session.binding_hash in (None, own)
    retry = f"/zohoCrm/start?session={session.id}" if may_retry else None
    return Outcome(code, FAILED_TITLE, TEXTS[code], session.id, session.channel_id, session.origin, retry)


def _audit(found: WebServices, session: ConnectSession, action: str, detail: str | None) -> None:
    Audit(found.registry.database).record(
        session.principal, action, tenant=session.tenant, channel_id=session.channel_id, detail=detail
    )

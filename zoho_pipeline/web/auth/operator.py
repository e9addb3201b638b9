"""The operator of the installation: a one-time link from the command line, then a cookie for /ui.

The cookie comes with each request of the browser, so a request that changes something must also prove that one of our
own pages sent it: by `Origin`, and by a token that only our pages hold.
"""

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.encryption import derive
from zoho_pipeline.settings import Secret
from zoho_pipeline.web.auth.browser_tokens import tokens_of
from zoho_pipeline.web.auth.principal import SCOPES, Principal
from zoho_pipeline.web.auth.tokens import LOGIN, LONGEST, OPERATOR, BadToken, Tokens
from zoho_pipeline.web.http.problems import Problem
from zoho_pipeline.web.services import WebServices, services

COOKIE = "zp_operator"
FORM_FIELD = "form_token"
FORM_HEADER = "X-Form-Token"
SAFE = ("GET", "HEAD", "OPTIONS")
LOGIN_PATH = "/ui/login"

router = APIRouter(include_in_schema=False)


def login_link(tokens: Tokens) -> str:
    """A link that lets one browser in, once, within ten minutes."""
    token, _ = tokens.make(LOGIN, LONGEST[LOGIN])
    return f"{tokens.issuer}{LOGIN_PATH}?t={token}"


def operator_of(request: Request) -> Principal:
    """The operator of a request.

    Raises:
        Problem: `unauthenticated` without a good cookie; `forbidden` where a request that changes something does not
            come from one of our own pages.
    """
    found = services(request)
    try:
        claims = tokens_of(found).read(OPERATOR, request.cookies.get(COOKIE, ""))
    except BadToken:
        raise Problem("unauthenticated", "Log in with the link that `zoho-pipeline web login` prints.") from None
    ends = datetime.fromtimestamp(claims["exp"], UTC)
    principal = Principal("operator", f"operator:{claims['jti']}", None, frozenset(SCOPES), expires_at=ends)
    if found.registry.nonce_is_used(logout_nonce(principal.id)):
        raise Problem("unauthenticated", "This login was ended. Log in with a new link: zoho-pipeline web login")
    if request.method not in SAFE:
        _check_own_page(request, found, principal)
    return principal


def logout_nonce(principal_id: str) -> str:
    """The mark in the registry that ends a login, also for whoever copied its cookie. Nonces are kept for a day, which
    is longer than a cookie lives."""
    return f"logout {principal_id}"


def form_token(found: WebServices, principal: Principal) -> str:
    """What each form of the operator's pages holds in its field `form_token`."""
    return _form_token(found.settings.secret_keys[0], principal)


def _form_token(key: Secret, principal: Principal) -> str:
    return hmac.new(derive(key, "form token"), principal.id.encode(), hashlib.sha256).hexdigest()


def _check_own_page(request: Request, found: WebServices, principal: Principal) -> None:
    own = request.headers.get("Origin") == found.service.browser_origin
    given = request.headers.get(FORM_HEADER) or _field(request)
    good = [hmac.compare_digest(_form_token(key, principal), given) for key in found.settings.secret_keys]
    if not own or not any(good):
        raise Problem("forbidden", "This request did not come from a page of this service. Load the page again.")


def _field(request: Request) -> str:
    body: bytes = request.scope["state"].get("body", b"")
    is_form = request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
    fields = dict(parse_qsl(body.decode("latin-1"))) if is_form else {}
    return "".join(character for character in fields.get(FORM_FIELD, "") if character.isascii())


@router.get(LOGIN_PATH)
def login(request: Request, t: str = "") -> Response:
    """Exchange the link for the cookie. The link works once."""
    found = services(request)
    tokens = tokens_of(found)
    try:
        claims = tokens.read(LOGIN, t)
    except BadToken:
        claims = None
    if claims is None or not found.registry.claim_nonce(f"login {claims['jti']}"[:64]):
        raise Problem("gone", "This link was used or has ended. Make a new one with: zoho-pipeline web login")
    cookie, _ = tokens.make(OPERATOR, LONGEST[OPERATOR])
    Audit(found.registry.database).record("operator", "operator.login")
    answer = RedirectResponse("/ui", 303)
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=LONGEST[OPERATOR],
        path="/",
        secure=not found.service.is_loopback,
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/ui/logout")
def logout(request: Request) -> Response:
    """End the login: the cookie is good nowhere any more, and open streams of events end."""
    principal = operator_of(request)
    registry = services(request).registry
    registry.claim_nonce(logout_nonce(principal.id))
    Audit(registry.database).record(principal.id, "operator.logout")
    answer = RedirectResponse("/ui", 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer

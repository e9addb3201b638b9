"""From a session token or an embed link to a principal, and back."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime

from zoho_pipeline.web.auth.principal import SCOPES, Kind, Principal
from zoho_pipeline.web.auth.tokens import EMBED, SESSION, Audience, BadToken, Tokens, text, texts
from zoho_pipeline.web.http.problems import Problem
from zoho_pipeline.web.services import WebServices


def tokens_of(found: WebServices) -> Tokens:
    """What signs and reads the tokens of this installation."""
    return Tokens(found.settings.secret_keys, found.service.public_url, found.clock)


def session_token(
    found: WebServices,
    key: Principal,
    *,
    audience: Audience,
    end_user: str,
    channels: Iterable[str],
    scopes: Iterable[str],
    origin: str,
) -> tuple[str, datetime]:
    """A session token or an embed token, and when it ends. It ends with the key that asks for it, at the latest."""
    seconds = found.service.session_seconds if audience == SESSION else found.service.embed_seconds
    if key.expires_at is not None:
        seconds = min(seconds, max(1, int((key.expires_at - found.clock()).total_seconds())))
    claims = {"sub": end_user, "ten": key.tenant, "chs": list(channels), "scp": sorted(set(scopes)), "org": origin}
    return tokens_of(found).make(audience, seconds, **claims, key=key.id.removeprefix("key:"))


def principal_of_session(found: WebServices, token: str) -> Principal:
    """The caller with this session token. Problem `unauthenticated`: it is not good."""
    return _principal(found, SESSION, token)


def principal_of_embed_token(found: WebServices, token: str) -> Principal:
    """The viewer of a page in a frame. Problem `unauthenticated`: the link is not good, or has ended."""
    return _principal(found, EMBED, token)


def origin_of_link(found: WebServices, link: str) -> str | None:
    """The origin that may frame what this link leads to, also when the link has ended; None: we made no such link."""
    try:
        return text(tokens_of(found).read(EMBED, link, ended_too=True).get("org"))
    except BadToken:
        return None


def session_of_embed(found: WebServices, link: str) -> str:
    """A session token with the rights of an embed link, which ends with the link: for the module of the page.

    The caller has made a principal of the same link before, so its key is good.

    Raises:
        Problem: `unauthenticated`; the link is not good, or has ended.
    """
    tokens = tokens_of(found)
    try:
        claims = tokens.read(EMBED, link)
    except BadToken:  # it has ended since
        raise Problem("unauthenticated", "The token is not good, or has ended. Ask for a new one.") from None
    kept = {name: claims[name] for name in ("sub", "ten", "chs", "scp", "org", "key")}
    seconds = max(1, int(claims["exp"] - found.clock().timestamp()))
    return tokens.make(SESSION, seconds, **kept)[0]


def _principal(found: WebServices, audience: Audience, token: str) -> Principal:
    try:
        claims = tokens_of(found).read(audience, token)
        tenant, end_user, origin = text(claims.get("ten")), text(claims.get("sub")), text(claims.get("org"))
        scopes, channels = frozenset(texts(claims.get("scp"))), frozenset(texts(claims.get("chs")))
        if not scopes <= set(SCOPES) or not found.keys.is_good(text(claims.get("key"))):
            raise BadToken  # a token ends with the key that made it
    except BadToken:
        raise Problem("unauthenticated", "The token is not good, or has ended. Ask for a new one.") from None
    # the name of an end user may be an address, so logs and the audit get a name made of it
    who = hashlib.sha256(f"{tenant}\n{end_user}".encode()).hexdigest()[:16]
    ends = datetime.fromtimestamp(claims["exp"], UTC)
    kind: Kind = "session" if audience == SESSION else "embed"
    return Principal(kind, f"{kind}:{who}", tenant, scopes, channels, origin, ends, claims["key"])

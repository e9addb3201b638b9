"""The consent page at /oauth/v2/auth: choose an org and a user, accept or reject (docs/zoho-facts.md, section 2.1)."""

from html import escape
from urllib.parse import urlencode, urlsplit

from zoho_pipeline.simulator.clock import forget_until
from zoho_pipeline.simulator.hub import Hub
from zoho_pipeline.simulator.org_handle import OrgHandle
from zoho_pipeline.simulator.state.tokens import GRANT_CODES, Client, Code, new_secret, scope_words
from zoho_pipeline.simulator.wire import Answer, Request

CODE_WINDOW = 600
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;background:#f4f5f7;margin:0;padding:3rem 1rem;color:#1f2430}"
    "main{max-width:34rem;margin:auto;background:#fff;border-radius:12px;padding:2rem;box-shadow:0 2px 16px #0002}"
    "h1{font-size:1.3rem;margin-top:0}select,button{font:inherit;padding:.5rem .8rem;border-radius:8px}"
    "select{width:100%;border:1px solid #c5c9d3;margin:.3rem 0 1rem}button{border:0;margin-right:.5rem;cursor:pointer}"
    ".yes{background:#1a7f4b;color:#fff}.no{background:#e6e8ee}li{font-family:ui-monospace,monospace;font-size:.85rem}"
)


def page(hub: Hub, request: Request) -> Answer:
    """GET: show the page, or redirect to another accounts server (switch `consent_redirect`)."""
    if hub.switches.consent_redirect:
        target = f"{hub.switches.consent_redirect}/oauth/v2/auth?{urlencode(request.query)}"
        return Answer(302, headers={"location": target})
    client, problem = _checked(hub, request.query)
    if client is None:
        return _html(f"<h1>Error</h1><p>{escape(problem)}</p>", 400)
    hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in request.query.items())
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in _scopes(request.query))
    choices = "".join(
        f'<option value="{org.id}:{user.id}">{escape(org.name)} ({org.environment}) as '
        f"{escape(user.full_name)}, {escape(user.profile)}</option>"
        for org in hub.orgs.values()
        for user in org.users.values()
        if user.status == "active" and not user.deleted
    )
    answer = _html(
        f"<h1>{escape(client.id)} would like to access your Zoho CRM (simulated)</h1>"
        f'<form method="post" action="/oauth/v2/auth">{hidden}<label>Organisation and user'
        f'<select name="choice">{choices}</select></label><p>It asks for:</p><ul>{scopes}</ul>'
        '<button class="yes" name="decision" value="accept">Accept</button>'
        '<button class="no" name="decision" value="reject">Reject</button></form>'
    )
    if hub.switches.consent_opener_policy:
        answer.headers["cross-origin-opener-policy"] = hub.switches.consent_opener_policy
    return answer


def decide(hub: Hub, request: Request) -> Answer:
    """POST: redirect to the client with `code`, `location`, `accounts-server` and `state`, or with `error`."""
    form = request.form()
    client, problem = _checked(hub, form)
    if client is None:
        return _html(f"<h1>Error</h1><p>{escape(problem)}</p>", 400)
    org_id, _, user_id = form.get("choice", "").partition(":")
    org = hub.orgs.get(org_id)
    answered = {"state": form["state"]} if "state" in form else {}
    if form.get("decision") == "accept" and (org is None or user_id not in org.users):
        return _html("<h1>Error</h1><p>Choose an organisation and a user.</p>", 400)
    if form.get("decision") != "accept" or org is None or _too_many_codes(hub, client):
        return _back(form, {"error": "access_denied"} | answered)
    code = issue_code(hub, client, form, org, user_id)
    place = {
        "code": code.value,
        "location": hub.switches.callback_location or org.location,
        "accounts-server": hub.switches.callback_accounts_server or hub.url,
    }
    return _back(form, answered | place)


def issue_code(hub: Hub, client: Client, form: dict[str, str], org: OrgHandle, user_id: str) -> Code:
    """Make a grant code.

    Its exchange returns a refresh token when access_type is offline and this is the first consent or prompt is
    consent.
    """
    first = (client.id, user_id) not in hub.tokens.consented
    hub.tokens.consented.add((client.id, user_id))
    now = hub.clock.seconds()
    client.codes_issued.append(now)
    refresh = form.get("access_type", "online") == "offline" and (first or form.get("prompt") == "consent")
    code = Code(
        new_secret(), client.id, form.get("redirect_uri", ""), org.id, user_id, _scopes(form), refresh,
        now + hub.switches.code_seconds,
    )  # fmt: skip
    hub.tokens.codes[code.value] = code
    return code


def _checked(hub: Hub, query: dict[str, str]) -> tuple[Client | None, str]:
    """The client of the request; else None and the reason, as a text for the page."""
    client = hub.tokens.clients.get(query.get("client_id", ""))
    if client is None:
        return None, "Invalid Client Id: the client id passed does not exist"
    if query.get("response_type") != "code":
        return None, "Invalid response type"
    if not _scopes(query):
        return None, "Invalid OAuth Scope: scope does not exist"
    uri = query.get("redirect_uri", "")
    parts = urlsplit(uri)
    loopback = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if uri not in client.redirect_uris and not (loopback and not client.redirect_uris):
        return None, "Invalid Redirect Uri: it does not match the one configured"
    return client, ""


def _too_many_codes(hub: Hub, client: Client) -> bool:
    forget_until(client.codes_issued, hub.clock.seconds() - CODE_WINDOW)
    return len(client.codes_issued) >= GRANT_CODES


def _scopes(query: dict[str, str]) -> list[str]:
    return scope_words(query.get("scope", ""))


def _back(form: dict[str, str], values: dict[str, str]) -> Answer:
    uri = form["redirect_uri"]
    joint = "&" if urlsplit(uri).query else "?"
    return Answer(302, headers={"location": f"{uri}{joint}{urlencode(values)}"})


def _html(body: str, status: int = 200) -> Answer:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Zoho Accounts (simulated)</title>'
        f"<style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    return Answer(status, text.encode(), "text/html; charset=utf-8")

"""The token endpoint, the revocation endpoint and the list of accounts servers (docs/zoho-facts.md, section 2)."""

from typing import Any

from zoho_pipeline.simulator.hub import Hub
from zoho_pipeline.simulator.state.tokens import Grant, TokenError, scope_words
from zoho_pipeline.simulator.wire import Answer, Request, as_json


def token_endpoint(hub: Hub, request: Request) -> Answer:
    """POST /oauth/v2/token. An error is an HTTP 200 with an `error` in its body (switch `token_error_status`)."""
    form = request.form()
    try:
        grant_type = form.get("grant_type")
        if grant_type == "refresh_token":
            return _refresh(hub, form)
        if grant_type == "authorization_code":
            return _exchange(hub, form)
        if grant_type == "client_credentials":
            return _client_credentials(hub, form)
        raise TokenError("unsupported_grant_type")
    except TokenError as error:
        return as_json({"error": str(error)}, hub.switches.token_error_status)


def _refresh(hub: Hub, form: dict[str, str]) -> Answer:
    desk = hub.tokens
    client = desk.check_client(form)
    grant = desk.grants.get(form.get("refresh_token", ""))
    if grant is None or grant.client_id != client.id:
        raise TokenError("invalid_code")
    if desk.throttled(grant):
        return throttle_answer(hub)
    return as_json(_granted(hub, grant))


def _exchange(hub: Hub, form: dict[str, str]) -> Answer:
    desk = hub.tokens
    client = desk.check_client(form)
    code = desk.codes.get(form.get("code", ""))
    if code is None or code.used or code.client_id != client.id or code.expires <= hub.clock.seconds():
        raise TokenError("invalid_code")
    if code.redirect_uri and form.get("redirect_uri", "") != code.redirect_uri:
        raise TokenError("invalid_redirect_uri")
    code.used = True
    offline = code.refresh and not hub.switches.drop_refresh_token
    grant = desk.new_grant(client.id, code.org_id, code.user_id, code.scopes, offline=offline)
    return as_json(_granted(hub, grant, with_refresh=offline))


def _client_credentials(hub: Hub, form: dict[str, str]) -> Answer:
    client = hub.tokens.check_client(form)
    org = next((o for o in hub.orgs.values() if form.get("soid") == f"ZohoCRM.{o.zgid}"), None)
    if org is None:
        raise TokenError("invalid_soid")
    scopes = scope_words(form.get("scope", ""))
    return as_json(_granted(hub, hub.tokens.new_grant(client.id, org.id, org.admin.id, scopes, offline=False)))


def _granted(hub: Hub, grant: Grant, *, with_refresh: bool = False) -> dict[str, Any]:
    token = hub.tokens.mint(grant)
    seconds = hub.switches.token_seconds
    body: dict[str, Any] = {"access_token": token.value}
    if with_refresh:
        body["refresh_token"] = grant.refresh_token
    if hub.switches.token_scope:
        body["scope"] = " ".join(grant.scopes)
    body |= {"api_domain": hub.switches.api_domain or hub.url, "token_type": "Bearer", "expires_in": seconds}
    if hub.switches.legacy_expires_in:
        body |= {"expires_in": seconds * 1000, "expires_in_sec": seconds}
    return body


def throttle_answer(hub: Hub) -> Answer:
    """Answer a grant that has minted too many tokens (switch `throttle_status`)."""
    text = "You have made too many requests continuously. Please try again after some time."
    body = {"error_description": text, "error": "Access Denied", "status": "failure"}
    return as_json(body, hub.switches.throttle_status)


def revoke_endpoint(hub: Hub, request: Request) -> Answer:
    """POST /oauth/v2/token/revoke with a refresh token or an access token."""
    value = request.form().get("token", "")
    desk = hub.tokens
    if value in desk.grants:
        desk.drop(desk.grants[value])
    elif value in desk.live:
        desk.expire(value)
    else:
        return as_json({"error": "invalid_token"}, hub.switches.token_error_status)
    return as_json({"status": "success"})


def server_info(hub: Hub, _: Request) -> Answer:
    """GET /oauth/serverinfo: the accounts server of each data centre. The simulator is the server of all of them."""
    locations = {org.location: hub.url for org in hub.orgs.values()} or {"us": hub.url}
    return as_json({"result": "success", "locations": locations})

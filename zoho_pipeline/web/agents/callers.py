"""From the caller of a request to the caller of an agent's call, and the desk of the web process."""

from fastapi import Request

from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.agents.desk import Desk
from zoho_pipeline.agents.refusals import Refused
from zoho_pipeline.web.auth.principal import Principal
from zoho_pipeline.web.http.problems import Problem, not_found
from zoho_pipeline.web.http.rate_limits import too_many
from zoho_pipeline.web.services import WebServices, services

SCOPE = "agent"


def desk_for(found: WebServices) -> Desk:
    """A desk that opens the registry and the marts when they are needed."""
    return Desk(lambda: found.registry, lambda: found.published)


def desk_of(request: Request) -> Desk:
    """The desk of the app: MCP and JSON share its limits."""
    found: Desk = request.app.state.agent_desk
    return found


def caller_for(request: Request, principal: Principal) -> Caller:
    """The rights of a principal at the desk. Initials need the setting AGENTS_PII and the scope `pii`."""
    with_initials = services(request).service.agents_pii == "masked" and "pii" in principal.scopes
    return Caller(principal.id, principal.tenant, principal.channels, with_initials)


def problem_of(refused: Refused) -> Problem:
    """A refusal of the desk as a problem of the API."""
    if refused.code == "no_such_channel":
        return not_found()
    if refused.code == "too_many_calls":
        return too_many(refused.wait or 1)
    if refused.code == "too_slow":
        return Problem("unavailable", str(refused), headers={"Retry-After": "5"})
    return Problem("invalid", str(refused), errors=[{"field": "sections", "message": str(refused)}])

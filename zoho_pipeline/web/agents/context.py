"""`GET /v1/channels/{id}/agent-context`: what an agent learns of a channel, as JSON for programs without MCP."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from zoho_pipeline.agents.model import (
    Answer,
    ContentPerformance,
    Insight,
    LeadSources,
    Part,
    RecentLeads,
    Topics,
)
from zoho_pipeline.agents.refusals import Refused
from zoho_pipeline.agents.sections.content import content_performance
from zoho_pipeline.agents.sections.insight import insight
from zoho_pipeline.agents.sections.reading import Reading
from zoho_pipeline.agents.sections.recent_leads import recent_leads
from zoho_pipeline.agents.sections.sources import lead_sources
from zoho_pipeline.agents.sections.topics import topics
from zoho_pipeline.web.agents.callers import SCOPE, caller_for, desk_of, problem_of
from zoho_pipeline.web.auth.require import require
from zoho_pipeline.web.http.problems import Problem, problem_responses

router = APIRouter(prefix="/v1", tags=["agents"])
agent = require(SCOPE)

SECTIONS: dict[str, Callable[[Reading], tuple[Any, int]]] = {
    "insight": insight,
    "recent_leads": recent_leads,
    "topics": topics,
    "content": content_performance,
    "sources": lead_sources,
}
"""The names of the sections → what makes them. Each is the `data` of a tool, with the defaults of its arguments."""

WHO = ("tenant_required", "unauthenticated", "forbidden", "not_found", "invalid", "rate_limited", "unavailable")


class Sections(Part):
    """The sections that were asked for."""

    insight: Insight = Field(default=None, description="As the tool get_insight.")  # type: ignore[assignment]
    recent_leads: RecentLeads = Field(default=None, description="As recent_leads_by_content.")  # type: ignore[assignment]
    topics: Topics = Field(default=None, description="As the tool topics.")  # type: ignore[assignment]
    content: ContentPerformance = Field(default=None, description="As content_performance.")  # type: ignore[assignment]
    sources: LeadSources = Field(default=None, description="As the tool lead_sources.")  # type: ignore[assignment]


class AgentContext(Answer):
    """What an agent may learn of a channel."""

    data: Sections


@router.get("/channels/{id}/agent-context", response_model=AgentContext, responses=problem_responses(*WHO))
def get_agent_context(
    request: Request,
    id: str,
    sections: Annotated[str | None, Query(description="Names, separated by commas; all if there is none.")] = None,
) -> Response:
    """What an agent may know of a channel: no person, no address, no record id, and nothing of small groups.

    The sections are insight, recent_leads, topics, content and sources. The texts in `data` were written by the tenant.
    """
    caller = caller_for(request, agent(request))
    try:
        wanted = _wanted(sections)
    except Problem:
        desk_of(request).refused(caller, "context")
        raise

    def make(reading: Reading) -> tuple[Sections, int]:
        made = {name: SECTIONS[name](reading) for name in wanted}
        return Sections(**{name: data for name, (data, _) in made.items()}), sum(rows for _, rows in made.values())

    try:
        text = desk_of(request).answer(caller, "context", id, make, AgentContext, "Ask for fewer `sections`.")
    except Refused as refused:
        raise problem_of(refused) from None
    return Response(text, media_type="application/json")


def _wanted(given: str | None) -> list[str]:
    """The sections in their order. Problem `invalid`: a name is unknown."""
    names = [part.strip() for part in (given or "").split(",") if part.strip()] or list(SECTIONS)
    if not set(names) <= set(SECTIONS):
        message = f"It takes names of {', '.join(SECTIONS)}, separated by commas."
        raise Problem(
            "invalid", "A section is unknown; see errors.", errors=[{"field": "sections", "message": message}]
        )
    return [name for name in SECTIONS if name in names]

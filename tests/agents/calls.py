"""Every call that an agent can make, by name: what the tests of leaks and of limits go through."""

from collections.abc import Callable, Mapping
from typing import Any

from zoho_pipeline.agents import brief, model
from zoho_pipeline.agents.caller import Caller
from zoho_pipeline.agents.desk import Desk
from zoho_pipeline.agents.metric_texts import explain_metric
from zoho_pipeline.agents.sections.content import content_performance
from zoho_pipeline.agents.sections.insight import insight
from zoho_pipeline.agents.sections.recent_leads import recent_leads
from zoho_pipeline.agents.sections.sources import lead_sources
from zoho_pipeline.agents.sections.topics import topics

Call = Callable[..., str]


def _about(name: str, section: Callable[..., Any], shape: type[model.Answer]) -> Call:
    def call(desk: Desk, caller: Caller, channel: str, **arguments: Any) -> str:
        return desk.answer(caller, name, channel, lambda reading: section(reading, **arguments), shape)

    return call


def _text(name: str, make: Callable[..., tuple[str, int]]) -> Call:
    def call(desk: Desk, caller: Caller, channel: str) -> str:
        return desk.text(caller, name, channel, make)

    return call


CALLS: Mapping[str, Call] = {
    "get_insight": _about("get_insight", insight, model.InsightAnswer),
    "recent_leads_by_content": _about("recent_leads_by_content", recent_leads, model.RecentLeadsAnswer),
    "topics": _about("topics", topics, model.TopicsAnswer),
    "content_performance": _about("content_performance", content_performance, model.ContentPerformanceAnswer),
    "lead_sources": _about("lead_sources", lead_sources, model.LeadSourcesAnswer),
    "brief": _text("brief", brief.brief),
    "next_blog_posts": _text("next_blog_posts", brief.next_blog_posts),
    "list_channels": lambda desk, caller, channel: desk.channels(caller),
    "explain_metric": lambda desk, caller, channel, name="lift": desk.explanation(caller, lambda: explain_metric(name)),
}

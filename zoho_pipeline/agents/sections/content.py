"""`content_performance`: the leads, deals and revenue that are credited to each content item."""

from typing import Any, Literal

from zoho_pipeline.agents.model import ContentPerformance, ContentResult
from zoho_pipeline.agents.sections.reading import (
    CORRELATION,
    SMALL_GROUPS,
    Reading,
    described,
    named,
    read_contents,
)
from zoho_pipeline.agents.sections.topics import check_limit
from zoho_pipeline.agents.suppression import is_small

Order = Literal["leads", "deals", "revenue"]
_COLUMN = {"leads": "credited_leads", "deals": "credited_deals", "revenue": "won_revenue"}
_QUERY = """
select content_id, title, content_type, model, currency, credited_leads, credited_deals, credited_won_deals, won_revenue
from content_performance where channel_id = ? and content_id <> '(none)' and {default}
"""
_CONFIDENCE = """
select content_id, avg(match_confidence) as confidence, count(*) as n
from lead_source_attribution where channel_id = ? and content_id is not null group by content_id
"""


def content_performance(reading: Reading, limit: int = 20, order: Order = "leads") -> tuple[ContentPerformance, int]:
    """Content items by what they brought, and the number of rows.

    Raises:
        Refused: `wrong_value`.
    """
    check_limit(limit)
    # a channel may choose its model; before that, every table used last_touch
    default = "is_default" if "is_default" in reading.columns("content_performance") else "model = 'last_touch'"
    rows = reading.rows(_QUERY.format(default=default), (reading.channel_id,))
    rows.sort(key=lambda row: _place(row, order))
    chosen = rows[:limit]
    contents = read_contents(reading, (row["content_id"] for row in chosen))
    confidences = {row["content_id"]: row for row in reading.rows(_CONFIDENCE, (reading.channel_id,))}
    items = [
        _item(row, contents.get(row["content_id"]) or described(row), confidences.get(row["content_id"]))
        for row in chosen
    ]
    found = ContentPerformance(
        words=_words(items),
        model=rows[0]["model"] if rows else None,
        currency=rows[0]["currency"] if rows else None,
        items=items,
        n_not_shown=len(rows) - len(items),
        caveats=[*reading.caveats(), CORRELATION, SMALL_GROUPS],
    )
    return found, len(items)


def _place(row: dict[str, Any], order: Order) -> tuple[bool, float, float, str, str]:
    """The order of rows. A small group has no place by its deals or its revenue: that would bound them."""
    small, leads = is_small(row["credited_leads"]), float(row["credited_leads"] or 0)
    value = leads if small else float(row[_COLUMN[order]] or 0)
    return small and order != "leads", -value, -leads, str(row["title"] or ""), row["content_id"]


def _item(row: dict[str, Any], about: dict[str, Any], matched: dict[str, Any] | None) -> ContentResult:
    small = is_small(row["credited_leads"])
    sure = None if small or matched is None or is_small(matched["n"]) else matched["confidence"]
    return ContentResult(
        **about,
        leads=row["credited_leads"] or 0,
        deals=None if small else row["credited_deals"],
        won_deals=None if small else row["credited_won_deals"],
        won_revenue=None if small else row["won_revenue"],
        confidence=None if sure is None else round(float(sure), 3),
        suppressed=small,
    )


def _words(items: list[ContentResult]) -> str:
    if not any(item.leads for item in items):
        return "No content is known to have brought leads."
    parts = [f"{named(item.title)} with {item.leads:g}" for item in items[:3] if item.leads]
    return f"The leads that are credited to content: {', '.join(parts)}."

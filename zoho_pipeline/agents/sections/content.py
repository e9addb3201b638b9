"""`content_performance`: the leads, deals and revenue that are credited to each content item."""

from collections import defaultdict
from typing import Any, Literal

from zoho_pipeline.agents.limits import GROUP
from zoho_pipeline.agents.model import ContentPerformance, ContentResult
from zoho_pipeline.agents.sections.reading import (
    CORRELATION,
    SMALL_GROUPS,
    Reading,
    captured_column,
    described,
    named,
    read_contents,
)
from zoho_pipeline.agents.sections.topics import check_limit
from zoho_pipeline.agents.suppression import is_small
from zoho_pipeline.agents.untrusted import clean

Order = Literal["leads", "deals", "revenue"]
_COLUMN = {"leads": "credited_leads", "deals": "credited_deals", "revenue": "won_revenue"}
_QUERY = """
select content_id, title, content_type, model, currency, credited_leads, credited_deals, credited_won_deals,
    won_revenue, count(*) over () as n_items
from content_performance where channel_id = ? and content_id <> '(none)' and {default}
order by case when {small} and ? then 1 else 0 end,
    coalesce(case when {small} then credited_leads else {column} end, 0) desc, coalesce(credited_leads, 0) desc,
    coalesce(title, '') collate "C", content_id collate "C"
limit ?
"""
"""A small group has no place by its deals or its revenue, which would bound them: it comes last, by its leads."""
_SMALL = f"(credited_leads > 0 and credited_leads < {GROUP})"
_CONFIDENCE = """
select content_id, avg(match_confidence) as confidence, count(*) as n
from lead_source_attribution where channel_id = ? and content_id in ({marks}) group by content_id
"""
_CAPTURED = """
select content_id, captured_by from (
    select credited.content_id, {captured} as captured_by, count(*) over (partition by credited.content_id) as n,
        row_number() over (
            partition by credited.content_id order by credited.created_at nulls first, credited.zoho_lead_id collate "C"
        ) as place
    from lead_source_attribution as credited
    inner join lead on credited.channel_id = lead.channel_id and credited.zoho_lead_id = lead.zoho_lead_id
    where credited.channel_id = ? and credited.content_id in ({marks})
) as leads
where place <= n - mod(n, {group}) and captured_by is not null
group by content_id, captured_by
"""
"""The kinds of capture in whole groups of three leads, from the oldest one on (see `suppression.py`)."""
_LONGEST_CURRENCY = 10


def content_performance(reading: Reading, limit: int = 20, order: Order = "leads") -> tuple[ContentPerformance, int]:
    """Content items by what they brought, and the number of rows.

    Raises:
        Refused: `wrong_value`.
    """
    check_limit(limit)
    # a channel may choose its model; before that, every table used last_touch
    default = "is_default" if "is_default" in reading.columns("content_performance") else "model = 'last_touch'"
    query = _QUERY.format(default=default, small=_SMALL, column=_COLUMN[order])
    rows = reading.rows(query, (reading.channel_id, order != "leads", limit))
    contents = read_contents(reading, (row["content_id"] for row in rows))
    ids = [row["content_id"] for row in rows]
    sure, captured = _confidences(reading, ids), _captured(reading, ids)
    items = []
    for row in rows:
        content_id = row["content_id"]
        about = contents.get(content_id) or described(row)
        items.append(_item(row, about, sure.get(content_id), captured.get(content_id)))
    found = ContentPerformance(
        words=_words(items),
        model=rows[0]["model"] if rows else None,
        currency=clean(rows[0]["currency"], _LONGEST_CURRENCY) if rows else None,
        items=items,
        n_not_shown=rows[0]["n_items"] - len(items) if rows else 0,
        caveats=[*reading.caveats(), CORRELATION, SMALL_GROUPS],
    )
    return found, len(items)


def _confidences(reading: Reading, content_ids: list[str]) -> dict[str, dict[str, Any]]:
    if not content_ids:
        return {}
    query = _CONFIDENCE.format(marks=", ".join("?" * len(content_ids)))
    return {row["content_id"]: row for row in reading.rows(query, (reading.channel_id, *content_ids))}


def _captured(reading: Reading, content_ids: list[str]) -> dict[str, list[Any]]:
    """Content id → the kinds of capture of its leads, in the order of the alphabet."""
    if not content_ids:
        return {}
    marks = ", ".join("?" * len(content_ids))
    query = _CAPTURED.format(captured=captured_column(reading), marks=marks, group=GROUP)
    found: dict[str, list[Any]] = defaultdict(list)
    for row in reading.rows(query, (reading.channel_id, *content_ids)):
        found[row["content_id"]].append(row["captured_by"])
    return {content_id: sorted(kinds) for content_id, kinds in found.items()}


def _item(
    row: dict[str, Any], about: dict[str, Any], matched: dict[str, Any] | None, captured: list[Any] | None
) -> ContentResult:
    small = is_small(row["credited_leads"])
    sure = None if small or matched is None or is_small(matched["n"]) else matched["confidence"]
    return ContentResult(
        **about,
        leads=row["credited_leads"] or 0,
        deals=None if small else row["credited_deals"],
        won_deals=None if small else row["credited_won_deals"],
        won_revenue=None if small else row["won_revenue"],
        captured_by=None if small else captured,
        confidence=None if sure is None else round(float(sure), 3),
        suppressed=small,
    )


def _words(items: list[ContentResult]) -> str:
    if not any(item.leads for item in items):
        return "No content is known to have brought leads."
    parts = [f"{named(item.title)} with {item.leads:g}" for item in items[:3] if item.leads]
    return f"The leads that are credited to content: {', '.join(parts)}."

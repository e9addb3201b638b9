"""`recent_leads_by_content`: which content brought the newest leads."""

from collections import defaultdict
from typing import Any

from zoho_pipeline.agents.limits import GROUP, ROWS
from zoho_pipeline.agents.model import RecentContent, RecentLeads
from zoho_pipeline.agents.refusals import Refused
from zoho_pipeline.agents.sections.reading import (
    SMALL_GROUPS,
    Reading,
    captured_column,
    described,
    named,
    read_contents,
)
from zoho_pipeline.agents.suppression import OTHER, in_whole_blocks, is_small
from zoho_pipeline.agents.untrusted import clean
from zoho_pipeline.reading.leads import initials

STEP, MOST = 10, 100

_QUERY = """
select recent.is_newer_than_as_of, recent.is_converted, cast(recent.created_local as date) as day{names},
    credited.content_id, credited.content_type, credited.lead_source, credited.place, {captured} as captured_by
from recent_lead as recent
left join (
    select zoho_lead_id, content_id, content_type, lead_source,
        row_number() over (
            partition by content_id order by created_at nulls first, zoho_lead_id collate "C"
        ) - 1 as place
    from lead_source_attribution where channel_id = ?
) as credited on recent.zoho_lead_id = credited.zoho_lead_id
left join lead on recent.channel_id = lead.channel_id and recent.zoho_lead_id = lead.zoho_lead_id
where recent.channel_id = ? and recent.lead_rank <= ?
order by recent.lead_rank
"""
_COMMON = """
select lead_source from lead_source_attribution where channel_id = ? and lead_source in ({marks})
group by lead_source having count(*) >= ?
"""


def recent_leads(reading: Reading, last: int = STEP, content_type: str | None = None) -> tuple[RecentLeads, int]:
    """The newest leads by content, and the number of rows.

    `last` goes in steps of ten, so that no two answers differ by one lead. `content_type` leaves out items, and changes
    nothing of the others: a filter that changed their numbers would be another answer to subtract.

    Raises:
        Refused: `wrong_value`.
    """
    if last % STEP or not STEP <= last <= MOST:
        raise Refused("wrong_value", f"`last` is {STEP}, 20, 30 and so on up to {MOST}.")
    names = ", recent.full_name" if reading.sees_initials else ""
    channel = reading.channel_id
    query = _QUERY.format(names=names, captured=captured_column(reading))
    rows = reading.rows(query, (channel, channel, last))
    by_content: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["content_id"] is not None:
            by_content[row["content_id"]].append(row)
    common = _common(reading, {row["lead_source"] for row in rows if row["lead_source"] is not None})
    contents = read_contents(reading, by_content)
    wanted = None if content_type is None else content_type.strip().casefold()
    items = []
    for content_id, leads in by_content.items():
        about = contents.get(content_id) or described(leads[0])
        if wanted is None or (about["content_type"] or "").casefold() == wanted:
            items.append(_item(about, leads, common, with_initials=reading.sees_initials))
    # equal counts are in the order of titles: the order of their newest leads would date them
    items.sort(key=lambda item: (-item.n_leads, item.title or "", item.url or ""))
    pending = sum(1 for row in rows if row["place"] is None)
    found = RecentLeads(
        words=_words(len(rows), pending, items),
        last=last,
        n_leads=len(rows),
        n_without_content=sum(1 for row in rows if row["content_id"] is None) - pending,
        n_not_yet_attributed=pending,
        items=items[:ROWS],
        caveats=[*reading.caveats(), SMALL_GROUPS, "A few leads say little about what works."],
    )
    return found, len(found.items)


def _common(reading: Reading, sources: set[str]) -> set[str]:
    """Those of the sources that three or more leads of the channel have."""
    if not sources:
        return set()
    query = _COMMON.format(marks=", ".join("?" * len(sources)))
    return {row["lead_source"] for row in reading.rows(query, (reading.channel_id, *sorted(sources), GROUP))}


def _item(
    about: dict[str, Any], leads: list[dict[str, Any]], common: set[str], *, with_initials: bool
) -> RecentContent:
    whole = in_whole_blocks(lead["place"] for lead in leads)
    shown = [lead for lead in leads if lead["place"] in whole]
    sources = {(clean(lead["lead_source"]) or OTHER) if lead["lead_source"] in common else OTHER for lead in shown}
    letters = sorted(found for lead in shown if (found := initials(lead.get("full_name"))))
    return RecentContent(
        **about,
        n_leads=len(leads),
        n_converted=sum(1 for lead in leads if lead["is_converted"]),
        dates=sorted({lead["day"] for lead in shown if lead["day"]}, reverse=True) if shown else None,
        sources=sorted(sources) if shown else None,
        captured_by=sorted({lead["captured_by"] for lead in shown if lead["captured_by"]}) or None,
        n_described=len(shown),
        suppressed=is_small(len(leads)) or not shown,
        initials=letters if with_initials and shown else None,
    )


def _words(number: int, pending: int, items: list[RecentContent]) -> str:
    if not number:
        return "There are no leads."
    late = f" {pending} of them are newer than as_of, so their content is not known yet." if pending else ""
    if not items:
        return f"No content is known to have brought any of the last {number} leads.{late}"
    parts = [f"{item.n_leads} by {named(item.title)}" for item in items[:3]]
    return f"Of the last {number} leads, {', '.join(parts)} came in.{late}"

"""`lead_sources`: where the leads of the newest months came from."""

from collections import Counter, defaultdict
from datetime import date
from typing import Any

from zoho_pipeline.agents.limits import GROUP
from zoho_pipeline.agents.model import LeadSources, SourceMonth, SourceShare
from zoho_pipeline.agents.refusals import Refused
from zoho_pipeline.agents.sections.reading import SMALL_GROUPS, Reading, percent
from zoho_pipeline.agents.suppression import cells
from zoho_pipeline.agents.untrusted import clean, quoted

MOST_MONTHS = 12
MOST_SOURCES = 7
"""The sources of one month; twelve months have 96 rows at most."""

_TOTALS = """
select cast(created_month as date) as month, count(*) as n from lead_source_attribution
where channel_id = ? and created_month >= ? group by created_month
"""
_CELLS = """
select month, lead_source, n from (
    select cast(created_month as date) as month, lead_source, count(*) as n,
        row_number() over (partition by created_month order by count(*) desc, lead_source collate "C") as place
    from lead_source_attribution where channel_id = ? and created_month >= ?
    group by created_month, lead_source having count(*) >= ?
) as ranked where place <= ? order by month desc, place
"""
"""The engine leaves out the small cells: a tenant may have as many sources as leads."""


def lead_sources(reading: Reading, months: int = 3) -> tuple[LeadSources, int]:
    """Sources per local month, the newest first, and the number of rows.

    A month is shown in the same way in every answer, and the period is a sum of what the months show.

    Raises:
        Refused: `wrong_value`.
    """
    if not 1 <= months <= MOST_MONTHS:
        raise Refused("wrong_value", f"`months` is a number from 1 to {MOST_MONTHS}.")
    wanted = _months(reading.as_of_date, months) if reading.as_of_date and reading.has_data else []
    key = (reading.channel_id, wanted[-1]) if wanted else ("", None)
    totals = {row["month"]: int(row["n"]) for row in reading.rows(_TOTALS, key)}
    large: dict[str, Counter[str]] = defaultdict(Counter)
    for row in reading.rows(_CELLS, (*key, GROUP, MOST_SOURCES)):
        # sources that look the same when they are cleaned are one
        large[row["month"]][clean(row["lead_source"]) or "(no name)"] += row["n"]
    names = [month.isoformat() for month in wanted]
    shown = [_month(name, totals.get(name, 0), large[name], is_newest=name == names[0]) for name in names]
    total, period = sum(month.n_leads for month in shown), _period(shown)
    answer = LeadSources(
        words=_words(period, total, months),
        months=shown,
        period=period,
        n_leads=total,
        n_other=total - sum(source.n_leads for source in period),
        caveats=[*reading.caveats(), SMALL_GROUPS, "The current month is not over."],
    )
    return answer, sum(max(1, len(month.sources)) for month in shown)


def _months(day: date, number: int) -> list[date]:
    """The first days of so many local months, the newest first."""
    first = day.year * 12 + day.month - 1
    return [date((first - back) // 12, (first - back) % 12 + 1, 1) for back in range(number)]


def _month(month: str, total: int, large: Counter[str], *, is_newest: bool) -> SourceMonth:
    ordered = sorted(large.items(), key=lambda found: (-found[1], found[0]))
    sources = [_share(name, number, total) for name, number in ordered]
    rest = total - sum(large.values())
    return SourceMonth(month=month[:7], is_partial=is_newest, n_leads=total, sources=sources, n_other=rest)


def _period(months: list[SourceMonth]) -> list[SourceShare]:
    total = sum(month.n_leads for month in months)
    sums: Counter[str] = Counter()
    for month in months:
        for source in month.sources:
            sums[source.source] += source.n_leads
    return [
        _share(name, number, total) for name, number in sorted(sums.items(), key=lambda found: (-found[1], found[0]))
    ]


def _share(source: str, number: int, total: int) -> SourceShare:
    return SourceShare(source=source, n_leads=number, share=round(number / total, 4))


def _words(period: list[SourceShare], total: int, months: int) -> str:
    if not total:
        return "There are no leads in these months."
    parts = [f"{quoted(found.source, 'no name')} {percent(found.share)}" for found in period[:3]]
    listed = f" Of them, {', '.join(parts)}." if parts else ""
    return f"{total} leads came in the newest {months} months.{listed}"


def top_of(rows: dict[str, Any]) -> tuple[list[tuple[str, int]], int]:
    """The sources of a row of `channel_insight` that are large enough, and the leads of all other known ones."""
    named = [(rows[f"top_source_{place}"], rows[f"top_source_{place}_leads"]) for place in (1, 2, 3)]
    known = [(clean(name) or "(no name)", number) for name, number in named if name is not None and number is not None]
    large, rest = cells(known, 3)
    return large, rest + (rows["other_sources_leads"] or 0)

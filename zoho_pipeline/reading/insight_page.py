"""A channel's insight as a page, for the terminal (`render`) and in `markdown`; both have the same sections."""

import itertools
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from zoho_pipeline.setting_checks import known_zone
from zoho_pipeline.transform.channel_pages import WEEKS

SPARK = "▁▂▃▄▅▆▇█"
BAR_WIDTH = 28
STATUS_WORDS = {
    "ok": "up to date",
    "stale": "STALE: the last complete sync is older than 36 hours; these are its numbers",
    "never_synced": "without a complete sync yet; run: zoho-pipeline sync",
    "module_missing": "Leads cannot be read: check the scopes and the profile of the connected user",
}
TOPIC_WORDS = {
    "insufficient_data": "Too few matured leads per topic for a suggestion.",
    "no_conversions_in_matured_cohort": "No matured lead has a deal yet, so no topic is better than another.",
    "no_matured_leads": "No lead is old enough yet to compare topics.",
}
_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def render(
    insight: Mapping[str, Any],
    width: int | None = None,
    color: bool | None = None,
    synced_until: datetime | None = None,
) -> str:
    """The page as text.

    Args:
        insight: what `insight.read` returns.
        synced_until: the end of the channel's last complete sync, where it is known. The page names a sync that the
            marts do not contain yet, because then another sync is not the cure.
        width: characters per line; the default is the terminal's width, or 100 without colours.
        color: whether to use ANSI colours; the default is yes if stdout is a terminal.
    """
    if color is None:
        color = sys.stdout.isatty()
    width = width or (None if color else 100)
    console = Console(width=width, force_terminal=color, no_color=not color, highlight=False)
    with console.capture() as capture:
        console.print(Group(*_page(insight, synced_until)))
    return capture.get().rstrip("\n")


def markdown(insight: Mapping[str, Any]) -> str:
    """The page as markdown. Names that a tenant chose are escaped."""
    parts = [f"# {_escaped(_title(insight))}", _markdown_text(_freshness(insight))]
    for title, content in _sections(insight):
        parts += [f"## {title}", *(_markdown_table(p) if isinstance(p, Table) else _markdown_text(p) for p in content)]
    return "\n\n".join(parts) + "\n"


def _markdown_text(text: Text) -> str:
    """A line as markdown; words that are bold in the terminal are bold here."""
    cuts = [0, len(text.plain), *(edge for span in text.spans for edge in (span.start, span.end))]
    edges = sorted(set(cuts))
    parts = []
    for start, end in itertools.pairwise(edges):
        bold = any("bold" in str(span.style) and span.start <= start < span.end for span in text.spans)
        word = _escaped(text.plain[start:end])
        parts.append(f"**{word}**" if (bold or "bold" in str(text.style)) and word.strip() else word)
    return "".join(parts)


def _markdown_table(table: Table) -> str:
    """Sources or channels as a markdown table of names, bars and numbers."""
    columns = [[_escaped(str(cell)) for cell in column.cells] for column in table.columns]
    lines = [" | ".join(cells) for cells in zip(*columns, strict=True)]
    return "\n".join(["| from | | leads |", "|---|---|---|", *(f"| {line} |" for line in lines)])


def _escaped(text: str) -> str:
    return _MARKDOWN_SIGNS.sub(r"\\\1", text)


def _title(insight: Mapping[str, Any]) -> str:
    day = date.fromisoformat(insight["as_of_date"])
    return f"{insight['channel_id']} · {day:%A} {_day(day)}"


def _page(insight: Mapping[str, Any], synced_until: datetime | None) -> Iterable[RenderableType]:
    yield Text(_title(insight), style="bold")
    yield _freshness(insight, synced_until)
    for title, content in _sections(insight):
        yield Text(f"\n{title}", style="bold cyan")
        yield from content


def _sections(insight: Mapping[str, Any]) -> Iterable[tuple[str, Iterable[Text | Table]]]:
    sections = [("Leads", _leads), ("Sources", _sources), ("Weeks", _weeks), ("Conversion", _conversion)]
    if insight.get("lead_channels"):
        sections.insert(2, ("Channels", _channels))
    for title, section in (*sections, ("First contact", _contact), ("Topics", _topics)):
        yield title, section(insight)
        if insight["leads_this_month"] is None:  # without data, the other sections would show wrong numbers
            return


def _freshness(insight: Mapping[str, Any], synced_until: datetime | None = None) -> Text:
    status, zone = insight["data_status"], known_zone(insight["timezone"] or "UTC") or ZoneInfo("UTC")
    words = STATUS_WORDS.get(status, status)
    as_of = datetime.fromisoformat(insight["as_of_utc"]).replace(tzinfo=UTC) if insight.get("as_of_utc") else None
    has_numbers = status in ("ok", "stale") and as_of is not None
    later = synced_until if synced_until and (as_of is None or synced_until > as_of) else None
    if later:  # the command comes first: a narrow terminal would break it at the end of a line
        missing = f"Run zoho-pipeline transform: the sync as of {_moment(later, zone)} is not in"
        shown = f"these numbers, which are as of {_moment(as_of, zone)}" if has_numbers and as_of else "the marts yet"
        return Text(f"{missing} {shown}.", style="yellow")
    if has_numbers and as_of:
        words = f"as of {_moment(as_of, zone)}, {words}"
    return Text(f"Data {words}.", style="dim" if status == "ok" else "yellow")


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    """`14:05 on 1 May 2026 (Asia/Kolkata)`"""
    local = moment.astimezone(zone)
    return f"{local:%H:%M} on {_day(local.date())} ({zone.key})"


def _leads(insight: Mapping[str, Any]) -> Iterable[Text]:
    now, then, full = (
        insight["leads_this_month"],
        insight["leads_last_month_same_point"],
        insight["leads_last_month_full"],
    )
    if now is None:
        yield Text("No count: there is no data.")
        return
    text = Text.assemble((f"{now:,}", "bold"), f" {_plural(now, 'lead')} this month, ")
    if insight["change_status"] == "ok":
        change = insight["leads_change_rate"]
        style = "green" if change > 0 else "red" if change < 0 else ""
        moved = f"{100 * abs(change):.0f} % {'more' if change > 0 else 'fewer'} than" if change else "as many as"
        text.append(moved, style)
        text.append(f" the {then:,} by the same point last month")
    elif insight["change_status"] == "new":
        text.append("none by the same point last month")
    else:
        text.append("and none by the same point last month")
    yield text.append(f" ({full:,} in the whole of it).")


def _sources(insight: Mapping[str, Any]) -> Iterable[Text | Table]:
    named = [
        (insight[f"top_source_{n}"], insight[f"top_source_{n}_leads"], "cyan")
        for n in (1, 2, 3)
        if insight[f"top_source_{n}"]
    ]
    rest = [
        ("other sources", insight["other_sources_leads"], "dim"),
        ("source unknown", insight["unknown_source_leads"], "dim"),
    ]
    bars = [*named, *((name, leads, style) for name, leads, style in rest if leads)]
    if not bars:
        yield Text("There are no leads, so there are no sources.", style="dim")
        return
    total, longest = sum(leads for _, leads, _ in bars), max(leads for _, leads, _ in bars)
    table = Table.grid(padding=(0, 1))
    for name, leads, style in bars:
        bar = "█" * max(1, round(BAR_WIDTH * leads / longest))
        table.add_row(Text(name), Text(bar, style), Text(f"{leads:,} ({100 * leads / total:.0f} %)"))
    yield table
    if insight["top_sources_period"] == "last_month":
        yield Text("These are the sources of last month; this month has none yet.", style="dim")
    if insight.get("top_sources_tie_at_cutoff"):
        yield Text("Another source has as many leads as the last one named.", style="dim")


def _channels(insight: Mapping[str, Any]) -> Iterable[Text | Table]:
    """The channels of the leads of the last 90 days, and how many of the matured ones got a deal."""
    rows: list[dict[str, Any]] = insight["lead_channels"]
    total, longest = sum(row["n_leads"] for row in rows), rows[0]["n_leads"]
    table = Table.grid(padding=(0, 1))
    for row in rows:
        bar = "█" * max(1, round(BAR_WIDTH * row["n_leads"] / longest))
        share = f"{row['n_leads']:,} ({100 * row['n_leads'] / total:.0f} %)"
        matured, deals = row["n_matured"], row["n_converted"]
        of = f", {deals:,} of {matured:,} matured with a deal" if matured and deals is not None else ""
        table.add_row(Text(row["lead_channel"]), Text(bar, "cyan"), Text(share + of))
    yield table
    yield Text("These are the leads of the last 90 days, by how they came.", style="dim")


def _weeks(insight: Mapping[str, Any]) -> Iterable[Text]:
    weeks = weeks_of(insight)
    counts = [row["n_leads"] or 0 for row in weeks]
    if not counts:
        yield Text("No weeks to show.", style="dim")
        return
    running = "; the last week is not over" if weeks[-1]["is_partial"] else ""
    since = _day(date.fromisoformat(weeks[0]["period_start"]))
    yield Text.assemble(
        (spark(counts), "cyan"), f"  {min(counts):,} to {max(counts):,} leads per week since {since}{running}."
    )
    words = {
        "up": ("Rising", "green"),
        "down": ("Falling", "red"),
        "flat": ("Steady", ""),
        "insufficient_data": ("Too few leads to show a trend", "dim"),
    }
    trend = words.get(insight["trend_direction"], (insight["trend_direction"], ""))
    scatter = insight.get("trend_dispersion")
    allowed = f"; single weeks scatter {scatter:.1f} times as much as by chance" if scatter and scatter >= 2 else ""
    yield Text.assemble(trend, f" (the last four full weeks, compared with the four before{allowed}).")


def _conversion(insight: Mapping[str, Any]) -> Iterable[Text]:
    rate, n = insight["conversion_rate_30d"], insight["conversion_rate_30d_n"]
    if insight["conversion_rate_30d_x"] is None:
        yield Text(
            f"Unknown: deals cannot be read. Why: zoho-pipeline channels show {insight['channel_id']}", style="yellow"
        )
    elif rate is None:
        yield Text("No lead is 30 days old yet, so there is nothing to measure.", style="dim")
    else:
        low, high = _percent(insight["conversion_rate_30d_ci_low"]), _percent(insight["conversion_rate_30d_ci_high"])
        of = f"({insight['conversion_rate_30d_x']:,} of {n:,}; 95 % interval {low} to {high})"
        whose = f"the leads of {span}" if (span := _cohort(insight)) else "matured leads"
        yield Text.assemble((_percent(rate), "bold"), f" of {whose} got a deal within 30 days {of}.")
    km = insight["conversion_rate_30d_km"]
    if km is not None:
        yield Text(f"With younger leads, each counted for its age so far: {_percent(km)}.", style="dim")


def _contact(insight: Mapping[str, Any]) -> Iterable[Text]:
    lists: list[dict[str, Any]] = insight["time_to_first_contact"]
    total = next((row for row in lists if row["dimension"] == "all"), {})
    if not total.get("n_leads"):
        yield Text("No leads in the last 90 days.", style="dim")
        return
    if total["n_contacted"] is None:
        words = f"Unknown: no activity can be read. Why: zoho-pipeline channels show {insight['channel_id']}"
        yield Text(words, style="yellow")
        return
    median, mean = insight["median_hours_to_first_contact"], insight["avg_hours_to_first_contact"]
    judged = total["n_contacted"] + (total.get("n_uncontacted") or 0)
    if median is None:
        yield Text(f"None of {total['n_leads']:,} leads of the last 90 days has been contacted.")
    else:
        yield Text.assemble(
            "Half were contacted within ", (_hours(median), "bold"), f"; the average is {_hours(mean)}."
        )
        if insight["contacted_rate"] is not None:
            of = f"of the {judged:,} leads of the last 90 days that were contacted or wait"
            yield Text(f"{100 * insight['contacted_rate']:.0f} % {of} were contacted.")
    waiting = total.get("n_uncontacted") or 0
    if waiting:
        oldest = total.get("oldest_uncontacted_hours")
        longest = f"; the longest has waited for {_hours(oldest)}" if oldest is not None else ""
        still = "leads still wait" if waiting > 1 else "lead still waits"
        yield Text(f"{waiting:,} {still}{longest}.", style="yellow")
    else:
        yield Text("No lead is waiting.", style="green")
    if insight["km_median_hours_to_first_contact"] is not None and waiting:
        yield Text(
            f"Median including leads that still wait: {_hours(insight['km_median_hours_to_first_contact'])}.",
            style="dim",
        )
    for name, words in (
        ("n_contact_before_creation", "contacted before Zoho knew them"),
        ("n_converted_without_contact", "converted without a contact that is logged"),
    ):
        if count := total.get(name):
            yield Text(f"{count:,} more {'was' if count == 1 else 'were'} {words}.", style="dim")


def _topics(insight: Mapping[str, Any]) -> Iterable[Text]:
    found = [n for n in (1, 2, 3) if insight[f"suggested_topic_{n}"]]
    for n in found:
        yield Text.assemble((insight[f"suggested_topic_{n}"], "bold"), f": {insight[f'suggested_topic_{n}_reason']}")
    if not found and insight["conversion_rate_30d_x"] is None:
        yield Text("Unknown: deals cannot be read.", style="yellow")
    elif not found:
        words = TOPIC_WORDS.get(str(insight["topic_status"]), "No topic converts better than the channel as a whole.")
        yield Text(words, style="dim")


def weeks_of(insight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The newest weeks of `lead_volume` that a page shows; the current week is the last one."""
    return [row for row in insight["lead_volume"] if row["grain"] == "week"][-WEEKS:]


def spark(counts: Sequence[int]) -> str:
    """Counts as a line of blocks; the highest block is the largest count."""
    top = max(counts, default=0)
    return "".join(SPARK[round((len(SPARK) - 1) * count / top)] if top else SPARK[0] for count in counts)


def _cohort(insight: Mapping[str, Any]) -> str | None:
    """`30 January to 1 March 2026`: between these days the leads of the rate were created. None: an older build."""
    first, last = insight.get("conversion_cohort_from"), insight.get("conversion_cohort_to")
    if first is None or last is None:
        return None
    start, end = date.fromisoformat(str(first)), date.fromisoformat(str(last))
    return f"{start.day} {start:%B} to {_day(end)}" if start.year == end.year else f"{_day(start)} to {_day(end)}"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _hours(hours: float) -> str:
    """`25 min`, `3.5 h`, `2.4 days`."""
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"

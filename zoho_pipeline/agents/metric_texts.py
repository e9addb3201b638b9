"""What each number means: the paragraphs of docs/metrics.md, and the descriptions in the yml of the marts.

`metrics.md` in this folder is a link to the page in `docs`. Setuptools follows it, so an installed package has the page
too, and there is one text only.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from zoho_pipeline.agents.model import MetricExplanation
from zoho_pipeline.agents.refusals import Refused
from zoho_pipeline.settings import SQL_PROJECT
from zoho_pipeline.transform.project.docs import read_docs

PAGE = Path(__file__).with_name("metrics.md")
MARTS = ("channel_insight", "content_performance", "topic_performance", "conversion_rate", "time_to_first_contact")
"""Whose columns have definitions here. A mart of single leads is none: agents do not see its columns."""

LEADS = ("lead_source_attribution", "lead_touch_credit", "lead_first_contact")
_MOST_PARAGRAPHS = 12


@dataclass(frozen=True)
class _Section:
    """A part of the page below one heading. `titles` are its heading and those above it."""

    titles: tuple[str, ...]
    prose: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]


def explain_metric(name: str) -> MetricExplanation:
    """What a number of an answer means.

    Args:
        name: the name of a number, such as `lift` or `conversion_rate_30d`, or the title of a part of the page.

    Raises:
        Refused: `unknown_metric`; the message names those with a similar name.
    """
    wanted = _normal(name[:200])
    definition, paragraphs = _definitions().get(wanted), list(dict.fromkeys(_paragraphs(wanted)))
    if definition is None and not paragraphs:
        near = get_close_matches(wanted, _names(), n=5, cutoff=0.5) or ["conversion_rate_30d", "lift", "contacted_rate"]
        raise Refused("unknown_metric", f"There is no such metric. Similar names: {', '.join(near)}.")
    return MetricExplanation(name=wanted, definition=definition, paragraphs=paragraphs[:_MOST_PARAGRAPHS])


def _paragraphs(wanted: str) -> Iterator[str]:
    """The paragraphs about a name: those of the part of the page that has its numbers, its rows, and what cites it."""
    for section in _page():
        rows = [row for column, row in section.rows if _normal(column) == wanted]
        where = " → ".join(section.titles)
        if rows or _normal(section.titles[-1]) == wanted:
            for part in (_part_of(section), section):
                if part.prose:
                    yield f"**{' → '.join(part.titles)}**\n\n" + "\n\n".join(part.prose)
        for row in rows:
            yield f"**{where}**: {row}"
        for paragraph in section.prose:
            if f"`{wanted}`" in paragraph or _bullet_title(paragraph) == wanted:
                yield f"**{where}**\n\n{paragraph}"


def _part_of(section: _Section) -> _Section:
    """The part of the page (a heading of the second level) in which a section stands."""
    return next(part for part in _page() if part.titles == section.titles[:1])


def _bullet_title(paragraph: str) -> str | None:
    found = re.match(r"- \*\*(.+?)\.?\*\*", paragraph)
    return _normal(found.group(1)) if found else None


def _normal(name: str) -> str:
    """`Conversion rate 30d` → `conversion_rate_30d`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


@cache
def _names() -> list[str]:
    found = {_normal(column) for section in _page() for column, _ in section.rows}
    found |= {_normal(section.titles[-1]) for section in _page() if section.prose}
    return sorted(found | set(_definitions()))


@cache
def _definitions() -> dict[str, str]:
    """Column → its description in the yml; the first mart that has the column says it."""
    by_name = read_docs(SQL_PROJECT / "marts").by_name
    found: dict[str, str] = {}
    for mart in MARTS:
        for column in by_name[mart].columns:
            found.setdefault(column.name, column.description)
    on_page = {column for section in _page() for column, _ in section.rows}
    for mart in LEADS:
        for column in by_name[mart].columns:
            if column.name in on_page:
                found.setdefault(column.name, column.description)
    return found


@cache
def _page() -> tuple[_Section, ...]:
    sections, titles = [], ["Metrics"]
    for part in re.split(r"^(?=#{1,3} )", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        heading = re.match(r"(#{1,3}) (.*)\n", part)
        if heading is None:
            continue
        titles = [*titles[: len(heading.group(1)) - 1], heading.group(2).strip()]
        blocks = [block.strip() for block in re.split(r"\n\s*\n", part[heading.end() :]) if block.strip()]
        prose = [text for block in blocks if not block.startswith("|") for text in _bullets(block)]
        rows = [row for block in blocks if block.startswith("|") for row in _rows(block)]
        sections.append(_Section(tuple(titles[1:] or titles), tuple(prose), tuple(rows)))
    return tuple(sections)


def _bullets(block: str) -> list[str]:
    """A paragraph, or each item of a list, with its lines joined."""
    parts = re.split(r"\n(?=- )", block) if block.startswith("- ") else [block]
    return [" ".join(part.split()) for part in parts]


def _rows(block: str) -> Iterator[tuple[str, str]]:
    """(column, what the row says) of a table whose first column is a name in backticks."""
    header, _, *lines = block.splitlines()
    names = [cell.strip() for cell in header.strip("|").split("|")]
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        named = re.fullmatch(r"`(\w+)`", cells[0])
        if named:
            pairs = [f"{name} {cell}" for name, cell in zip(names[1:], cells[1:], strict=False) if cell]
            yield named.group(1), "; ".join(pairs)

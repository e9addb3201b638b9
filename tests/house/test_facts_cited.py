"""docs/zoho-facts.md has what docstrings cite: facts with grades and sources, and every switch of the simulator."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from zoho_pipeline.simulator import Switches

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "zoho-facts.md").read_text()
GRADES = ("documented", "observed", "assumed")
UNSETTLED, SOURCES = "15", "16"

_HEADING = re.compile(r"^#{2,3} (\d+(?:\.\d+)?)\.? .*$", re.MULTILINE)
_GRADED = re.compile(rf"\*\(({'|'.join(GRADES)}): ([^)]+)\)\*$")
_CITATION = re.compile(r"docs/zoho-facts\.md, sections? (\d+(?:\.\d+)?(?:(?:, | and )\d+(?:\.\d+)?)*)")


def sections() -> dict[str, str]:
    """The text below each numbered heading, up to the next one."""
    parts = _HEADING.split(PAGE)
    assert len(set(parts[1::2])) == len(parts[1::2]), "a number is used twice"
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def bullets(text: str) -> list[str]:
    """Each list item on one line."""
    found = re.findall(r"^- (.*(?:\n  .*)*)", text, re.MULTILINE)
    return [" ".join(item.split()) for item in found]


def rows(text: str) -> list[list[str]]:
    """The cells of each table row, without the header and the separator."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    ruled = {number for number, line in enumerate(lines) if set(line) <= set("|-: ")}
    kept = [line for number, line in enumerate(lines) if number not in ruled and number + 1 not in ruled]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in kept]


def source_names() -> list[str]:
    return [name.strip() for row in rows(sections()[SOURCES]) for name in row[0].split(",")]


def cited(path: Path) -> list[str]:
    """The numbers of the sections that a file cites. A citation may continue on the next line."""
    text = re.sub(r"\s+", " ", path.read_text())
    return [number for numbers in _CITATION.findall(text) for number in re.findall(r"\d+(?:\.\d+)?", numbers)]


def python_files() -> list[Path]:
    folders = ("zoho_pipeline", "tests", "scripts", "benchmarks")
    return [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if path.name != Path(__file__).name
    ]


def test_every_citation_leads_to_a_section() -> None:
    known = sections()
    citations = {path.relative_to(ROOT).as_posix(): cited(path) for path in python_files()}
    assert sum(map(len, citations.values())) >= 13
    lost = {path: number for path, numbers in citations.items() for number in numbers if number not in known}
    assert not lost


def test_nobody_cites_facts_outside_the_repository() -> None:
    old = re.compile(r"\(facts, (section|\d)|the facts file")
    assert not [path.name for path in python_files() if old.search(path.read_text())]


@pytest.mark.parametrize("number", [n for n in sections() if n != SOURCES])
def test_every_fact_has_a_grade_and_a_known_source(number: str) -> None:
    text, names = sections()[number], tuple(source_names())
    facts = bullets(text)
    graded = [match.groups() for fact in facts if (match := _GRADED.search(fact))]
    assert len(graded) == len(facts), [fact for fact in facts if not _GRADED.search(fact)]
    if number != UNSETTLED:
        graded += [(row[-2], row[-1]) for row in rows(text)]
    assert graded or f"### {number}." in PAGE
    for grade, sources in graded:
        assert grade in GRADES, (grade, sources)
        unknown = [part for part in sources.split(";") if not part.strip().startswith(names)]
        assert not unknown, unknown


def shown(value: Any) -> str:
    """A default as the page shows it, or '' if the page may use any words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return f"{value:g}"


def test_the_page_names_every_switch_and_its_default() -> None:
    switches = Switches()
    page = {row[0].strip("`"): row[2] for row in rows(sections()[UNSETTLED])}
    assert sorted(page) == sorted(switch.name for switch in fields(switches))
    for name, default in page.items():
        wanted = shown(getattr(switches, name))
        said = default.replace(",", "").strip("`").partition(" ")[0]
        assert not wanted or said == wanted, (name, default, wanted)

"""The worked example of docs/metrics.md: every value of its tables, on both engines."""

import re
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.golden.insight.insight_world import INSIGHT_MARTS, RawWorld, one, run, table
from zoho_pipeline.warehouse.warehouse import Warehouse

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
KOLKATA = ZoneInfo("Asia/Kolkata")
_SECTION = re.compile(r"^### `(\w+)` where `(.+)`\n+((?:\|.*\n)+)", re.MULTILINE)
_LINE = re.compile(r"^\| `(\w+)` \| (.*?) \| ")


def at(text: str) -> datetime:
    """`02-05 10:00` of 2026, or `2025-12-20 10:00`, in Kolkata."""
    return datetime.fromisoformat(text if text.startswith("2025") else f"2026-{text}").replace(tzinfo=KOLKATA)


AS_OF = at("03-31 15:00")


def example() -> RawWorld:
    """The leads of the page."""
    world = RawWorld()
    keys = ("landing_url", "referrer", "first_visited_url", "first_visited_time")
    world.channel("acme", AS_OF, "Asia/Kolkata", parameters={"topic_min_leads": "3"}, fields={k: k for k in keys})
    world.content("acme", "c1", "blog_post", "Hiring|Payroll")
    world.content("acme", "c2", "video", "Payroll")
    world.content("acme", "c3", "newsletter", None, "https://www.acme.example/news/march")
    rows: list[tuple[str, str, str | None, str | None, str | None, str | None, str | None, str | None]] = [
        # columns: id, created, source, content, converted, stage of its deal, won, called
        ("L1", "02-05 10:00", "Expo", "c1", "02-12 10:00", "Done", "02-20 10:00", "02-05 10:30"),
        ("L2", "02-10 10:00", "Expo", "c1", "02-25 10:00", "Gone", None, "02-10 12:00"),
        ("L3", "01-31 10:00", "LinkedIn", "c2", "02-10 10:00", None, None, None),
        ("L4", "02-20 10:00", "Expo", None, None, None, None, "02-21 12:00"),
        ("L5", "02-28 16:00", None, None, "03-30 16:00:01", "Talks", None, "02-28 17:00"),
        ("L6", "01-20 10:00", "Radio", "c1", None, None, None, "01-20 09:50"),
        ("L7", "03-02 10:00", "Expo", "c1", "03-05 10:00", "Talks", None, "03-02 14:00"),
        ("L8", "03-10 10:00", "Flyer", "c2", None, None, None, "03-10 09:58"),
        ("L9", "03-29 15:00", "Expo", None, None, None, None, None),
        ("L10", "03-31 14:30", None, None, None, None, None, None),
        ("L11", "03-09 10:00", "Expo", None, None, None, None, None),
        ("L12", "2025-12-20 10:00", "Expo", None, "03-10 10:00", "Done", "03-10 12:00", None),
    ]
    site = "https://www.acme.example"
    visits: dict[str, dict[str, str]] = {
        "L5": {"landing_url": f"{site}/pricing/?gclid=Cj0K&utm_term=crm+software"},
        "L7": {"first_visited_url": f"{site}/about", "first_visited_time": "2026-02-27 09:00"},
        "L9": {
            "landing_url": f"{site}/contact",
            "first_visited_url": f"{site}/news/march?utm_medium=email",
            "first_visited_time": "2026-03-20 10:00",
        },
        "L10": {"landing_url": f"{site}/", "referrer": "https://blog.acme.example/hello"},
    }
    for key, created, source, content, converted, stage, won, called in rows:
        deal = f"D{key}" if stage else None
        moment = at(converted) if converted else None
        fields = visits.get(key)
        world.lead("acme", key, at(created), source=source, content=content, converted=moment, deal=deal, fields=fields)
        if deal and moment and stage:
            world.deal("acme", deal, moment, stage, at(won) if won else None)
            world.rows["deals"][-1]["owner_id"] = "u1" if content else None
        if called:
            world.call("acme", f"C{key}", key, at(called))
        world.rows["leads"][-1]["owner_id"] = "u1" if content else None
    world.rows["users"].append({"channel_id": "acme", "id": "u1", "full_name": "Asha", "status": "active"})
    world.delete("acme", "L11")
    send_forms(world, site)
    return world


def send_forms(world: RawWorld, site: str) -> None:
    """The forms that people sent, and the keys by which they are found."""
    for lead, key in (("L12", "asha"), ("L4", "ravi")):
        world.rows["person_keys"].append(
            {"channel_id": "acme", "module": "Leads", "id": lead, "kind": "email", "key": key}
        )
    for name, moment, key, page in (
        ("S1", at("2025-12-20 09:10"), "asha", "/news/march?utm_source=newsletter"),
        ("S2", at("02-24 18:00"), "ravi", "/pricing"),
        ("S3", at("03-03 12:00"), "nobody", "/pricing"),
    ):
        row: dict[str, Any] = {"channel_id": "acme", "submission_id": name, "submitted_at": moment, "email_key": key}
        world.rows["form_submissions"].append(row | {"received_at": moment, "landing_url": f"{site}{page}"})


def page() -> list[tuple[str, str, dict[str, str]]]:
    """Return (mart, condition, column → value as text) of each table of the page."""
    found: list[tuple[str, str, dict[str, str]]] = []
    for mart, condition, lines in _SECTION.findall(PAGE.read_text(encoding="utf-8")):
        matches = [match for match in map(_LINE.match, lines.splitlines()) if match]
        found.append((mart, condition, {match.group(1): match.group(2) for match in matches}))
    return found


def agrees(got: Any, written: str) -> bool:
    """Compare a fraction exactly, a decimal to its written digits, and a word exactly."""
    if written in ("null", "true", "false"):
        return got is {"null": None, "true": True, "false": False}[written]
    if isinstance(got, str | date) or got is None or isinstance(got, bool):
        return str(got) == written
    digits = len(written.partition(".")[2])
    near = 0.5 * 10**-digits if digits > 2 else 1e-11
    return abs(Fraction(got) - Fraction(written)) <= near


@pytest.mark.long
def test_every_value_of_the_page(warehouse: Warehouse) -> None:
    example().write(warehouse)
    run(warehouse, build_at=AS_OF)
    tables = page()
    assert sum(len(cells) for _, _, cells in tables) >= 100
    for mart, condition, cells in tables:
        row = one(warehouse, mart, condition)
        wrong = {name: (row[name], written) for name, written in cells.items() if not agrees(row[name], written)}
        assert not wrong, f"{mart} where {condition}: (got, on the page) {wrong}"
    for grain, first, counts in (
        ("week", "2025-12-15", [1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1]),
        ("month", "2025-12-01", [1, 2, 4, 4]),
    ):
        rows = table(warehouse, "lead_volume", f"grain = '{grain}'", order="period_start")
        assert [row["n_leads"] for row in rows] == counts
        assert [row["is_partial"] for row in rows] == [False] * (len(counts) - 1) + [True]
        assert rows[0]["period_start"].isoformat() == first


def test_the_page_derives_every_column() -> None:
    from zoho_pipeline.transform.project.project import Project

    derived = {(mart, name) for mart, _, cells in page() for name in cells}
    keys = {"channel_id", "as_of_date", "as_of_utc", "timezone", "data_status", "is_weekly", "stage", "definition"}
    keys |= {"dimension", "dimension_value", "grain", "period_start", "topic"}
    project = Project.load()
    for mart in INSIGHT_MARTS:
        for column in project.marts[mart].docs.columns:
            twin = column.name.replace("_seconds", "_hours")
            shown = {(mart, column.name), (mart, twin)} & derived
            # the reasons of the insight are those of topic_performance
            assert column.name in keys or shown or column.name.endswith("_reason"), f"{mart}.{column.name}"
    facts = ("lead_source_attribution", "lead_first_contact", "lead_touch_credit", "content_performance")
    for mart in (*facts, "deal", "activity", "owner", "campaign"):
        numbers = {
            c.name for c in project.marts[mart].docs.columns if c.data_type.startswith(("bigint", "dec", "double"))
        }
        assert numbers
        assert numbers <= {name for shown_mart, name in derived if shown_mart == mart}

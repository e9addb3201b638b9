"""Small groups stay hidden, whatever an agent asks and however it subtracts two answers.

The proof does not repeat the rules. It changes what must stay hidden, and shows that no answer changes: then no agent
can know it. The marts are tables of a DuckDB in memory, with the columns that the sections read.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.params import choice
from zoho_pipeline.agents.limits import GROUP
from zoho_pipeline.agents.sections.content import content_performance
from zoho_pipeline.agents.sections.insight import insight
from zoho_pipeline.agents.sections.reading import Reading
from zoho_pipeline.agents.sections.recent_leads import recent_leads
from zoho_pipeline.agents.sections.sources import lead_sources
from zoho_pipeline.agents.sections.topics import topics
from zoho_pipeline.agents.suppression import also_hidden, cells, in_whole_blocks, is_small
from zoho_pipeline.warehouse.duckdb_connection import DuckDBConnection

AS_OF = datetime(2026, 3, 31, 9, 30, tzinfo=UTC).replace(tzinfo=None)
"""The marts have times without a zone, in UTC."""
SOURCES = ("LinkedIn", "Chat", "Expo", "Radio")
TABLES = """
create schema marts;
use marts;
create table recent_lead (channel_id text, zoho_lead_id text, lead_rank bigint, is_newer_than_as_of boolean,
    is_converted boolean, created_local timestamp, full_name text);
create table lead_source_attribution (channel_id text, zoho_lead_id text, created_at timestamp, created_month date,
    lead_source text, content_id text, content_type text, match_confidence double);
create table lead (channel_id text, zoho_lead_id text, captured_by text);
create table content_item (channel_id text, content_id text, title text, canonical_url text, content_type text,
    topics text);
create table content_performance (channel_id text, content_id text, model text, title text, content_type text,
    currency text, credited_leads decimal(18, 10), credited_deals decimal(18, 10), credited_won_deals decimal(18, 10),
    won_revenue decimal(20, 4));
create table topic_performance (channel_id text, as_of_date date, topic text, n_leads bigint, n_converted bigint,
    conversion_rate double, ci_low double, ci_high double, lift double, evidence text, single_item boolean,
    is_suggested boolean, suggestion_rank bigint, reason text, base_rate double, rest_rate double, p_value double,
    n_topics_tested bigint);
create table conversion_rate (channel_id text, as_of_date date, stage text, definition text, dimension text,
    n_leads bigint);
create table time_to_first_contact (channel_id text, as_of_date date, dimension text, n_contacted bigint,
    n_uncontacted bigint);
create table channel_insight (channel_id text, as_of_date date, conversion_rate_30d double,
    conversion_rate_30d_n bigint, conversion_rate_30d_x bigint, avg_hours_to_first_contact double,
    contacted_rate double, n_uncontacted bigint, oldest_uncontacted_hours double, top_source_1 text,
    top_source_1_leads bigint, top_source_2 text, top_source_2_leads bigint, top_source_3 text,
    top_source_3_leads bigint, other_sources_leads bigint, top_sources_period text, unknown_source_leads bigint);
"""


@dataclass(frozen=True)
class Lead:
    """`hours` before as_of; the number in a list is its age: 0 is the newest."""

    hours: int
    content: str | None
    source: str
    converted: bool = False
    by_form: bool = False

    @property
    def at(self) -> datetime:
        return AS_OF - timedelta(hours=self.hours)


@cache
def _session() -> duckdb.DuckDBPyConnection:
    raw = duckdb.connect(":memory:")
    raw.execute(TABLES)
    raw.execute("set threads = 1")
    return raw


@contextmanager
def reading(tables: dict[str, list[dict[str, Any]]]) -> Iterator[Reading]:
    """The marts with these rows. One session serves all examples: each ends by taking its rows back."""
    raw = _session()
    raw.execute("begin")
    try:
        for table, rows in tables.items():
            given = pa.Table.from_pylist(rows)
            raw.register("given_rows", given)
            raw.execute(f"insert into {table} by name select * from given_rows")
            raw.unregister("given_rows")
        as_of = AS_OF.replace(tzinfo=UTC)
        yield Reading(DuckDBConnection(raw), "acme", as_of, date(2026, 3, 31), "ok")
    finally:
        raw.execute("rollback")


def tables_of(leads: list[Lead]) -> dict[str, list[dict[str, Any]]]:
    recent, credited, live = [], [], []
    for rank, lead in enumerate(leads, 1):
        key = {"channel_id": "acme", "zoho_lead_id": f"{10_000 - rank:06}"}
        recent.append(
            key
            | {"lead_rank": rank, "is_newer_than_as_of": False, "is_converted": lead.converted}
            | {"created_local": lead.at, "full_name": "Asha Rao"}
        )
        live.append(key | {"captured_by": "landing_page" if lead.by_form else "zoho_crm"})
        credited.append(
            key
            | {"created_at": lead.at, "created_month": lead.at.date().replace(day=1), "lead_source": lead.source}
            | {"content_id": lead.content, "content_type": "blog_post", "match_confidence": 0.9}
        )
    items = [
        {"channel_id": "acme", "content_id": c, "title": c} for c in sorted({lead.content or "" for lead in leads})
    ]
    performed = [
        {"channel_id": "acme", "content_id": content, "title": content, "model": "last_touch"}
        | {"credited_leads": sum(lead.content == content for lead in leads)}
        for content in sorted({lead.content for lead in leads if lead.content})
    ]
    found = {"recent_lead": recent, "lead_source_attribution": credited, "lead": live, "content_item": items}
    return found | ({"content_performance": performed} if performed else {})


def everything(leads: list[Lead]) -> dict[str, Any]:
    """All that an agent can be told of these leads."""
    found: dict[str, Any] = {}
    with reading(tables_of(leads)) as marts:
        for last in (10, 20, 30, 60, 100):
            for kind in (None, "blog_post"):
                found[f"last {last} {kind}"] = recent_leads(marts, last, kind)[0].model_dump()
        found["content"] = content_performance(marts, 20)[0].model_dump()
        for months in (1, 3):
            found[f"months {months}"] = lead_sources(marts, months)[0].model_dump()
    return found


LEADS = st.lists(
    st.builds(
        Lead,
        st.integers(1, 40),
        st.sampled_from(["a", "b", "c", None, None]),
        st.sampled_from(SOURCES),
        st.booleans(),
        st.booleans(),
    ),
    min_size=12,
    max_size=60,
).map(lambda leads: [replace(lead, hours=sum(other.hours for other in leads[: n + 1])) for n, lead in enumerate(leads)])


def places(leads: list[Lead]) -> list[int]:
    """The number of each lead among those of its content, from the oldest."""
    return [sum(1 for other in leads[n + 1 :] if other.content == lead.content) for n, lead in enumerate(leads)]


def in_no_group(leads: list[Lead]) -> list[int]:
    """Leads with content that are in no complete group of three, counted from the oldest one."""
    sizes = {content: sum(1 for lead in leads if lead.content == content) for content in "abc"}
    numbered = zip(range(len(leads)), leads, places(leads), strict=True)
    return [n for n, lead, place in numbered if lead.content and place >= sizes[lead.content] // GROUP * GROUP]


some_or_all = pytest.mark.parametrize("examples", choice([6, 20], [6]))


@some_or_all
def test_nobody_learns_the_source_of_a_lead_in_a_small_group(examples: int) -> None:
    """Swap its source with that of a lead without content in the same month: every answer stays as it is."""

    @settings(max_examples=examples)
    @given(leads=LEADS, data=st.data())
    def no_answer_changes(leads: list[Lead], data: st.DataObject) -> None:
        hidden = in_no_group(leads)
        assume(hidden)
        one = data.draw(st.sampled_from(hidden))
        month = leads[one].at.date().replace(day=1)
        others = [
            n
            for n, lead in enumerate(leads)
            if lead.content is None and lead.at.date().replace(day=1) == month and lead.source != leads[one].source
        ]
        assume(others)
        other = data.draw(st.sampled_from(others))
        swapped = list(leads)
        swapped[one] = replace(leads[one], source=leads[other].source)
        swapped[other] = replace(leads[other], source=leads[one].source)
        assert everything(swapped) == everything(leads)

    no_answer_changes()


@some_or_all
def test_nobody_learns_the_day_of_a_lead_in_a_small_group(examples: int) -> None:
    """Move it within the time between its neighbours and within its month: every answer stays as it is."""

    @settings(max_examples=examples)
    @given(leads=LEADS, data=st.data())
    def no_answer_changes(leads: list[Lead], data: st.DataObject) -> None:
        hidden = in_no_group(leads)
        assume(hidden)
        one = data.draw(st.sampled_from(hidden))
        newest = leads[one - 1].hours if one else 0
        oldest = leads[one + 1].hours if one + 1 < len(leads) else leads[one].hours + 40
        moved = replace(leads[one], hours=data.draw(st.integers(newest, oldest)))
        assume(moved.at.date().replace(day=1) == leads[one].at.date().replace(day=1))
        assume(newest < moved.hours < oldest)
        assert everything([*leads[:one], moved, *leads[one + 1 :]]) == everything(leads)

    no_answer_changes()


@some_or_all
@pytest.mark.long
def test_nobody_learns_whether_a_lead_of_a_small_group_came_by_a_form(examples: int) -> None:
    @settings(max_examples=examples)
    @given(leads=LEADS, data=st.data())
    def no_answer_changes(leads: list[Lead], data: st.DataObject) -> None:
        hidden = in_no_group(leads)
        assume(hidden)
        one = data.draw(st.sampled_from(hidden))
        other = replace(leads[one], by_form=not leads[one].by_form)
        assert everything([*leads[:one], other, *leads[one + 1 :]]) == everything(leads)

    no_answer_changes()


@settings(max_examples=20)
@given(leads=LEADS, source=st.sampled_from(SOURCES), content=st.sampled_from(["a", "b", "c"]))
def test_a_new_lead_changes_dates_and_sources_by_whole_groups(leads: list[Lead], source: str, content: str) -> None:
    """An agent that asks before and after a sync learns nothing of a single new lead."""
    common = {s for s in SOURCES if sum(lead.source == s for lead in leads) >= GROUP}
    assume(source in common)
    later = [Lead(0, content, source), *leads]
    with reading(tables_of(leads)) as marts:
        before = {item.title: item for item in recent_leads(marts, 100)[0].items}
    with reading(tables_of(later)) as marts:
        after = {item.title: item for item in recent_leads(marts, 100)[0].items}
    assume(len(later) <= 100)
    old, new = before.get(content), after[content]
    grown = new.n_described - (old.n_described if old else 0)
    assert grown in (0, GROUP)
    if not grown and old:
        assert (new.dates, new.sources) == (old.dates, old.sources)


@settings(max_examples=30)
@given(leads=LEADS)
def test_larger_groups_are_described(leads: list[Lead]) -> None:
    """Else the tests above would hold for answers that say nothing."""
    with reading(tables_of(leads)) as marts:
        found = recent_leads(marts, 100)[0]
        performed = {item.title: item for item in content_performance(marts, 20)[0].items}
    sizes = {content: sum(1 for lead in leads if lead.content == content) for content in "abc"}
    assert {item.title: item.n_leads for item in found.items} == {c: size for c, size in sizes.items() if size}
    for item in found.items:
        assert item.n_described == item.n_leads // GROUP * GROUP
        assert (item.dates is None) == (item.n_leads < GROUP) == item.suppressed
        oldest = [lead for lead in reversed(leads) if lead.content == item.title][: item.n_described]
        kinds = sorted({"landing_page" if lead.by_form else "zoho_crm" for lead in oldest})
        assert (item.captured_by or []) == kinds
        assert (performed[item.title].captured_by or []) == kinds
    assert found.n_without_content == sum(lead.content is None for lead in leads)


def topic_rows(sizes: dict[str, tuple[int, int]], total: int) -> dict[str, list[dict[str, Any]]]:
    key = {"channel_id": "acme", "as_of_date": date(2026, 3, 31)}
    rows = [
        key
        | {"topic": name, "n_leads": n, "n_converted": x, "conversion_rate": x / n if n else None, "ci_low": 0.1}
        | {"ci_high": 0.9, "lift": 1.2, "evidence": "directional", "single_item": False, "is_suggested": x > 1}
        | {"suggestion_rank": 1 if x > 1 else None, "base_rate": 0.25, "rest_rate": 0.2, "p_value": 0.3}
        | {"n_topics_tested": len(sizes)}
        | {"reason": f'{x} of {n} matured leads from content on "{name}"'}
        for name, (n, x) in sizes.items()
    ]
    base = key | {"stage": "deal", "definition": "matured_30d_wide", "dimension": "all", "n_leads": total}
    return {"topic_performance": rows, "conversion_rate": [base]}


@given(
    sizes=st.dictionaries(
        st.sampled_from(["Hiring", "Payroll", "SEO", "Tax", "Rare"]),
        st.integers(0, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
        min_size=1,
    ),
    more=st.integers(0, 5),
)
@settings(max_examples=30)
def test_topics_of_one_or_two_leads_say_nothing(sizes: dict[str, tuple[int, int]], more: int) -> None:
    total = sum(n for n, _ in sizes.values()) + more
    with reading(topic_rows(sizes, total)) as marts:
        found = topics(marts, 100)[0]
        suggested = insight(marts)[0].suggested_topics
    shown = {topic.topic: topic for topic in found.topics if not topic.suppressed}
    for topic in found.topics:
        if topic.suppressed:
            kept = topic.model_dump(exclude={"topic", "suppressed", "suggested"})
            assert set(kept.values()) == {None}
            assert not topic.suggested
    assert {name for name, (n, _) in sizes.items() if 0 < n < GROUP} <= {t.topic for t in found.topics} - shown.keys()
    assert {one.topic for one in suggested} <= shown.keys()
    assert all(not 0 < total - (topic.n_leads or total) < GROUP for topic in shown.values()), (
        "its rest is a small group"
    )
    if any(0 < n < GROUP for n, _ in sizes.values()) and shown:
        rest = total - sum(topic.n_leads or 0 for topic in shown.values())
        assert rest == 0 or rest >= GROUP or not any(topic.n_leads for topic in shown.values())


def test_content_of_small_groups_keeps_its_leads_and_loses_its_money() -> None:
    rows = [
        {"channel_id": "acme", "content_id": name, "model": "last_touch", "title": name, "content_type": "blog_post"}
        | {"currency": "INR", "credited_leads": leads, "credited_deals": deals, "credited_won_deals": deals}
        | {"won_revenue": money}
        for name, leads, deals, money in (("a", 9, 1, 10), ("b", 2, 2, 9_000), ("c", 1, 0, 0), ("d", 3, 1, 500))
    ]
    with reading({"content_performance": rows}) as marts:
        for order in ("deals", "revenue"):
            items = content_performance(marts, 20, order)[0].items
            assert [item.title for item in items[2:]] == ["b", "c"], "the order must not tell what b brought"
            hidden = [(item.leads, item.deals, item.won_deals, item.won_revenue) for item in items if item.suppressed]
            assert hidden == [(2, None, None, None), (1, None, None, None)]
        assert [item.title for item in content_performance(marts, 20, "leads")[0].items] == ["a", "d", "b", "c"]
        assert [item.title for item in content_performance(marts, 1, "revenue")[0].items] == ["d"]


@pytest.mark.parametrize(
    ("row", "size", "expected"),
    [
        ({"conversion_rate_30d": 0.5, "conversion_rate_30d_n": 2, "conversion_rate_30d_x": 1}, 0, (None, None, None)),
        ({"conversion_rate_30d": 0.5, "conversion_rate_30d_n": 4, "conversion_rate_30d_x": 2}, 0, (0.5, None, None)),
        ({"avg_hours_to_first_contact": 2.5, "contacted_rate": 0.5}, 2, (None, None, None)),
        ({"avg_hours_to_first_contact": 2.5, "contacted_rate": 0.5}, 4, (None, 2.5, 0.5)),
    ],
)
def test_the_insight_hides_rates_and_times_of_few_leads(
    row: dict[str, Any], size: int, expected: tuple[float | None, ...]
) -> None:
    key = {"channel_id": "acme", "as_of_date": date(2026, 3, 31)}
    contacts = key | {"dimension": "all", "n_contacted": size, "n_uncontacted": 0}
    with reading({"channel_insight": [key | row], "time_to_first_contact": [contacts]}) as marts:
        numbers = insight(marts)[0].numbers
    shown = (numbers.conversion_rate_30d, numbers.avg_hours_to_first_contact, numbers.contacted_rate)
    assert shown == expected


def test_the_insight_dates_no_single_lead_and_names_no_rare_source() -> None:
    key = {"channel_id": "acme", "as_of_date": date(2026, 3, 31), "top_sources_period": "this_month"}
    row = key | {"n_uncontacted": 2, "oldest_uncontacted_hours": 50.25, "top_source_1": "Chat", "top_source_1_leads": 7}
    row |= {"top_source_2": "A fair", "top_source_2_leads": 2, "other_sources_leads": 0, "unknown_source_leads": 1}
    with reading({"channel_insight": [row]}) as marts:
        found = insight(marts)[0]
    assert found.numbers.oldest_uncontacted_days is None
    assert [(source.source, source.n_leads) for source in found.top_sources] == [("Chat", 7)]
    assert found.other_sources_leads == 2
    with reading({"channel_insight": [row | {"n_uncontacted": 3}]}) as marts:
        assert insight(marts)[0].numbers.oldest_uncontacted_days == 2


def test_rare_sources_have_no_name_in_any_month_or_sum() -> None:
    """Two in each of two months are four together; but a sum that named them would tell the months."""
    counts = {("2026-03", "Chat"): 5, ("2026-03", "A fair"): 2, ("2026-02", "Chat"): 1, ("2026-02", "A fair"): 2}
    rows = [
        {"channel_id": "acme", "zoho_lead_id": f"{month}{source}{n}", "lead_source": source}
        | {"created_month": date.fromisoformat(f"{month}-01")}
        for (month, source), number in counts.items()
        for n in range(number)
    ]
    with reading({"lead_source_attribution": rows}) as marts:
        one, two = (lead_sources(marts, months)[0] for months in (1, 2))
    assert two.months[0] == one.months[0]
    shown = [[(s.source, s.n_leads) for s in month.sources] + [month.n_other] for month in two.months]
    assert shown == [[("Chat", 5), 2], [3]]
    assert [(source.source, source.n_leads) for source in two.period] == [("Chat", 5)]
    assert (two.n_leads, two.n_other) == (10, 5)
    assert "A fair" not in two.model_dump_json()


def test_marts_of_an_older_version_say_nothing_of_forms() -> None:
    leads = [Lead(n + 1, "a", "Chat", by_form=True) for n in range(12)]
    with reading(tables_of(leads)) as marts:
        _session().execute("alter table lead drop column captured_by")
        (item,) = recent_leads(marts, 20)[0].items
        (performed,) = content_performance(marts, 20)[0].items
    assert (item.n_leads, item.captured_by, performed.leads, performed.captured_by) == (12, None, 12, None)


def test_a_source_that_few_leads_of_the_channel_have_has_no_name() -> None:
    """Three leads of one content are a group; a source that one of them alone has would still point at it."""
    leads = [Lead(n + 1, "a", "Only here" if n == 1 else "Chat") for n in range(12)]
    with reading(tables_of(leads)) as marts:
        (item,) = recent_leads(marts, 20)[0].items
    assert item.sources == ["(other)", "Chat"]


def test_the_rules() -> None:
    assert [is_small(n) for n in (None, 0, 0.5, 1, 2, 2.9, 3)] == [False, False, True, True, True, True, False]
    assert in_whole_blocks([0, 1]) == set()
    assert in_whole_blocks([2, 3, 4, 5, 6, 7]) == {3, 4, 5}
    assert cells([("a", 5), ("b", 2), ("c", 3), ("d", 4)], 2) == ([("a", 5), ("d", 4)], 5)
    assert also_hidden([("a", 9), ("b", 4)], 15) == {"b"}
    assert also_hidden([("a", 9)], 12) == set()
    assert also_hidden([("a", 9), ("b", 4)], 13) == set()

"""Subforms and multi-select lookups of chosen modules: read singly, bounded, and never left out."""

import json
from dataclasses import replace
from typing import Any

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, SyncBench
from tests.params import both_engines
from zoho_pipeline.channels.registry.model import FLAT, SUBFORMS

WEBINARS = "Name:text! Seats:integer Talks:subform Partners:multiselectlookup"
DAY = 86_400


def talks(*titles: str) -> list[dict[str, Any]]:
    return [{"id": str(700 + n), "Title": title, "Minutes": 12.5} for n, title in enumerate(titles)]


def open_org(bench: SyncBench, count: int) -> list[str]:
    bench.org.add_module("Webinars", WEBINARS)
    bench.connect(ALL_SCOPES)
    bench.choose(Webinars=SUBFORMS)
    rows = [{"Name": f"W{n}", "Talks": talks(f"T{n}"), "Partners": [{"id": "9", "name": "P"}]} for n in range(count)]
    return list(bench.org.insert_many("Webinars", rows))


def parts(bench: SyncBench) -> dict[str, Any]:
    found = bench.rows("select id, parts from zoho_raw.module_record_parts where module = 'Webinars'")
    return {row["id"]: json.loads(row["parts"]) for row in found}


def single_reads(bench: SyncBench, since: int) -> int:
    return sum(call.path.startswith("/crm/v7/Webinars/4") for call in bench.sim.requests[since:])


@both_engines("duckdb")
def test_changed_records_are_read_singly(bench: SyncBench) -> None:
    ids = open_org(bench, 4)
    assert bench.sync().complete
    ledger.assert_equal(bench, "Webinars")
    assert parts(bench) == {id_: {"Talks": talks(f"T{n}"), "Partners": [{"id": "9", "name": "P"}]}
                            for n, id_ in enumerate(ids)}  # fmt: skip
    bench.sim.clock.advance(DAY)
    at = len(bench.sim.requests)
    bench.sync()
    assert single_reads(bench, at) == 0
    bench.org.update("Webinars", ids[1], {"Talks": talks("a", "b")})
    bench.org.update("Webinars", ids[2], {"Talks": None, "Partners": None})
    bench.org.delete("Webinars", ids[3])
    at = len(bench.sim.requests)
    assert bench.sync().complete
    assert single_reads(bench, at) == 2
    assert parts(bench)[ids[1]]["Talks"] == talks("a", "b")
    assert parts(bench)[ids[2]] == {}
    bench.choose(Webinars=FLAT)
    bench.sync()
    assert not parts(bench)
    ledger.assert_equal(bench, "Webinars")


@both_engines("duckdb")
def test_what_the_bound_leaves_is_read_by_the_next_sync(bench: SyncBench) -> None:
    ids = open_org(bench, 7)
    bench.limit(most_single_reads=3, parts_per_load=2)
    for done in (3, 6):
        report = bench.sync()
        assert report.complete
        part = next(m for m in report.modules if m.module == "Webinars")
        assert "the next sync goes on" in part.detail
        assert len(parts(bench)) == done
    assert bench.sync().complete
    assert parts(bench).keys() == set(ids)
    at = len(bench.sim.requests)
    bench.sync(full=True)
    assert single_reads(bench, at) == 3
    for _ in range(3):
        bench.sync()
    assert single_reads(bench, at) == 7, "a full sync reads each of them again, in as many syncs as it takes"


def test_a_failure_in_the_middle_loses_nothing(bench: SyncBench) -> None:
    ids = open_org(bench, 6)
    bench.limit(parts_per_load=2)
    bench.sim.faults.next(50, "server_error", path=f"/crm/v7/Webinars/{ids[3]}")
    report = bench.sync()
    assert not report.complete
    assert 2 <= len(parts(bench)) < 6
    ledger.assert_equal(bench, "Webinars")
    bench.sim.faults.clear()
    assert bench.sync().complete
    assert parts(bench).keys() == set(ids)


@both_engines("duckdb")
def test_credits_that_end_in_the_middle_lose_nothing(bench: SyncBench) -> None:
    ids = open_org(bench, 12)
    bench.limit(parts_per_load=2)
    settings = bench.settings
    bench.settings = bench.registry.settings = replace(settings, credit_budget=1.0)
    bench.org.credit_limit_override = bench.org.credits_used + 12
    report = bench.sync("Webinars")
    assert next(m for m in report.modules if m.module == "Webinars").outcome == "stopped"
    assert 0 < len(parts(bench)) < 12
    ledger.assert_equal(bench, "Webinars")
    bench.org.credit_limit_override = None
    bench.settings = bench.registry.settings = replace(settings, credit_budget=1_000.0)
    assert bench.sync("Webinars").complete
    assert parts(bench).keys() == set(ids)


@both_engines("duckdb")
def test_full_syncs_read_first_what_was_read_longest_ago(bench: SyncBench) -> None:
    """In the order of change each full sync would read the same three of seven, and never the changed one."""
    ids = open_org(bench, 7)
    bench.limit(most_single_reads=3, parts_per_load=2)
    for _ in range(3):
        bench.sync()
    bench.sim.clock.advance(DAY)
    bench.org.update("Webinars", ids[6], {"Talks": talks("new")})
    for _ in range(3):
        bench.sync(full=True)
    assert parts(bench)[ids[6]]["Talks"] == talks("new")


@both_engines("duckdb")
def test_records_whose_time_is_hidden_are_read_again_when_they_are_loaded(bench: SyncBench) -> None:
    """Without a time no version shows that a subform changed."""
    ids = open_org(bench, 3)
    bench.org.admin.hidden_fields["Webinars"] = {"Modified_Time"}
    assert bench.sync().complete
    bench.sim.clock.advance(DAY)
    bench.org.update("Webinars", ids[1], {"Talks": talks("a", "b")})
    assert bench.sync().complete
    assert parts(bench)[ids[1]]["Talks"] == talks("a", "b")


@both_engines("duckdb")
def test_a_subform_that_goes_leaves_the_parts_and_comes_back_with_all_records(bench: SyncBench) -> None:
    """No record gets a new time when a subform is removed, hidden or shown."""
    ids = open_org(bench, 5)
    bench.limit(most_single_reads=3)
    for _ in range(2):
        assert bench.sync("Webinars").complete
        bench.sim.clock.advance(DAY)
    partners = {"Partners": [{"id": "9", "name": "P"}]}
    bench.org.admin.hidden_fields["Webinars"] = {"Talks"}
    at = len(bench.sim.requests)
    assert bench.sync("Webinars").complete
    assert parts(bench) == dict.fromkeys(ids, partners)
    assert single_reads(bench, at) == 0
    bench.org.admin.hidden_fields.clear()
    for _ in range(2):
        bench.sim.clock.advance(DAY)
        assert bench.sync("Webinars").complete
    assert parts(bench) == {id_: {"Talks": talks(f"T{n}")} | partners for n, id_ in enumerate(ids)}
    bench.org.remove_field("Webinars", "Partners")
    bench.sim.clock.advance(DAY)
    at = len(bench.sim.requests)
    assert bench.sync("Webinars").complete
    assert parts(bench) == {id_: {"Talks": talks(f"T{n}")} for n, id_ in enumerate(ids)}
    assert single_reads(bench, at) == 0

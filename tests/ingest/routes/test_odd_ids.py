"""A record whose id is no text costs itself alone: the page is read, and the module is never complete in silence."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.ingest.conftest import PLAIN_SCOPES, SyncBench

QUERIES = f"{PLAIN_SCOPES},ZohoCRM.coql.READ"
UNUSABLE = ["null", "0", '"0"', '"007"', "true", "7.5", "-7", '""', "{}", '["12"]', '{"id":"12"}', '"\\ud83d"', "1e400"]
BY_QUERIES = {"queries_from": 1, "list_credits": 99}


def leads(bench: SyncBench, count: int) -> list[str]:
    return bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(count)])


def rejected(bench: SyncBench) -> list[dict[str, Any]]:
    return bench.rows("select * from zoho_raw.rejected_records where module = 'Leads' and field = 'id' order by id")


def check_quiet(bench: SyncBench) -> None:
    bench.sim.clock.advance(3_600)
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route, part.credits) == ("complete", "unchanged", 3)


@pytest.mark.long
@pytest.mark.parametrize(
    ("scopes", "limits"),
    [
        pytest.param(PLAIN_SCOPES, {}, marks=pytest.mark.long),
        pytest.param(QUERIES, {}, marks=pytest.mark.long),
        (QUERIES, BY_QUERIES),
    ],
)
def test_a_whole_number_is_the_id_with_all_its_digits(bench: SyncBench, scopes: str, limits: dict[str, Any]) -> None:
    bench.limit(**limits)
    bench.connect(scopes)
    made = leads(bench, 3)
    for id_ in made[:2]:
        bench.org.garble("Leads", id_, "id", id_)
    assert bench.sync("Leads").complete
    bench.org.update("Leads", made[0], {"Company": "new"})
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    found = bench.live("leads", "Leads")
    assert found.keys() == set(made)
    assert found[made[0]]["company"] == "new"
    bench.org.delete("Leads", made[1])
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads").keys() == set(made) - {made[1]}
    assert not rejected(bench)


@pytest.mark.long
def test_records_without_a_usable_id_cost_themselves(bench: SyncBench) -> None:
    """The others are loaded. Each is kept aside with what Zoho sent, it is compared once, and each sync says so."""
    bench.connect(QUERIES)
    good = leads(bench, 3)
    for raw in UNUSABLE:
        (odd,) = leads(bench, 1)
        bench.org.garble("Leads", odd, "id", raw)
    report = bench.sync("Leads")
    assert report.complete, report
    assert bench.live("leads", "Leads").keys() == set(good)
    assert len(rejected(bench)) == len(UNUSABLE)
    assert {row["reason"] for row in rejected(bench)} == {"a record without a usable id"}
    assert all("L0" in row["value"] for row in rejected(bench))
    assert (
        f"{len(UNUSABLE)} of {len(UNUSABLE) + 3} records have an id that no record can have" in report.modules[0].detail
    )
    check_quiet(bench)
    bench.org.update("Leads", good[0], {"Company": "new"})
    bench.sim.clock.advance(3_600)
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route) == ("complete", "coql")
    assert f"{len(UNUSABLE)} records of Zoho have no usable id" in part.detail
    assert len(rejected(bench)) == len(UNUSABLE)


@pytest.mark.long
def test_lists_alone_go_on_past_a_record_without_an_id(bench: SyncBench) -> None:
    """Also where a record is read in several slices of fields, and where it is the last one of a page."""
    for number in range(60):
        bench.org.add_custom_field("Leads", f"Extra_{number}", f"Extra {number}")
    made = leads(bench, 2)
    bench.org.garble("Leads", made[1], "id", "null")
    report = bench.sync("Leads")
    assert report.complete
    assert "1 of 2 records have an id that no record can have" in report.modules[0].detail
    assert bench.live("leads", "Leads").keys() == {made[0]}
    assert len(rejected(bench)) == 1
    later = leads(bench, 1)
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads").keys() == {made[0], *later}


@pytest.mark.long
@pytest.mark.parametrize("scopes", [PLAIN_SCOPES, QUERIES])
def test_records_of_one_second_without_ids_are_all_kept_aside(bench: SyncBench, scopes: str) -> None:
    """An import makes many records in one second. They are on several pages, and only their values tell them apart."""
    bench.limit(pacing=replace(bench.limits.pacing, query_rows=200))
    bench.connect(scopes)
    made = leads(bench, 450)
    odd = [made[n] for n in (3, 250, 410, 430)]
    for id_ in odd:
        bench.org.garble("Leads", id_, "id", "null")
    assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads").keys() == set(made) - set(odd)
    assert len(rejected(bench)) == 4
    assert all(any(f'"L{n}"' in row["value"] for row in rejected(bench)) for n in (3, 250, 410, 430))
    bench.org.update("Leads", made[0], {"Company": "new"})
    bench.sim.clock.advance(3_600)
    (part,) = bench.sync("Leads").modules
    assert part.outcome == "complete"
    assert len(rejected(bench)) == 4
    if scopes == QUERIES:
        assert "4 records of Zoho have no usable id" in part.detail
        assert "compared" not in part.detail
        check_quiet(bench)


@pytest.mark.parametrize("limits", [{}, BY_QUERIES])
@pytest.mark.long
def test_an_id_that_breaks_the_order_of_a_query_is_read_by_lists(bench: SyncBench, limits: dict[str, Any]) -> None:
    """It was the end of each later sync: a page in another order was a failure, and the same query was sent again."""
    bench.limit(**limits)
    bench.connect(QUERIES)
    made = leads(bench, 5)
    bench.org.garble("Leads", made[2], "id", "7")
    for company in ("C", "new"):
        bench.org.update("Leads", made[4], {"Company": company})
        bench.sim.clock.advance(3_600)
        assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads").keys() == {"7", *made} - {made[2]}
    assert bench.live("leads", "Leads")[made[4]]["company"] == "new"


@pytest.mark.long
def test_a_new_field_gives_a_record_without_an_id_no_second_row(bench: SyncBench) -> None:
    bench.connect(QUERIES)
    made = leads(bench, 3)
    bench.org.garble("Leads", made[1], "id", "null")
    assert bench.sync("Leads").complete
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    assert bench.sync("Leads", full=True).complete
    assert len(rejected(bench)) == 1


@pytest.mark.long
@pytest.mark.parametrize("limits", [{}, BY_QUERIES])
def test_without_metadata_the_fields_come_from_a_record_with_an_id(bench: SyncBench, limits: dict[str, Any]) -> None:
    """The oldest record had no usable id, so nobody asked for a record, and no custom field was loaded."""
    bench.limit(**limits)
    bench.org.add_custom_field("Leads", "Tier", "Tier")
    for scopes in (PLAIN_SCOPES, QUERIES):
        bench.connect(scopes.replace(",ZohoCRM.settings.ALL", ""))
        made = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Tier": "gold"} for n in range(3)])
        bench.org.garble("Leads", made[0], "id", "null")
        assert bench.sync("Leads", full=True).complete
        assert {json.loads(row["custom_fields"]).get("Tier") for row in bench.live("leads", "Leads").values()} == {
            "gold"
        }


@pytest.mark.long
@pytest.mark.parametrize("scopes", [PLAIN_SCOPES, QUERIES])
def test_an_edit_under_an_unusable_id_is_never_passed_over(bench: SyncBench, scopes: str) -> None:
    """The cursor has passed the edit. So the module is not complete, until a comparison finds the record again."""
    bench.connect(scopes)
    made = leads(bench, 3)
    assert bench.sync("Leads").complete
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", made[0], {"Company": "new"})
    bench.org.update("Leads", made[1], {"Company": "new"})
    bench.org.garble("Leads", made[0], "id", "null")
    (part,) = bench.sync("Leads").modules
    assert part.outcome == "failed"
    assert "no usable id" in part.detail
    found = bench.live("leads", "Leads")
    assert found.keys() == set(made)  # nobody took the record for deleted
    assert (found[made[0]]["company"], found[made[1]]["company"]) == ("C", "new")
    bench.org.garble("Leads", made[0], "id", None)
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads")[made[0]]["company"] == "new"


@pytest.mark.long
def test_a_single_record_without_its_id_is_no_other_record(bench: SyncBench) -> None:
    """A query lists it by its id, and lists of records show it without one: it differs, and the sync says so."""
    bench.connect(QUERIES)
    made = leads(bench, 3)
    assert bench.sync("Leads").complete
    bench.org.update("Leads", made[0], {"Company": "new"})
    bench.sim.clock.advance(3_600)
    body = '{"data":[{"Last_Name":"L0","Company":"wrong"}],"info":{"more_records":false}}'
    bench.sim.faults.next(9, "body", "/crm/v7/Leads", after=1, text=body)  # after the list of deletions
    (part,) = bench.sync("Leads").modules
    assert part.outcome == "failed"
    assert {row["company"] for row in bench.live("leads", "Leads").values()} == {"C"}
    assert "zoho-pipeline reconcile acme" in part.detail
    bench.sim.faults.clear()
    assert bench.reconcile("Leads").sync.complete
    assert bench.live("leads", "Leads")[made[0]]["company"] == "new"
    check_quiet(bench)


def test_a_deletion_without_a_usable_id_is_found_by_the_ids(bench: SyncBench) -> None:
    bench.connect(QUERIES)
    made = leads(bench, 3)
    assert bench.sync("Leads").complete
    bench.sim.clock.advance(3_600)
    bench.org.delete("Leads", made[0])
    entry = '{"id":null,"deleted_time":"2026-05-01T00:00:00+00:00","type":"recycle"}'
    bench.sim.faults.next(1, "body", "/Leads/deleted", text=f'{{"data":[{entry}],"info":{{"more_records":false}}}}')
    report = bench.sync("Leads")
    assert report.complete
    assert "a deletion has no usable id" in report.modules[0].detail
    assert bench.live("leads", "Leads").keys() == set(made[1:])


@pytest.mark.long
def test_the_deletion_of_an_unknown_record_is_looked_up_once(bench: SyncBench) -> None:
    """A known deletion keeps the list open for 60 days. A record that came and went between two syncs is in it too."""
    bench.connect(QUERIES)
    made = leads(bench, 3)
    assert bench.sync("Leads").complete
    bench.org.delete("Leads", made[0])
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    (gone,) = leads(bench, 1)
    bench.org.delete("Leads", gone)
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    for _ in range(2):
        check_quiet(bench)
    bench.org.restore("Leads", gone)
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads").keys() == {gone, *made[1:]}
    bench.org.delete("Leads", gone)
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads").keys() == set(made[1:])
    check_quiet(bench)


@pytest.mark.long
@pytest.mark.parametrize("scopes", [PLAIN_SCOPES, QUERIES])
def test_many_deletions_of_unknown_records_are_not_listed_each_night(bench: SyncBench, scopes: str) -> None:
    """Without queries they are: no count shows a restore, so only the whole list does."""
    bench.connect(scopes)
    made = leads(bench, 3)
    assert bench.sync("Leads").complete
    bench.org.delete("Leads", made[0])
    for id_ in leads(bench, 400):
        bench.org.delete("Leads", id_)
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    for _ in range(2 if scopes == QUERIES else 0):
        check_quiet(bench)
    bench.org.restore("Leads", made[0])
    bench.sim.clock.advance(3_600)
    assert bench.sync("Leads").complete
    assert bench.live("leads", "Leads").keys() == set(made)

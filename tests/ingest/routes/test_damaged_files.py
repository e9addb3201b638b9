"""A bulk file that cannot be used, and page tokens that lead round in a circle: the route ends, another one reads."""

from dataclasses import replace

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, SyncBench
from tests.params import choice
from zoho_pipeline.simulator.api.bulk_files import DAMAGES


def furnish(bench: SyncBench, rows: int = 40) -> None:
    bench.connect(ALL_SCOPES)
    bench.limit(job_credits=0, rows_per_bulk_batch=10)
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": 'A, "B"'} for n in range(rows)])
    bench.org.insert("Contacts", {"Last_Name": "C"})


def jobs(bench: SyncBench) -> int:
    return sum(call.method == "POST" and call.path.endswith("/read") for call in bench.sim.requests)


@pytest.mark.long
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_fetched_twice_and_then_another_route_reads(bench: SyncBench, damage: str) -> None:
    furnish(bench)
    small = 1 << 20 if damage == "bomb" else bench.limits.pacing.file_bytes
    bench.limit(pacing=replace(bench.limits.pacing, file_bytes=small))
    bench.sim.switches.update(bulk_damage=damage, bulk_downloads_per_minute=10**6)
    report = bench.sync("Leads", "Contacts")
    assert report.complete, report
    ledger.assert_equal(bench, "Leads")
    ledger.assert_equal(bench, "Contacts")
    (leads,) = [part for part in report.modules if part.module == "Leads"]
    assert "bulk" not in leads.route.split("+")
    assert "bulk refused" in leads.detail
    assert jobs(bench) == 2  # one per module
    downloads = [call for call in bench.sim.requests if call.path.endswith("/result")]
    assert len(downloads) <= 4
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", leads_of(bench)[0], {"Company": "new"})
    assert bench.sync("Leads", "Contacts").complete
    ledger.assert_equal(bench, "Leads")


def leads_of(bench: SyncBench) -> list[str]:
    return sorted(bench.live("leads", "Leads"))


def test_a_file_that_is_damaged_once_is_used_the_second_time(bench: SyncBench) -> None:
    furnish(bench)
    bench.sim.switches.update(bulk_damage="stray_quote", bulk_downloads_per_minute=10**6)

    def mend() -> None:
        bench.sim.switches.update(bulk_damage="")
        for job in bench.org.bulk.jobs.values():
            job.archive = b""

    bench.sim.on_call(1, mend, path="/result", after=True)
    report = bench.sync("Leads")
    assert report.modules[0].route.startswith("bulk")
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
def test_the_file_of_another_job_is_not_used(bench: SyncBench) -> None:
    """A cache between us and Zoho answers with the file of an earlier job, which has as many rows."""
    furnish(bench)
    bench.org.insert_many("Contacts", [{"Last_Name": f"C{n}"} for n in range(39)])
    bench.sim.switches.update(bulk_downloads_per_minute=10**6)
    assert bench.sync("Contacts").modules[0].route.startswith("bulk")
    (contacts,) = bench.org.bulk.jobs.values()

    def mix_up() -> None:
        for job in bench.org.bulk.jobs.values():
            job.archive = contacts.archive

    bench.sim.on_call(1, mix_up, path="/result")
    report = bench.sync("Leads")
    assert report.complete, report
    assert f"that of job {contacts.id}" in report.modules[0].detail
    ledger.assert_equal(bench, "Leads")


@pytest.mark.parametrize(
    "fault",
    choice(
        ["server_error", "bad_gateway", "truncated", "empty_body", "wrong_content_type"], ["server_error", "truncated"]
    ),
)
def test_a_result_that_never_comes_leaves_the_job(bench: SyncBench, fault: str) -> None:
    furnish(bench)
    bench.sim.faults.next(99, fault, "/result")
    assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")


def test_tokens_of_a_list_that_lead_round_end_the_module_at_once(bench: SyncBench) -> None:
    bench.sim.clock.freeze()
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(5)])
    bench.org.insert("Contacts", {"Last_Name": "C"})
    bench.sim.clock.resume()
    bench.sim.switches.update(page_tokens="circle")
    report = bench.sync("Leads")
    assert [part.outcome for part in report.modules] == ["failed"]
    assert "no new token" in report.modules[0].detail
    assert sum(call.path.endswith("/Leads") for call in bench.sim.requests) < 12
    bench.sim.switches.update(page_tokens="offset")
    assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")


def test_tokens_of_jobs_that_lead_round_leave_the_route(bench: SyncBench) -> None:
    furnish(bench)
    bench.sim.switches.update(page_tokens="circle", bulk_rows=20, bulk_downloads_per_minute=10**6)
    bench.limit(list_credits=10**6, queries_from=1)
    report = bench.sync("Leads")
    assert report.complete, report
    assert "used before" in report.modules[0].detail
    assert jobs(bench) <= 3
    ledger.assert_equal(bench, "Leads")


def test_other_pages_that_lead_round_end_too(bench: SyncBench) -> None:
    """Users and settings have page numbers: their answers may not go on for ever either."""
    bench.org.insert("Leads", {"Last_Name": "L", "Company": "C"})
    people = '{"users":[{"id":"1","full_name":"A"}],"info":{"more_records":true}}'
    fields = '{"fields":[{"id":"1","api_name":"Last_Name"}],"info":{"more_records":true}}'
    bench.sim.faults.next(10_000, "body", "/users", after=1, text=people)
    bench.sim.faults.next(10_000, "body", "/settings/fields", text=fields)
    report = bench.sync()
    outcomes = {part.module: part.outcome for part in report.modules}
    assert outcomes["users"] == outcomes["Leads"] == "failed"
    assert outcomes["holidays"] == "complete"
    assert sum(call.path.endswith("/users") for call in bench.sim.requests) < 6


def test_no_line_of_a_damaged_file_is_shown(bench: SyncBench) -> None:
    furnish(bench)
    bench.org.insert("Leads", {"Last_Name": "Zebracorn", "Company": "C"})
    bench.sim.switches.update(bulk_damage="more_cells", bulk_downloads_per_minute=10**6)
    report = bench.sync("Leads")
    assert "Expected" in report.modules[0].detail
    assert not {"Zebracorn", "4876876000000999999"} & set(report.modules[0].detail.replace(",", " ").split())


@pytest.mark.long
def test_the_file_of_an_earlier_job_with_the_same_columns_is_not_used(bench: SyncBench) -> None:
    """The number of rows and the columns are right; only the name of the file in the ZIP tells the two jobs apart."""
    furnish(bench)
    bench.sim.switches.update(bulk_downloads_per_minute=10**6)
    bench.sync("Leads")
    (first,) = bench.org.bulk.jobs.values()
    for lead in leads_of(bench):
        bench.org.update("Leads", lead, {"Company": "new"})

    def mix_up() -> None:
        for job in bench.org.bulk.jobs.values():
            job.archive = first.archive

    bench.sim.on_call(1, mix_up, path="/result")
    report = bench.sync("Leads", full=True)
    assert report.complete, report
    assert f"that of job {first.id}" in report.modules[0].detail
    ledger.assert_equal(bench, "Leads")

"""Valid bulk files that lack rows, and differences that no repair removes. Neither sync is reported as complete."""

from typing import Any

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from tests.params import both_engines

QUERIES = f"{PLAIN_SCOPES},ZohoCRM.coql.READ"
FILES = [("header", False), ("header", True), ("half", False), ("half", True), ("twice", False), ("repeated", True)]


@pytest.fixture(autouse=True)
def _jobs_for_few(bench: SyncBench) -> None:
    """Limits: a job for any number of rows, queries up to a hundred rows, repairs by id up to twenty."""
    bench.limit(job_credits=0, queries_from=100, most_repairs=20)


def misprint(bench: SyncBench, kind: str, lies: bool = False) -> None:
    bench.sim.switches.update(bulk_file=kind, bulk_count_lies=lies, bulk_rows=100, bulk_downloads_per_minute=10**6)


def furnish(bench: SyncBench) -> list[str]:
    """Add 250 leads, which a connection with every scope reads."""
    bench.connect(ALL_SCOPES)
    return bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(250)])


def check(bench: SyncBench, **options: Any) -> str:
    report = bench.sync("Leads", **options)
    assert report.complete, report
    ledger.assert_equal(bench, "Leads")
    return report.modules[0].route


QUICK_FILES = [("half", False), ("repeated", True)]
"""A file with too few rows, and a file with the right number of rows: `make test` takes these two."""


@both_engines()
@pytest.mark.parametrize(
    ("kind", "lies"), [pytest.param(*file, marks=() if file in QUICK_FILES else pytest.mark.long) for file in FILES]
)
def test_a_first_load_by_a_bad_file_is_made_whole_by_another_route(bench: SyncBench, kind: str, lies: bool) -> None:
    furnish(bench)
    misprint(bench, kind, lies)
    assert {"records", "coql"} & set(check(bench).split("+"))
    assert check(bench) == "unchanged"


@pytest.mark.long
@pytest.mark.parametrize(
    ("run", "kind", "lies"),
    [
        pytest.param(run, *file, marks=() if run == "full" and file in QUICK_FILES else pytest.mark.long)
        for run in ("full", "reconcile", "changes")
        for file in FILES
    ],
)
def test_values_that_a_bad_file_lacks_are_read_by_another_route(
    bench: SyncBench, run: str, kind: str, lies: bool
) -> None:
    """The count is right, because every record is stored already. Only the values are old."""
    ids = furnish(bench)
    check(bench)
    bench.sim.clock.advance(3_600)
    for id_ in ids:
        bench.org.update("Leads", id_, {"Company": "new"}, touch=run != "full")
    misprint(bench, kind, lies)
    if run == "reconcile":
        bench.reconcile("Leads")
        ledger.assert_equal(bench, "Leads")
    check(bench, full=run == "full")


def test_a_file_that_is_short_once_is_fetched_again(bench: SyncBench) -> None:
    """The second download has all rows, and the fifty credits of a job are not spent twice."""
    furnish(bench)
    misprint(bench, "half")
    bench.sim.on_call(1, lambda: mend(bench), path="/result", after=True)
    assert check(bench).startswith("bulk")
    jobs = [call for call in bench.sim.requests if call.method == "POST" and call.path.endswith("/read")]
    assert len(jobs) == 3


def mend(bench: SyncBench) -> None:
    """From now on the file of every job has all rows."""
    bench.sim.switches.update(bulk_file="whole")
    rows = bench.org.modules["Leads"].rows
    for job in bench.org.bulk.jobs.values():
        start = (job.page - 1) * 100
        job.rows, job.archive = list(rows.values())[start : start + 100], b""


@pytest.mark.long
def test_a_record_that_no_route_brings_is_not_complete_and_not_compared_each_night(bench: SyncBench) -> None:
    """Queries count and list a record that no other call shows. Each sync reports it, and it is compared once."""
    bench.limit(queries_from=10**6)
    ids = furnish(bench)[:1]
    bench.connect(QUERIES)
    bench.org.admin.hide_rows("Leads", {ids[0]})
    bench.sim.switches.update(queries_show=ids[0])
    (part,) = bench.sync("Leads").modules
    assert part.outcome == "failed"
    assert ids[0] in part.detail
    assert "zoho-pipeline reconcile acme" in part.detail
    assert bench.registry.get("acme").last_complete_sync_at is None
    bench.sim.clock.advance(3_600)
    (part,) = bench.sync("Leads").modules
    assert part.outcome == "failed"
    assert "compare" not in part.route
    bench.org.admin.show_rows("Leads", {ids[0]})
    bench.reconcile("Leads")
    assert check(bench) == "unchanged"


@pytest.mark.long
def test_a_record_that_queries_alone_hide_is_compared_once(bench: SyncBench) -> None:
    """A record that a call by id shows is no difference: the run is complete, and later runs do not compare."""
    ids = furnish(bench)
    bench.connect(QUERIES)
    bench.sim.switches.update(queries_hide=ids[-1])
    bench.connect(PLAIN_SCOPES)
    check(bench)
    bench.connect(QUERIES)
    bench.sim.clock.advance(3_600)
    bench.org.update("Leads", ids[3], {"Company": "new"})
    assert "compare" in check(bench)
    for _ in range(2):
        bench.sim.clock.advance(3_600)
        bench.org.update("Leads", ids[4], {"Company": "newer"})
        assert "compare" not in check(bench)
        assert check(bench) == "unchanged"

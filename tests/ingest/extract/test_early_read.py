"""A read that begins before the window is settled: nothing is lost, whatever becomes visible while it settles."""

import time
from dataclasses import replace

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from tests.ingest.early import LAG, LAST_READ, SCOPES, LateChanges
from tests.params import combined


@pytest.mark.parametrize("route", SCOPES)
def test_changes_that_become_visible_after_the_reading_are_loaded(bench: SyncBench, route: str) -> None:
    late = LateChanges.furnish(bench, route)
    report = late.sync()
    assert report.modules[0].route.split("+")[0] == route
    late.check(report)


@pytest.mark.parametrize(
    ("route", "kind"),
    combined(SCOPES, ["restore", "merge"], quick=[("bulk", "restore"), ("coql", "merge"), ("records", "restore")]),
)
def test_changes_without_a_new_modified_time_after_the_reading_are_loaded(
    bench: SyncBench, route: str, kind: str
) -> None:
    late = LateChanges.furnish(bench, route)
    late.delete_one()
    report = late.sync(lambda: late.happen_without_trace(kind))
    assert report.complete, report
    assert report.modules[0].route.split("+")[0] == route
    ledger.assert_equal(bench, "Leads")


@pytest.mark.parametrize("refused", ["no scope", "at the first query", "later"])
def test_where_no_query_shows_them_they_are_read_after_the_waiting(bench: SyncBench, refused: str) -> None:
    """Lists wait before they read. If Zoho refuses the queries later, lists read everything again."""
    late = LateChanges.furnish(bench, "records", PLAIN_SCOPES if refused == "no scope" else "")
    late.delete_one()
    began, waited = time.monotonic(), []
    refuse = lambda: bench.sim.faults.next(500, "no_permission", path="/coql")  # noqa: E731
    if refused == "later":
        late.sync(lambda: (late.happen_without_trace("restore"), refuse()))
    else:
        if refused == "at the first query":
            refuse()
        bench.sim.on_call(1, lambda: late.happen_without_trace("restore"), path="/crm/v7/Leads")
        bench.sim.on_call(1, lambda: waited.append(time.monotonic() - began), path="/crm/v7/Leads")
        assert bench.sync("Leads").complete
        assert waited[0] >= LAG
    ledger.assert_equal(bench, "Leads")


def stop_after_the_first_file(bench: SyncBench, *, full: bool = False) -> None:
    """The sync reads by jobs, and no call succeeds after the download of the first file."""
    bench.sim.switches.update(bulk_rows=100, page_tokens="keyset", bulk_downloads_per_minute=10**6)
    bench.limit(job_credits=0, list_credits=1_000, rows_per_load=50)
    bench.sim.on_call(1, lambda: bench.sim.faults.next(90, "server_error", path="/crm/"), path="/result", after=True)
    assert not bench.sync("Leads", full=full).complete
    bench.sim.faults.clear()


def old_leads(bench: SyncBench) -> list[str]:
    now = int(bench.sim.clock.seconds())
    stamps = [now - 90_000 + 60 * n for n in range(250)]
    return bench.org.insert_many(
        "Leads", [{"Last_Name": "L", "Created_Time": at, "Modified_Time": at} for at in stamps]
    )


@pytest.mark.long
def test_conversions_since_a_job_that_is_resumed_are_loaded(bench: SyncBench) -> None:
    """They left Modified_Time as it was, hours ago: no later sync looked for them."""
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(conversion_bumps_modified=False)
    ids = old_leads(bench)
    stop_after_the_first_file(bench)
    for id_ in (ids[3], ids[240]):
        bench.org.convert(id_)
    bench.sim.clock.advance(7_200)
    report = bench.sync("Leads")
    assert report.complete, report
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
def test_the_job_of_a_full_sync_that_stopped_is_dropped_once_all_changes_are_loaded(bench: SyncBench) -> None:
    """It was kept for ever, and each later sync read the list of changes."""
    bench.connect(ALL_SCOPES)
    old_leads(bench)
    assert bench.sync("Leads").complete
    stop_after_the_first_file(bench, full=True)
    bench.sim.clock.advance(60)
    assert bench.sync("Leads").complete
    (part,) = bench.sync("Leads").modules
    assert (part.route, part.credits <= 3) == ("unchanged", True)
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
def test_a_quiet_first_load_reads_only_its_tail_twice_and_costs_three_credits_more(bench: SyncBench) -> None:
    late = LateChanges.furnish(bench, "bulk")
    bench.sim.clock.advance(3_600)
    (part,) = bench.sync("Leads").modules
    job = next(turn for turn, call in enumerate(bench.sim.requests) if call.path.endswith("/bulk/v7/read"))
    assert (part.rows, part.route) == (250, "bulk")
    assert sum("/coql" in call.path for call in bench.sim.requests[:job]) == 2  # the totals, and the count of the tail
    assert part.credits <= 60
    bench.org.update("Leads", late.leads[3], {"Company": "next"})
    (part,) = bench.sync("Leads").modules
    assert (part.rows, part.credits <= 9) == (1, True)


@pytest.mark.long
@pytest.mark.parametrize("route", ["bulk", "records"])
def test_a_reader_that_is_killed_before_its_tail_loses_nothing(bench: SyncBench, route: str) -> None:
    """The rows of the early read are loaded, and no call of the tail succeeds. The next sync reads the tail."""
    late = LateChanges.furnish(bench, route)
    bench.limit(rows_per_table=100, rows_per_checkpoint=100, rows_per_load=50)

    def happen_and_break() -> None:
        late.happen()
        bench.sim.faults.next(500, "server_error", path="/crm/v7/")

    path, turn = LAST_READ[route]
    bench.sim.on_call(turn, happen_and_break, path=path, after=True)
    assert not bench.sync("Leads").complete
    assert len(bench.live("leads", "Leads")) > 100
    bench.sim.faults.clear()
    late.check(bench.sync("Leads"))


def test_an_import_of_the_last_seconds_waits_for_the_window(bench: SyncBench) -> None:
    """Its rows would all be read twice."""
    late = LateChanges.furnish(bench, "bulk")
    bench.settings = replace(bench.settings, sync_lag_seconds=1.0)
    bench.org.insert_many("Leads", [{"Last_Name": "import"} for _ in range(300)])
    report = bench.sync("Leads")
    assert (report.modules[0].rows, report.modules[0].route) == (550, "bulk")
    assert report.modules[0].credits <= 60
    late.check(report)


@pytest.mark.long
@pytest.mark.parametrize(
    ("route", "offset"), [("bulk", 60.0), ("bulk", -60.0), ("bulk", 86_400.0), ("records", 86_400.0)]
)
def test_a_wrong_date_does_not_let_the_early_read_trust_too_much(bench: SyncBench, route: str, offset: float) -> None:
    """A second edit within the second that was read is found too: the tail is read again, whatever the clock says."""
    late = LateChanges.furnish(bench, route)
    bench.sim.switches.update(date_offset=offset)
    report = late.sync()
    assert report.complete, report
    if offset > 0:  # with a clock that is behind, the newest records belong to the next sync
        ledger.assert_equal(bench, "Leads")
    bench.sim.switches.update(date_offset=0.0)
    bench.settings = replace(bench.settings, sync_lag_seconds=0.0)
    assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")

"""A read that begins before the window is settled: nothing is lost, whatever becomes visible while it settles."""

from dataclasses import replace

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import SyncBench
from tests.ingest.early import LAST_READ, SCOPES, LateChanges


@pytest.mark.parametrize("route", SCOPES)
def test_changes_that_become_visible_after_the_reading_are_loaded(bench: SyncBench, route: str) -> None:
    late = LateChanges.furnish(bench, route)
    report = late.sync()
    assert report.modules[0].route.split("+")[0] == route
    late.check(report)


def test_a_quiet_first_load_reads_no_row_twice_and_costs_two_credits_more_than_the_waiting(bench: SyncBench) -> None:
    late = LateChanges.furnish(bench, "bulk")
    bench.sim.clock.advance(3_600)
    (part,) = bench.sync("Leads").modules
    job = next(turn for turn, call in enumerate(bench.sim.requests) if call.path.endswith("/bulk/v7/read"))
    assert (part.rows, part.route) == (250, "bulk")
    assert sum("/coql" in call.path for call in bench.sim.requests[:job]) == 2  # the totals, and the count of the tail
    assert part.credits <= 59
    bench.org.update("Leads", late.leads[3], {"Company": "next"})
    (part,) = bench.sync("Leads").modules
    assert (part.rows, part.credits <= 9) == (1, True)


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


@pytest.mark.parametrize(
    ("route", "offset"), [("bulk", 60.0), ("bulk", -60.0), ("bulk", 86_400.0), ("records", 86_400.0)]
)
def test_a_wrong_date_does_not_let_the_early_read_trust_too_much(bench: SyncBench, route: str, offset: float) -> None:
    """A second edit within the second that was read is left out: under a wrong clock, only `reconcile` finds it."""
    late = LateChanges.furnish(bench, route)
    late.within_second = False
    bench.sim.switches.update(date_offset=offset)
    report = late.sync()
    assert report.complete, report
    if offset > 0:
        names = {row["last_name"] for row in bench.live("leads", "Leads").values()}
        assert {"late", "later"} <= names
    if offset > 0 and route == "bulk":  # with a clock that is behind, the newest records belong to the next sync
        ledger.assert_equal(bench, "Leads")
    bench.sim.switches.update(date_offset=0.0)
    bench.settings = replace(bench.settings, sync_lag_seconds=0.0)
    assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")

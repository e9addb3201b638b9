"""Zoho's `Date` header is wrong for some time: nothing is lost, and no watermark stays ahead of the time."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, PLAIN_SCOPES, SyncBench
from tests.params import both_engines, choice
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.settings import PipelineError

QUERIES = f"{PLAIN_SCOPES},ZohoCRM.coql.READ"
DAY = 86_400.0


def leads(bench: SyncBench, count: int, company: str = "C") -> list[str]:
    """Add leads of the last hours, one minute apart. None of them is newer than five minutes."""
    now = bench.sim.clock.epoch()
    stamps = [now - 300 - 60 * n for n in range(count)]
    rows = [{"Last_Name": f"L{at}", "Company": company, "Created_Time": at, "Modified_Time": at} for at in stamps]
    return bench.org.insert_many("Leads", rows)


def edit(bench: SyncBench, ids: list[str], company: str) -> None:
    for id_ in ids:
        bench.org.update("Leads", id_, {"Company": company})


def marks(bench: SyncBench) -> dict[str, datetime]:
    """Return every instant in the state of Leads."""
    state = Loader(bench.settings, bench.warehouse, bench.channel_id).state["modules"]["Leads"]
    names = ("cursor", "final_to", "deleted_cursor", "fields_at", "proved", "deleted_from")
    return {name: datetime.fromisoformat(state[name]) for name in names if state.get(name)}


def zoho_now(bench: SyncBench) -> datetime:
    return datetime.fromtimestamp(bench.sim.clock.seconds(), UTC)


def check(bench: SyncBench) -> None:
    """Sync with the right clock: raw equals the ledger, and no watermark is ahead of the time."""
    report = bench.sync("Leads")
    assert report.complete, report
    ledger.assert_equal(bench, "Leads")
    latest = zoho_now(bench) + timedelta(seconds=2)
    assert {name: at for name, at in marks(bench).items() if at > latest} == {}
    upper = bench.registry.get(bench.channel_id).modules["Leads"].upper_bound
    assert upper is not None
    assert upper <= latest


@pytest.mark.long
@pytest.mark.parametrize(
    ("wrong", "offset", "scopes"),
    list(product(["first sync", "later sync"], [DAY, 60.0, -DAY, -60.0], [PLAIN_SCOPES, QUERIES])),
)
def test_edits_after_a_sync_under_a_wrong_date_are_found(
    bench: SyncBench, wrong: str, offset: float, scopes: str
) -> None:
    bench.connect(scopes)
    ids = leads(bench, 250)
    if wrong == "later sync":
        check(bench)
    for turn in range(2):  # the clock is wrong for several runs
        bench.sim.switches.update(date_offset=offset)
        bench.sync("Leads")
        edit(bench, ids[turn * 5 : turn * 5 + 5], f"wrong {turn}")
        bench.org.delete("Leads", ids[100 + turn])
    bench.sim.switches.update(date_offset=0.0)
    check(bench)
    check(bench)


@both_engines("duckdb")
@pytest.mark.parametrize("scopes", choice([PLAIN_SCOPES, QUERIES], [QUERIES]))
def test_edits_are_found_when_the_time_has_passed_the_false_mark(bench: SyncBench, scopes: str) -> None:
    """A run a week later sees a cursor that looks right. Newer edits hide older ones from the comparison."""
    bench.connect(scopes)
    ids = leads(bench, 250)
    bench.sim.switches.update(date_offset=DAY)
    bench.sync("Leads")
    bench.sim.switches.update(date_offset=0.0)
    edit(bench, ids[:5], "soon after")
    bench.org.delete("Leads", ids[5])
    bench.sim.clock.advance(7 * DAY)
    edit(bench, ids[10:12], "a week later")
    check(bench)


@pytest.mark.long
@pytest.mark.parametrize(
    ("run", "offset"),
    list(product(["full", "reconcile"], [DAY, -DAY])),
)
def test_full_and_reconcile_do_not_trust_a_wrong_date_either(bench: SyncBench, run: str, offset: float) -> None:
    bench.connect(QUERIES)
    ids = leads(bench, 30)
    check(bench)
    bench.sim.switches.update(date_offset=offset)
    if run == "full":
        bench.sync("Leads", full=True)
    else:
        bench.reconcile("Leads")
    edit(bench, ids[:5], "after")
    bench.sim.switches.update(date_offset=0.0)
    check(bench)


@pytest.mark.long
def test_a_bulk_job_begun_under_a_wrong_date_is_resumed_and_followed_up(bench: SyncBench) -> None:
    bench.connect(ALL_SCOPES)
    bench.limit(job_credits=0)
    ids = leads(bench, 250)
    bench.sim.switches.update(date_offset=DAY, bulk_rows=100)
    bench.limit(rows_per_load=50)
    bench.sim.faults.next(90, "server_error", path="/crm/", after=9)  # the sync stops after the first file
    assert not bench.sync("Leads").complete
    bench.sim.faults.clear()
    edit(bench, ids[:5], "after the job")
    bench.sim.switches.update(date_offset=0.0)
    check(bench)


@pytest.mark.long
def test_edits_between_two_bulk_files_under_a_wrong_date_are_found(bench: SyncBench) -> None:
    """The second file has a newer stamp than an edit that no file has."""
    bench.connect(ALL_SCOPES)
    bench.limit(job_credits=0, rows_per_load=50)
    ids = leads(bench, 250)
    bench.sim.switches.update(date_offset=60.0, bulk_rows=100, page_tokens="keyset", bulk_downloads_per_minute=10**6)

    def edit_both() -> None:
        edit(bench, ids[:5], "after its file")
        bench.sim.clock.advance(2)
        edit(bench, ids[-5:], "before its file")

    bench.sim.on_call(1, edit_both, path="/result", after=True)
    assert bench.sync("Leads").complete
    bench.sim.switches.update(date_offset=0.0)
    check(bench)


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "later"),
    list(product(["server_error", "concurrency"], [0.0, 2 * DAY])),
)
def test_a_load_of_changes_that_stops_after_its_first_file_is_not_taken_as_whole(
    bench: SyncBench, fault: str, later: float
) -> None:
    """The first file has the newest change. The others have older ones, which lie below a cursor that was ahead."""
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(bulk_rows=100, page_tokens="keyset", bulk_downloads_per_minute=10**6, date_offset=60.0)
    ids = leads(bench, 250)
    assert bench.sync("Leads").complete
    bench.sim.switches.update(date_offset=0.0)
    for changed in (ids[100:], ids[:100]):
        bench.sim.clock.advance(2)
        edit(bench, changed, "changed")
    bench.limit(job_credits=0, rows_per_load=50)
    faults = bench.sim.faults
    bench.sim.on_call(1, lambda: faults.next(90, fault, path="/crm/"), path="/result", after=True)
    assert not bench.sync("Leads").complete
    faults.clear()
    bench.sim.clock.advance(later)
    check(bench)


@pytest.mark.long
def test_one_answer_with_a_wrong_date_is_asked_for_again(bench: SyncBench) -> None:
    """A proxy with a different clock answers once."""
    bench.connect(QUERIES)
    ids = leads(bench, 30)
    for seconds in (DAY, -DAY, 120.0):
        bench.sim.faults.next(1, "wrong_date", after=3, seconds=seconds)
        check(bench)
        edit(bench, ids[:5], f"{seconds}")
    check(bench)
    assert [kind for kind, _ in bench.sim.faults.fired] == ["wrong_date"] * 3


@pytest.mark.parametrize("seconds", choice([DAY, -DAY], [DAY]))
def test_a_clock_that_jumps_during_a_run_fails_it_and_moves_no_cursor(bench: SyncBench, seconds: float) -> None:
    bench.connect(QUERIES)
    ids = leads(bench, 30)
    check(bench)
    before, known = marks(bench), bench.registry.get("acme").modules["Leads"].upper_bound
    edit(bench, ids[:5], "before the jump")
    bench.sim.on_call(4, lambda: bench.sim.switches.update(date_offset=seconds))
    with pytest.raises(PipelineError, match=r"Date.*again"):
        bench.sync("Leads")
    assert marks(bench) == before
    assert bench.registry.get("acme").modules["Leads"].upper_bound == known
    assert bench.registry.get("acme").modules["Leads"].outcome == "failed"
    bench.sim.switches.update(date_offset=0.0)
    check(bench)


@pytest.mark.long
def test_answers_without_a_date_use_the_date_of_earlier_ones(bench: SyncBench) -> None:
    bench.connect(QUERIES)
    ids = leads(bench, 30)
    for kind in ("no_date", "bad_date"):
        bench.sim.faults.next(100, kind, after=1)
        check(bench)
        bench.sim.faults.clear()
        edit(bench, ids[:5], kind)
    check(bench)


@pytest.mark.long
def test_the_last_complete_sync_is_corrected_by_the_next_run(bench: SyncBench) -> None:
    bench.connect(QUERIES)
    leads(bench, 3)
    bench.sim.switches.update(date_offset=DAY)
    bench.sync()
    bench.sim.switches.update(date_offset=0.0)
    bench.sim.faults.next(100, "no_permission", path="/crm/v7/Notes")
    bench.sim.faults.next(100, "server_error", path="/crm/v7/Deals")
    bench.sync()
    latest = zoho_now(bench) + timedelta(seconds=2)
    bounds = [part.upper_bound for part in bench.registry.get("acme").modules.values() if part.upper_bound]
    assert max(bounds) <= latest
    last_complete = bench.rows("select last_complete_sync_at as at from zoho_raw.channels")[0]["at"]
    assert last_complete is None or last_complete <= latest
    fields = Loader(bench.settings, bench.warehouse, "acme").state["modules"]["Contacts"]["fields_at"]
    assert datetime.fromisoformat(fields) <= latest


@pytest.mark.long
def test_records_from_after_zohos_own_clock_are_no_complete_sync(bench: SyncBench) -> None:
    """A Date that is behind hides newer records. The sync reports it, and reads them when the clock is right again."""
    bench.connect(QUERIES)
    leads(bench, 10)
    bench.sim.switches.update(date_offset=-DAY)
    (part,) = bench.sync("Leads").modules
    assert part.outcome == "failed"
    assert "clock" in part.detail
    assert "sync" in part.detail
    bench.sim.switches.update(date_offset=0.0)
    check(bench)


@pytest.mark.long
def test_a_clock_of_zohos_that_was_ahead_and_set_back_loses_nothing(bench: SyncBench) -> None:
    """Its Modified_Time was ahead too: the stored rows seem newer than the current edits."""
    bench.connect(QUERIES)
    ids = leads(bench, 30)
    bench.sim.clock.advance(DAY)
    edit(bench, ids[:5], "stamped tomorrow")
    check(bench)
    bench.sim.clock.advance(-DAY)
    edit(bench, ids[10:15], "stamped today")
    bench.sim.clock.advance(1_800)
    report = bench.sync("Leads")
    assert report.complete, report
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
@pytest.mark.parametrize("run", ["sync", "reconcile"])
def test_edits_stamped_before_the_creation_of_their_record_are_found(bench: SyncBench, run: str) -> None:
    """Zoho's clock was set back with its stamps: a run leaves such records out, and its end lies beyond their edits."""
    bench.connect(ALL_SCOPES)
    bench.limit(job_credits=0, queries_from=50)
    ids = leads(bench, 250)
    check(bench)
    bench.sim.clock.advance(-DAY)
    edit(bench, ids[100:200], "before it was created")
    bench.sim.clock.advance(400)
    if run == "sync":
        bench.sync("Leads")
    else:
        bench.reconcile("Leads")
    bench.sim.clock.advance(3 * DAY)
    check(bench)


@pytest.mark.long
def test_a_run_with_nothing_new_still_costs_three_credits(bench: SyncBench) -> None:
    bench.connect(QUERIES)
    ids = leads(bench, 300)
    check(bench)
    for id_ in ids[:220]:
        bench.org.delete("Leads", id_)
    check(bench)
    bench.sim.clock.advance(3_600)
    check(bench)  # it lists this many deletions again
    for _ in range(3):
        bench.sim.clock.advance(3_600)
        (part,) = bench.sync("Leads").modules
        assert (part.route, part.credits) == ("unchanged", 3)

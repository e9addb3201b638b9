"""First loads in several steps: new rows are appended, names are filled in, and no row is loaded twice."""

import shutil
from dataclasses import replace

import pytest

from tests.ingest import ledger
from tests.ingest.conftest import ALL_SCOPES, SyncBench
from tests.params import both_engines
from zoho_pipeline.ingest.load.loader import Loader, LoadFailed


@pytest.fixture
def small_jobs(bench: SyncBench) -> SyncBench:
    """Limits for many small Bulk Read jobs, with one load per job."""
    bench.connect(ALL_SCOPES)
    bench.sim.switches.update(bulk_rows=1_000, page_tokens="offset")
    bench.limit(job_credits=1, queries_from=10**9, rows_per_load=900)
    return bench


@both_engines()
def test_a_record_that_two_jobs_show_is_there_once(small_jobs: SyncBench) -> None:
    """A restore between two jobs moves every row by one: the last row of one file is the first of the next."""
    bench = small_jobs
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(2_500)])
    bench.org.delete("Leads", ids[0])
    bench.sim.on_call(3, lambda: bench.org.restore("Leads", ids[0]), path="/bulk/")
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route.split("+")[0]) == ("complete", "bulk")
    shown = sum(call.path.endswith("/result") for call in bench.sim.requests)
    assert shown == 3
    (found,) = bench.rows("select count(*) as n, count(distinct id) as ids from zoho_raw.leads")
    assert found["n"] == found["ids"] == 2_500
    ledger.assert_equal(bench, "Leads")


def marks(bench: SyncBench) -> set[str]:
    states = Loader(bench.settings, bench.warehouse, "acme").state["modules"]
    return {name for name, state in states.items() if "bare_names" in state}


NAMED = "select distinct owner_name, account_name_name from zoho_raw.contacts"
NAMES = [{"owner_name": "Asha Rao", "account_name_name": "Acme Pune"}]


def insert_contacts(bench: SyncBench) -> None:
    owner = bench.org.add_user(first_name="Asha", last_name="Rao")
    account = bench.org.insert("Accounts", {"Account_Name": "Acme Pune"})
    row = {"Last_Name": "C", "Owner": {"id": owner.id}, "Account_Name": {"id": account}}
    bench.org.insert_many("Contacts", [row] * 1_200)


@pytest.mark.long
def test_names_are_filled_also_after_a_crash_before_that_step(small_jobs: SyncBench) -> None:
    bench = small_jobs
    insert_contacts(bench)
    first = bench.sync()
    assert next(part.route for part in first.modules if part.module == "Contacts") == "bulk"
    assert "Contacts" in marks(bench)
    assert bench.rows(NAMED) == NAMES
    with bench.warehouse.connect(read_only=False) as connection:  # as if the run had been killed before its last step
        connection.execute("update zoho_raw.contacts set owner_name = null, account_name_name = null")
    bench.sync()
    assert bench.rows(NAMED) == NAMES
    bench.sync()
    assert "Contacts" not in marks(bench)


@pytest.mark.long
def test_names_that_come_later_are_filled_then(small_jobs: SyncBench) -> None:
    """The module of the parent was not read at first, and users could not be read."""
    bench = small_jobs
    insert_contacts(bench)
    bench.sim.on_call(1, lambda: bench.sim.faults.next(50, "scope", path="/users"), path="/bulk/")
    bench.sync("Contacts")
    assert bench.rows(NAMED) == [{"owner_name": None, "account_name_name": None}]
    bench.sim.faults.clear()
    bench.sync("Contacts")
    assert bench.rows(NAMED) == [{"owner_name": "Asha Rao", "account_name_name": None}]
    bench.sync()
    assert bench.rows(NAMED) == NAMES
    ledger.assert_equal(bench, "Contacts")


@pytest.mark.long
def test_loads_are_bounded_by_bytes_too(bench: SyncBench) -> None:
    bench.limit(bytes_per_load=50_000, rows_per_table=100, rows_per_checkpoint=100)
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Description": "x" * 500} for n in range(600)])
    bench.sync("Leads")
    loads = bench.rows("select count(*) as n from zoho_raw._dlt_loads where schema_name = 'zoho_crm'")
    assert loads[0]["n"] >= 5
    ledger.assert_equal(bench, "Leads")


@pytest.mark.parametrize("call", [2, 4])
@pytest.mark.long
def test_after_a_failed_job_another_route_is_used(small_jobs: SyncBench, call: int) -> None:
    """The first job fails, or the second one after the first was loaded: a field without a column fails a whole job."""
    bench = small_jobs
    bench.sim.switches.update(bulk_mode="polls", bulk_polls=1)
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Description": f"d {n}"} for n in range(1_500)])
    message = "FIELD_NOT_SUPPORTED: the field Description is not supported"
    bench.sim.on_call(call, lambda: bench.org.bulk.fail_next.append(message), path="/bulk/")
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route) == ("complete", "records")
    assert "bulk refused" in part.detail
    assert "FIELD_NOT_SUPPORTED" in part.detail
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
def test_a_job_taken_up_again_has_the_fields_of_today(small_jobs: SyncBench) -> None:
    """The sync stopped after one file, and then a field was shown to the user. The files lack this field."""
    bench = small_jobs
    bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": f"C{n}"} for n in range(2_500)])
    bench.org.admin.hide_field("Leads", "Company")
    bench.sim.on_call(5, lambda: bench.sim.faults.next(100, "server_error", path="/crm/"), path="/bulk/")
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.rows) == ("failed", 1_000)
    bench.sim.faults.clear()
    bench.org.admin.show_field("Leads", "Company")
    (part,) = bench.sync("Leads").modules
    assert part.outcome == "complete"
    assert bench.rows("select count(distinct company) as n from zoho_raw.leads") == [{"n": 2_500}]
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
def test_a_first_load_that_broke_off_goes_on_with_its_job(small_jobs: SyncBench) -> None:
    """The rows of the broken sync count for the files: they are not taken for short, and the job is not thrown away."""
    bench = small_jobs
    now = bench.sim.clock.epoch() - 3_600  # the oldest id was changed last
    rows = [{"Last_Name": f"L{n}", "Created_Time": now - n, "Modified_Time": now - n} for n in range(2_500)]
    bench.org.insert_many("Leads", rows)
    bench.sim.on_call(5, lambda: bench.sim.faults.next(100, "server_error", path="/crm/"), path="/bulk/")
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.rows) == ("failed", 1_000)
    bench.sim.faults.clear()
    (part,) = bench.sync("Leads").modules
    assert (part.outcome, part.route.split("+")[0]) == ("complete", "bulk")
    assert "refused" not in (part.detail or "")
    assert part.rows < 1_600
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
def test_thousands_that_differ_are_read_again_in_bounded_loads(small_jobs: SyncBench) -> None:
    bench = small_jobs
    bench.limit(most_repairs=100)
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}"} for n in range(2_500)])
    bench.org.admin.hide_rows("Leads", set(ids[10:]))
    bench.sync("Leads")
    bench.org.admin.show_rows("Leads", set(ids))
    count = "select count(*) as n from zoho_raw._dlt_loads"
    before = bench.rows(count)[0]["n"]
    (part,) = bench.sync("Leads").modules
    assert part.outcome == "complete"
    assert 2_490 <= part.rows <= 2_500, "each row is counted once"
    assert bench.rows(count)[0]["n"] - before >= 3
    ledger.assert_equal(bench, "Leads")


def test_history_modules_that_cannot_be_looked_up_cost_nothing_else(bench: SyncBench) -> None:
    bench.org.insert("Leads", {"Last_Name": "L"})
    bench.sim.faults.next(100, "server_error", path="/settings/modules")
    report = bench.sync()
    assert {part.outcome for part in report.modules if part.module in ("Leads", "Contacts", "Deals")} == {"complete"}
    ledger.assert_equal(bench, "Leads")


@pytest.mark.long
@pytest.mark.parametrize("warehouse_env", ["duckdb"], indirect=True)
def test_a_load_that_fails_ends_the_run_and_is_accounted_for(small_jobs: SyncBench) -> None:
    """The run does not wait for the job of another module, which may take Zoho an hour."""
    bench = small_jobs
    bench.limit(pacing=replace(bench.limits.pacing, job_first_wait=1.0))
    bench.sync("Leads")
    bench.sim.switches.update(bulk_mode="time", bulk_seconds=45.0)
    bench.org.insert_many("Contacts", [{"Last_Name": f"C{n}"} for n in range(300)])
    bench.org.insert_many("Notes", [{"Note_Title": f"N{n}"} for n in range(1_200)])
    with bench.warehouse.connect(read_only=False) as connection:  # somebody created a view on the table
        connection.execute("alter table zoho_raw.notes rename to notes_of_old")
        connection.execute("create view zoho_raw.notes as select * from zoho_raw.notes_of_old")
    del bench.sim.requests[:]
    with pytest.raises(LoadFailed):
        bench.sync("Contacts", "Notes")
    polls = [call for call in bench.sim.requests if call.method == "GET" and "/bulk/" in call.path]
    assert len(polls) <= 4, "a wait to the end of the job would poll seven times"
    failed_runs = bench.rows("select module, outcome from zoho_raw.sync_runs where outcome = 'failed' order by module")
    assert [row["module"] for row in failed_runs] == ["Contacts", "Notes"]
    assert bench.registry.get("acme").modules["Notes"].outcome == "failed"


@pytest.mark.long
def test_a_work_folder_that_is_taken_away_fails_one_load(bench: SyncBench) -> None:
    """HOME is moved, or somebody tidies up, while a sync runs."""
    bench.org.insert("Leads", {"Last_Name": "L"})
    bench.sync("Leads")
    loader = Loader(bench.settings, bench.warehouse, "acme")
    loader.restore()  # it makes the folder
    shutil.rmtree(bench.settings.home / "dlt")
    with pytest.raises(LoadFailed, match="next sync reads it again"):
        loader.load({}, {"modules": {}})
    assert bench.sync("Leads").complete
    ledger.assert_equal(bench, "Leads")

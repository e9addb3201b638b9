"""The source in somebody's pipeline: the rows of each destination are the records of the org, after each run."""

import shutil
from typing import Any

import dlt
import pytest
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.extract.exceptions import ResourcesNotFoundError
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.dlt_source.bench import SourceBench
from tests.ingest.conftest import ALL_SCOPES, CLIENT, CLIENT_SECRET, PLAIN_SCOPES
from tests.params import choice
from zoho_pipeline import run_in_steps, zoho_crm
from zoho_pipeline.settings import UsageError
from zoho_pipeline.zoho.errors import UnknownDataCenter

# dlt's merge into SQLAlchemy passes a select where SQLAlchemy wants a scalar subquery, and SQLAlchemy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:implicitly coercing SELECT object")

MODULES = ("Leads", "Contacts", "Deals")
EVERYWHERE = pytest.mark.parametrize(
    "destination", choice(["duckdb", "postgres", "filesystem", "sqlite"], ["duckdb"]), indirect=True
)


def furnish(bench: SourceBench, leads: int = 12) -> list[str]:
    ids = bench.org.insert_many("Leads", [{"Last_Name": f"L{n}", "Company": "C"} for n in range(leads)])
    bench.org.convert(ids[0], deal={"Stage": "Qualification", "Amount": 10.5})
    return [id_ for id_ in ids if id_ in bench.org.modules["Leads"].rows]


@pytest.mark.long
@pytest.mark.parametrize("destination", ["duckdb", "postgres", "filesystem", "sqlite"], indirect=True)
def test_a_life_of_an_org_in_each_destination(bench: SourceBench) -> None:
    ids = furnish(bench)
    bench.run(*MODULES)
    bench.assert_equal(*MODULES)
    bench.sim.clock.advance(400)
    bench.org.update("Leads", ids[1], {"Company": "changed"})
    bench.org.delete("Leads", ids[2])
    bench.org.insert("Leads", {"Last_Name": "new"})
    bench.run(*MODULES)
    bench.assert_equal(*MODULES)
    assert {row["id"] for row in bench.versions("deleted_records").values()} == {ids[2]}
    bench.sim.clock.advance(400)
    bench.org.restore("Leads", ids[2])
    bench.run(*MODULES)
    bench.assert_equal(*MODULES)
    (deletion,) = bench.versions("deleted_records").values()
    assert deletion["restored_at"] is not None


@pytest.mark.long
def test_a_run_without_news_loads_nothing(bench: SourceBench) -> None:
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, ALL_SCOPES)
    furnish(bench)
    bench.run(*MODULES)
    bench.sim.clock.advance(400)
    bench.run(*MODULES)
    before = bench.pipeline.state["_state_version"]
    bench.sim.clock.advance(400)
    assert not bench.run(*MODULES).load_packages
    assert bench.pipeline.state["_state_version"] == before


@pytest.mark.long
def test_all_tables(bench: SourceBench) -> None:
    furnish(bench)
    bench.run()
    bench.assert_equal(*MODULES)
    assert bench.rows("users")
    assert bench.rows("deal_stages")
    assert {row["deal_id"] for row in bench.rows("deal_stage_history")} <= set(bench.org.modules["Deals"].rows)


@pytest.mark.long
def test_one_resource_alone_brings_its_deletions(bench: SourceBench) -> None:
    ids = furnish(bench)
    bench.run(*MODULES)
    bench.sim.clock.advance(400)
    bench.org.delete("Leads", ids[3])
    bench.pipeline.run(bench.source(*MODULES).with_resources("leads"))
    bench.assert_equal("Leads")


@pytest.mark.long
@pytest.mark.parametrize("refresh", ["drop_sources", "drop_resources", "drop_data"])
def test_a_refresh_begins_anew(bench: SourceBench, refresh: str) -> None:
    ids = furnish(bench)
    bench.run(*MODULES)
    bench.org.delete("Leads", ids[3])
    bench.sim.clock.advance(400)
    bench.run(*MODULES)
    bench.org.restore("Leads", ids[3])
    bench.org.delete("Leads", ids[4])
    bench.pipeline.run(bench.source(*MODULES), refresh=refresh)
    bench.assert_equal(*MODULES)
    bench.sim.clock.advance(400)
    bench.run(*MODULES)
    bench.assert_equal(*MODULES)


@pytest.mark.long
def test_a_refresh_of_one_resource_keeps_the_others(bench: SourceBench) -> None:
    ids = furnish(bench)
    contact = next(iter(bench.org.modules["Contacts"].rows))
    bench.run(*MODULES)
    bench.org.delete("Leads", ids[3])
    bench.org.delete("Contacts", contact)
    bench.sim.clock.advance(400)
    bench.run(*MODULES)
    bench.org.restore("Leads", ids[3])
    bench.pipeline.run(bench.source(*MODULES).with_resources("leads"), refresh="drop_resources")
    bench.assert_equal("Leads", "Deals")
    bench.run(*MODULES)
    bench.assert_equal(*MODULES)


@pytest.mark.long
def test_dev_mode_loads_everything_into_a_new_dataset(bench: SourceBench) -> None:
    furnish(bench)
    bench.run("Leads")
    pipeline = dlt.pipeline(
        f"{bench.name}_dev", pipelines_dir=str(bench.folder / "dev"), destination=bench.destination(), dev_mode=True
    )
    pipeline.run(bench.source("Leads"))
    with pipeline.sql_client() as client, client.execute_query("select count(*) from leads") as cursor:
        assert cursor.fetchone()[0] == len(bench.org.modules["Leads"].rows)


@pytest.mark.long
@EVERYWHERE
def test_a_package_that_is_never_loaded_leaves_the_old_cursor(bench: SourceBench) -> None:
    ids = furnish(bench)
    bench.run("Leads")
    bench.sim.clock.advance(400)
    bench.org.update("Leads", ids[1], {"Company": "changed"})
    bench.org.delete("Leads", ids[2])
    bench.pipeline.extract(bench.source("Leads"))
    shutil.rmtree(bench.folder / "pipelines")  # the machine is gone, with the package on it
    bench.sim.clock.advance(400)
    bench.run("Leads")
    bench.assert_equal("Leads")


@pytest.mark.parametrize(
    "scopes", [PLAIN_SCOPES, pytest.param(f"{PLAIN_SCOPES},ZohoCRM.coql.READ", marks=pytest.mark.long)]
)
def test_a_dropped_package_is_read_again(bench: SourceBench, scopes: str) -> None:
    """dlt takes back the state of a package that a person drops. The destination shows that its rows are missing."""
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, scopes)
    ids = furnish(bench)
    deal = bench.org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification"})
    source = bench.source().with_resources("leads", "deal_stage_history")
    bench.pipeline.run(source)
    bench.sim.clock.advance(4_000)
    bench.org.update("Leads", ids[1], {"Company": "changed"})
    bench.org.insert("Leads", {"Last_Name": "new"})
    bench.org.delete("Leads", ids[2])
    bench.org.update("Deals", deal, {"Stage": "Closed Won"})
    bench.sim.clock.advance(4_000)  # else the overlap of two runs would find them
    pipeline = bench.pipeline
    pipeline.extract(source)
    pipeline.drop_pending_packages()
    bench.sim.clock.advance(4_000)
    bench.org.update("Leads", ids[3], {"Company": "changed later"})
    bench.pipeline.run(source)
    bench.assert_equal("Leads")
    assert {row["stage"] for row in bench.rows("deal_stage_history") if row["deal_id"] == deal} == {
        "Qualification",
        "Closed Won",
    }


@pytest.mark.long
def test_rows_that_a_restored_destination_lacks_are_read_again(bench: SourceBench) -> None:
    """dlt keeps the newer state. A conversion may have left Modified_Time as it was."""
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, f"{PLAIN_SCOPES},ZohoCRM.coql.READ")
    bench.sim.switches.conversion_bumps_modified = False
    ids = furnish(bench)
    bench.run("Leads")
    file, backup = bench.folder / "own.duckdb", bench.folder / "backup"
    shutil.copy(file, backup)
    bench.sim.clock.advance(4_000)
    bench.org.convert(ids[1])
    bench.sim.clock.advance(4_000)
    bench.run("Leads")
    shutil.copy(backup, file)
    bench.sim.clock.advance(4_000)
    bench.run("Leads")
    bench.assert_equal("Leads")


@pytest.mark.long
def test_steps_end_when_every_row_is_read_again(bench: SourceBench) -> None:
    """A reading of every row begins at the first one, so that steps would turn in a circle."""
    bench.org.admin.hidden_fields["Leads"] = {"Company"}
    old = int(bench.sim.clock.seconds()) - 1_000_000
    times = [old + n * 1_000 for n in range(450)]
    rows = [{"Last_Name": "L", "Company": "C", "Created_Time": at, "Modified_Time": at} for at in times]
    bench.org.insert_many("Leads", rows)
    bench.run("Leads")
    bench.org.admin.hidden_fields.clear()
    bench.sim.clock.advance(100_000)
    bench.org.insert("Leads", {"Last_Name": "new"})
    bench.run("Leads", max_rows=50)
    bench.sim.clock.advance(4_000)
    bench.run("Leads", max_rows=50)
    assert "more" not in bench.state("leads")
    bench.assert_equal("Leads")


@pytest.mark.long
def test_steps_bound_each_run_and_end_with_everything(bench: SourceBench) -> None:
    old = int(bench.sim.clock.seconds()) - 1_000_000
    rows = [{"Last_Name": f"L{n}", "Created_Time": old + n, "Modified_Time": old + n} for n in range(260)]
    bench.org.insert_many("Leads", rows)
    bench.org.insert_many("Contacts", [{"Last_Name": f"C{n}"} for n in range(30)])
    source = bench.source(*MODULES, max_rows=50)
    bench.pipeline.run(source)
    assert 50 <= len(bench.rows("leads")) < 260
    assert bench.rows("contacts") == []
    bench.org.delete("Leads", bench.rows("leads")[0]["id"])
    steps = run_in_steps(bench.pipeline, source)
    assert len(steps) >= 2
    bench.assert_equal(*MODULES)


@pytest.mark.long
def test_steps_of_one_row_come_to_an_end(bench: SourceBench) -> None:
    """Rows of one second cannot be split, and rows of the overlap are read in each run."""
    furnish(bench, leads=9)
    run_in_steps(bench.pipeline, bench.source(*MODULES, max_rows=1))
    bench.assert_equal(*MODULES)


@pytest.mark.long
@EVERYWHERE
def test_hard_deletions_remove_the_row(bench: SourceBench) -> None:
    bench.options["deletions"] = "hard"
    ids = furnish(bench)
    bench.run(*MODULES)
    bench.org.delete("Leads", ids[2])
    bench.sim.clock.advance(400)
    bench.run(*MODULES)
    bench.assert_equal(*MODULES)
    if bench.pipeline.destination.destination_type.rpartition(".")[2] != "filesystem":  # plain files cannot merge
        assert ids[2] not in {row["id"] for row in bench.rows("leads")}
    bench.org.restore("Leads", ids[2])
    bench.sim.clock.advance(400)
    bench.run(*MODULES)
    bench.assert_equal(*MODULES)
    assert ids[2] in {row["id"] for row in bench.rows("leads")}


@pytest.mark.long
def test_a_record_that_vanishes_without_a_trace_is_marked(bench: SourceBench) -> None:
    ids = furnish(bench)
    bench.run(*MODULES)
    bench.org.merge("Leads", ids[1], ids[2])
    bench.run(*MODULES, reconcile=True)
    bench.assert_equal(*MODULES)


@pytest.mark.long
def test_names_of_lookups_come_with_jobs(bench: SourceBench) -> None:
    """A job gives ids of lookups without names: they come from the parents of the same run."""
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, ALL_SCOPES)
    bench.limit(job_credits=0)
    furnish(bench)
    bench.run("Leads", "Contacts", "Accounts", "Deals")
    bench.assert_equal("Leads", "Contacts", "Accounts", "Deals")


def test_credentials_come_from_the_places_of_dlt(bench: SourceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(bench)
    given = {
        "DATA_CENTER": "sim",
        "DATA_CENTERS": f'{{"sim": "{bench.sim.url}"}}',
        "LAG_SECONDS": "0",
        "CREDENTIALS__CLIENT_ID": CLIENT,
        "CREDENTIALS__CLIENT_SECRET": CLIENT_SECRET,
        "CREDENTIALS__REFRESH_TOKEN": bench.refresh_token,
    }
    for name, value in given.items():
        monkeypatch.setenv(f"SOURCES__ZOHO_CRM__{name}", value)
    bench.pipeline.run(zoho_crm(modules=["Leads"]))
    bench.assert_equal("Leads")


def test_missing_credentials_name_their_places() -> None:
    with pytest.raises(ConfigFieldMissingException, match="refresh_token"):
        zoho_crm(data_center="in")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"modules": ["Lead"]}, "no table for module Lead. Choose from: Leads, Contacts"),
        ({"modules": []}, "`modules` is empty"),
        ({"channel": "Über"}, "small letters"),
        ({"max_rows": 0}, "from 1 on"),
        ({"deletions": "soft"}, "'tombstones' or 'hard'"),
    ],
)
def test_wrong_arguments_name_a_cure(bench: SourceBench, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bench.source(**options)


def test_an_unknown_data_center_names_the_known_ones(bench: SourceBench) -> None:
    with pytest.raises(UnknownDataCenter, match="us, eu, in"):
        bench.source("Leads", data_center="mars")


def test_an_unknown_resource_is_named(bench: SourceBench) -> None:
    with pytest.raises(ResourcesNotFoundError, match="lead"):
        bench.source("Leads").with_resources("lead")


def test_a_destination_without_sql_is_refused_before_anything_is_read(bench: SourceBench) -> None:
    @dlt.destination(batch_size=10, name="own_function")
    def own_function(items: Any, table: Any) -> None:
        raise AssertionError("nothing may arrive")

    furnish(bench)
    bench.destination = lambda: own_function
    with pytest.raises(PipelineStepFailed, match="no SQL client for the destination own_function"):
        bench.run("Leads")


def test_a_refused_token_is_an_error_without_a_secret(bench: SourceBench) -> None:
    bench.refresh_token = "1000.wrong.0123456789abcdef"
    with pytest.raises(PipelineStepFailed, match="does not accept the refresh token") as raised:
        bench.run("Leads")
    assert bench.refresh_token not in str(raised.value)
    assert CLIENT_SECRET not in str(raised.value)


@pytest.mark.long
def test_a_module_that_cannot_be_read_is_an_error_only_if_it_was_named(bench: SourceBench) -> None:
    furnish(bench)
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, "ZohoCRM.modules.leads.READ,ZohoCRM.users.READ")
    with pytest.raises(PipelineStepFailed, match=r"ZohoCRM.*`refresh_token` under .*Give the code that scope too\."):
        bench.run("Leads", "Deals")
    bench.run()
    bench.assert_equal("Leads")

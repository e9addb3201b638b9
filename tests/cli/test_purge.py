"""A purged channel is gone from every byte of HOME; what belongs to other channels stays."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.cli.conftest import CLIENT, Run, environment_for, runner
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

MARKERS = (
    "PlantedLead",
    "PlantedOrg",
    "PlantedContent",
    "PlantedUser",
    "PlantedCustom",
    "PlantedRecord",
    "PlantedPart",
    "PlantedSubmission",
    "PlantedKey",
    "PlantedEvent",
    "PlantedStaged",
    "PlantedFile",
)
KEPT = "KeptLead"
CONTENT = "content_id,content_type,published_at,title\n1,post,2026-01-01T00:00:00Z,{title}\n"


def files_with(home: Path, marker: str) -> set[str]:
    """The files below HOME, of any kind, that hold the marker in any byte."""
    found = {path for path in home.rglob("*") if path.is_file() and marker.encode() in path.read_bytes()}
    return {str(path.relative_to(home)) for path in found}


def add(run: Run, channel_id: str, org: Org) -> None:
    arguments = ("channels", "add", channel_id, "--data-center", "sim", "--refresh-token-file", "-")
    answer = run(*arguments, stdin=org.grant(*CLIENT, DEFAULT_SCOPES))
    assert answer.code == 0, answer.err


def done(run: Run, *arguments: object) -> str:
    answer = run(*arguments)
    assert answer.code == 0, answer.err
    return answer.out


def planted_org(simulator: Simulator) -> Org:
    org = simulator.add_org(name="PlantedOrg", time_zone="Asia/Kolkata", currency="INR")
    org.add_user(last_name="PlantedUser")
    org.add_custom_field("Leads", "Secret_Wish", "Secret wish")
    values: dict[str, Any] = {"Company": "Firm", "Secret_Wish": "PlantedCustom", "Email": "PlantedLead@example.com"}
    ids = org.insert_many("Leads", [{"Last_Name": f"PlantedLead {n}", **values} for n in range(20)])
    org.convert(ids[0], deal={"Deal_Name": "PlantedLead deal", "Amount": 1000})
    org.delete("Leads", ids[1])
    org.add_module("Webinars", "Name:text! Talks:subform")
    talks = [{"id": "7", "Title": "PlantedPart"}]
    org.insert_many("Webinars", [{"Name": f"PlantedRecord {n}", "Talks": talks} for n in range(20)])
    return org


def choose_webinars(run: Run) -> None:
    done(run, "channels", "set", "acme", "--module", "Webinars:subforms")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Simulator, Path]]:
    """Two channels, synced and published: `acme` has every marker, `other` has KEPT. Tests work on copies of it."""
    folder = tmp_path_factory.mktemp("purge")
    with Simulator.start() as simulator, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # the working folder has no .env
        run = runner(environment_for(simulator, folder / "home"))
        add(run, "acme", planted_org(simulator))
        other = simulator.add_org(name="Other")
        other.insert_many("Leads", [{"Last_Name": f"{KEPT} {n}", "Company": "Co"} for n in range(20)])
        add(run, "other", other)
        choose_webinars(run)
        for channel, title in (("acme", "PlantedContent"), ("other", KEPT)):
            catalogue = folder / f"{channel}.csv"
            catalogue.write_text(CONTENT.format(title=title))
            done(run, "content", "load", channel, catalogue)
        done(run, "sync")
        plant_form_rows(folder / "home")
        plant_events(folder / "home")
        done(run, "transform")
        patch.undo()
        yield simulator, folder / "home"


@pytest.fixture
def loaded(first: tuple[Simulator, Path], home: Path) -> Run:
    shutil.copytree(first[1], home)
    return runner(environment_for(first[0], home))


def plant_form_rows(home: Path) -> None:
    """A submission of a form, and the key of a person."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute(
            "insert into zoho_raw.form_submissions (channel_id, submission_id, submitted_at, received_at, synced_at)"
            " select 'acme', 'PlantedSubmission', now(), now(), now()"
        )
        connection.execute(
            "insert into zoho_raw.person_keys values ('acme', 'Leads', '1', 'email', 'PlantedKey', now())"
        )


def plant_events(home: Path) -> None:
    """Events of a lead and of a wish, and their deliveries: one was sent, the other waits."""
    now = "2026-05-01 10:00:00.000000"
    with sqlite3.connect(home / "registry.sqlite") as connection:
        connection.execute(
            "insert into registry_webhook_endpoints (id, url, secret_seal, created_at) values ('e', 'https', '', ?)",
            (now,),
        )
        for seq, type_, status in ((901, "lead.changed", "done"), (902, "writeback.done", "waiting")):
            connection.execute(
                "insert into registry_channel_events (channel_id, seq, event_id, type, data, at)"
                " values ('acme', ?, ?, ?, ?, ?)",
                (seq, f"id{seq}", type_, '{"lead_id": "PlantedEvent"}', now),
            )
            connection.execute(
                "insert into registry_webhook_deliveries (event_id, endpoint_id, type, channel_id, body, status, tries,"
                " created_at) values (?, 'e', ?, 'acme', 'PlantedEvent', ?, 0, ?)",
                (f"id{seq}", type_, status, now),
            )


def plant_leftovers(home: Path) -> None:
    """What killed processes leave: staged rows, packages, downloads, spilled rows, drafts."""
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create schema if not exists zoho_raw_staging")
        connection.execute("create table if not exists zoho_raw_staging.leads as from zoho_raw.leads limit 0")
        row = "select * replace ('acme' as channel_id, 'PlantedStaged' as id) from zoho_raw.leads limit 1"
        connection.execute(f"insert into zoho_raw_staging.leads {row}")
    leftovers = (
        "dlt/zoho_crm__acme/dead/load/normalized/1/leads.parquet",
        "dlt/content__acme/dead/x",
        "tmp/dead/result.zip",
        "warehouse.duckdb.tmp/duckdb_temp_block-1.block",
        "warehouse.published.duckdb.tmp/x",
        "warehouse.published.duckdb.spill/x",
        "warehouse.published.duckdb.draft",
        "warehouse.published.duckdb.draft.wal",
        "warehouse.published.duckdb.rewritten",
        "warehouse.duckdb.rewritten",
        "warehouse.duckdb.rewritten.wal",
    )
    for name in leftovers:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PlantedFile")


def test_nothing_of_a_purged_channel_is_left_in_any_byte_of_home(loaded: Run, home: Path) -> None:
    plant_leftovers(home)
    for marker in MARKERS:
        assert files_with(home, marker), f"{marker} was not planted, so its absence would show nothing"
    for name in ("warehouse.duckdb", "warehouse.published.duckdb"):
        assert name in files_with(home, "PlantedLead") & files_with(home, KEPT)
    assert "registry.sqlite" in files_with(home, "PlantedOrg")
    before = loaded(
        "sql", "select * from lead where channel_id = 'other' order by zoho_lead_id", "--format", "json"
    ).json
    answer = loaded("channels", "remove", "acme", "--purge", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json["deleted_rows"] > 20
    assert {marker: files_with(home, marker) for marker in MARKERS} == {marker: set() for marker in MARKERS}
    after = loaded(
        "sql", "select * from lead where channel_id = 'other' order by zoho_lead_id", "--format", "json"
    ).json
    assert after == before
    assert len(after) == 20
    assert "up to date" in done(loaded, "transform")
    done(loaded, "sync", "other")
    assert loaded("insight", "other", "--format", "json").json["channel_id"] == "other"
    for name in ("warehouse.duckdb", "warehouse.published.duckdb", "registry.sqlite"):
        assert (home / name).stat().st_mode & 0o777 == 0o600


def test_the_keys_of_the_tables_survive_a_purge(loaded: Run, home: Path) -> None:
    def shape() -> Any:
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
            columns = "schema_name, table_name, column_name, data_type, is_nullable, column_default"
            known = connection.execute(f"select {columns} from duckdb_columns() order by all").fetchall()
            return known, connection.execute("select count(*) from duckdb_constraints()").fetchall()

    before = shape()
    done(loaded, "channels", "remove", "acme", "--purge")
    assert shape() == before


def test_rows_that_stayed_after_a_removal_can_be_purged_later(loaded: Run, home: Path) -> None:
    done(loaded, "channels", "remove", "acme")
    assert files_with(home, "PlantedLead"), "without --purge the rows stay"
    assert files_with(home, "PlantedUser")
    done(loaded, "channels", "remove", "acme", "--purge")
    assert {marker: files_with(home, marker) for marker in MARKERS} == {marker: set() for marker in MARKERS}


@pytest.mark.long
def test_a_purge_before_the_first_transform(simulator: Simulator, home: Path, run: Run) -> None:
    add(run, "acme", planted_org(simulator))
    done(run, "sync")
    done(run, "channels", "remove", "acme", "--purge")
    assert not (home / "warehouse.published.duckdb").exists()
    assert files_with(home, "PlantedLead") == set()


def test_a_purge_of_a_channel_that_was_never_synced(simulator: Simulator, home: Path, run: Run) -> None:
    add(run, "acme", planted_org(simulator))
    assert "0 rows were deleted" in done(run, "channels", "remove", "acme", "--purge")
    assert files_with(home, "PlantedOrg") == set()


def test_the_published_file_elsewhere_and_an_older_one_beside_the_warehouse(
    loaded: Run, home: Path, tmp_path: Path
) -> None:
    """Both are ours. A database that a person put there is not."""
    bi = tmp_path / "bi"
    bi.mkdir()
    published, old = bi / "zoho.duckdb", home / "warehouse.published.duckdb"
    published.write_bytes(old.read_bytes())
    published.chmod(0o640)
    answer = loaded("channels", "remove", "acme", "--purge", ZOHO_PIPELINE_PUBLISHED=str(published))
    assert answer.code == 0, answer.err
    for path in (published, old):
        content = path.read_bytes()
        assert b"PlantedLead" not in content
        assert KEPT.encode() in content
    assert published.stat().st_mode & 0o777 == 0o640


def test_what_an_earlier_release_deleted_from_the_registry_is_gone_too(loaded: Run, home: Path) -> None:
    registry = home / "registry.sqlite"
    with sqlite3.connect(registry) as connection:
        connection.execute("pragma secure_delete = off")
        connection.execute("create table registry_old (x text)")
        connection.executemany("insert into registry_old values (?)", [("PlantedFile" + "x" * 500,)] * 50)
    with sqlite3.connect(registry) as connection:
        connection.execute("pragma secure_delete = off")
        connection.execute("drop table registry_old")
    assert files_with(home, "PlantedFile") == {"registry.sqlite"}
    done(loaded, "channels", "remove", "acme", "--purge")
    assert files_with(home, "PlantedFile") == set()


@pytest.mark.long
def test_purge_on_postgres_leaves_no_row_in_any_table(
    simulator: Simulator, home: Path, postgres_url: str, tmp_path: Path
) -> None:
    import psycopg2

    run = runner({**environment_for(simulator, home), "ZOHO_PIPELINE_WAREHOUSE": postgres_url})
    add(run, "acme", planted_org(simulator))
    choose_webinars(run)
    done(run, "sync")
    done(run, "transform")

    def tables_with_acme() -> set[str]:
        found = set()
        connection = psycopg2.connect(postgres_url)
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "select table_schema || '.' || table_name from information_schema.tables"
                " where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')"
            )
            for (name,) in cursor.fetchall():
                cursor.execute(
                    f"select count(*) from {name} as t where t::text like '%acme%' or t::text like '%Planted%'"
                )
                if (cursor.fetchone() or (0,))[0]:
                    found.add(name)
        connection.close()
        return found

    chosen = {"zoho_raw.module_records", "zoho_raw.module_record_parts"}
    assert {"marts.lead", "zoho_raw.leads", *chosen} <= tables_with_acme()
    done(run, "channels", "remove", "acme", "--purge")
    assert tables_with_acme() <= {"zoho_raw._dlt_loads"}

"""Runs that break off, tables that a person has emptied, and secrets: what holds beyond an ordinary run."""

import gzip
import logging
import re
import signal
import subprocess
import sys

import dlt
import pytest
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.dlt_source.bench import SourceBench
from tests.ingest.conftest import ALL_SCOPES, CLIENT, CLIENT_SECRET
from zoho_pipeline import run_in_steps, zoho_crm
from zoho_pipeline.dlt_source.credentials import ZohoCredentials
from zoho_pipeline.dlt_source.module_reading import MORE
from zoho_pipeline.dlt_source.session import WORK

MODULES = ("Leads", "Contacts", "Deals")

PROGRAM = """
import os, signal, sys
import dlt
from dlt.common.runtime.collector import NullCollector
from zoho_pipeline import run_in_steps, zoho_crm

class Killer(NullCollector):
    left = int(sys.argv[2])
    def _start(self, step):
        self.step = step
    def update(self, *args, **kwargs):
        if self.step.startswith(sys.argv[1]):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

pipeline = dlt.pipeline(
    {name!r}, pipelines_dir={folder!r}, destination=dlt.destinations.duckdb({file!r}), dataset_name={name!r},
    progress=Killer(),
)
source = zoho_crm(data_center="sim", modules=["Leads", "Contacts", "Deals"], lag_seconds=0, max_rows={max_rows!r})
run_in_steps(pipeline, source)
"""


def furnish(bench: SourceBench, leads: int = 12) -> list[str]:
    old = int(bench.sim.clock.seconds()) - 1_000_000
    rows = [{"Last_Name": f"L{n}", "Created_Time": old + n, "Modified_Time": old + n} for n in range(leads)]
    ids = bench.org.insert_many("Leads", rows)
    bench.org.insert_many("Contacts", [{"Last_Name": f"C{n}"} for n in range(3)])
    return list(ids)


def ended(bench: SourceBench, stage: str, nth: int, max_rows: int | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the source in a program that is killed at the n-th sign of a stage; its credentials are in secrets.toml."""
    place = bench.folder / "program"
    (place / ".dlt").mkdir(parents=True, exist_ok=True)
    (place / ".dlt" / "secrets.toml").write_text(
        f'[sources.zoho_crm.credentials]\nclient_id = "{CLIENT}"\nclient_secret = "{CLIENT_SECRET}"\n'
        f'refresh_token = "{bench.refresh_token}"\n'
    )
    (place / ".dlt" / "config.toml").write_text(
        f'[runtime]\ndlthub_telemetry = false\n[sources.zoho_crm.data_centers]\nsim = "{bench.sim.url}"\n'
    )
    (place / "program.py").write_text(
        PROGRAM.format(
            name=bench.name,
            folder=str(bench.folder / "pipelines"),
            file=str(bench.folder / "own.duckdb"),
            max_rows=max_rows,
        )
    )
    return subprocess.run(
        [sys.executable, "program.py", stage, str(nth)], cwd=place, capture_output=True, text=True, check=False
    )


def assert_no_secret(bench: SourceBench, *texts: str) -> None:
    """No file of the working folder and no text has the refresh token, the client secret or an access token."""
    secrets = {bench.refresh_token, CLIENT_SECRET, *bench.sim.hub.tokens.live}
    pattern = re.compile(b"|".join(re.escape(secret.encode()) for secret in secrets))
    files = [path for path in (bench.folder / "pipelines").rglob("*") if path.is_file()]
    assert files
    for path in files:
        data = path.read_bytes()
        assert not pattern.search(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data), path
    for text in texts:
        assert not pattern.search(text.encode())


@pytest.mark.parametrize(
    ("stage", "nth"),
    [
        pytest.param("Extract", 2, marks=pytest.mark.long),
        pytest.param("Normalize", 1, marks=pytest.mark.long),
        pytest.param("Load", 2, marks=pytest.mark.long),
    ],
)
def test_a_killed_run_is_made_good_by_the_next(bench: SourceBench, stage: str, nth: int) -> None:
    ids = furnish(bench)
    assert ended(bench, "never", 1).returncode == 0
    bench.sim.clock.advance(400)
    bench.org.update("Leads", ids[1], {"Company": "changed"})
    bench.org.delete("Leads", ids[2])
    killed = ended(bench, stage, nth)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert_no_secret(bench, killed.stdout, killed.stderr)
    bench.sim.clock.advance(400)
    bench.org.update("Leads", ids[3], {"Company": "changed later"})
    again = ended(bench, "never", 1)
    assert again.returncode == 0, again.stderr[-2000:]
    bench.assert_equal(*MODULES)
    assert not list((bench.folder / "pipelines" / bench.name / WORK).iterdir())


@pytest.mark.long
@pytest.mark.parametrize("stage", ["Extract", "Load"])
def test_steps_that_were_killed_go_on(bench: SourceBench, stage: str) -> None:
    furnish(bench, leads=260)
    killed = ended(bench, stage, 12, max_rows=50)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert ended(bench, "never", 1, max_rows=50).returncode == 0
    bench.assert_equal(*MODULES)


@pytest.mark.long
def test_steps_load_a_pending_package_and_then_read(bench: SourceBench) -> None:
    """dlt's `run` only loads a package that is pending, and reads nothing."""
    ids = furnish(bench)
    bench.pipeline.extract(bench.source(*MODULES))
    bench.sim.clock.advance(400)
    bench.org.update("Leads", ids[3], {"Company": "changed later"})
    run_in_steps(bench.pipeline, bench.source(*MODULES))
    bench.assert_equal(*MODULES)


@pytest.mark.long
@pytest.mark.parametrize("statement", ["delete from leads", "drop schema {dataset} cascade"])
def test_rows_that_a_person_removed_come_back(bench: SourceBench, statement: str) -> None:
    furnish(bench)
    bench.run(*MODULES)
    with bench.pipeline.sql_client("zoho_crm") as client:
        client.execute_sql(statement.format(dataset=client.fully_qualified_dataset_name()))
    bench.sim.clock.advance(400)
    bench.run(*MODULES)
    bench.assert_equal(*MODULES)


@pytest.mark.long
def test_a_second_pipeline_into_the_same_dataset(bench: SourceBench) -> None:
    """Both write the same keys. The first one knows the rows that it loaded, and finds what is gone."""
    ids = furnish(bench)
    bench.run("Leads")
    bench.org.delete("Leads", ids[2])
    bench.org.update("Leads", ids[3], {"Company": "changed"})
    bench.sim.clock.advance(400)
    second = dlt.pipeline(
        f"{bench.name}_second",
        pipelines_dir=str(bench.folder / "second"),
        destination=bench.destination(),
        dataset_name=bench.name,
    )
    second.run(bench.source("Leads"))
    bench.run("Leads")
    bench.assert_equal("Leads")
    bench.org.restore("Leads", ids[2])
    bench.sim.clock.advance(400)
    second.run(bench.source("Leads"))
    bench.run("Leads")
    bench.assert_equal("Leads")


@pytest.mark.parametrize("module", ["Leads", "Contacts"])
def test_credentials_of_another_org_are_refused(bench: SourceBench, module: str) -> None:
    """The cursors of the first org would skip older rows of the second one, and a new module would mix two orgs."""
    furnish(bench)
    bench.run("Leads")
    before = bench.rows("leads")
    bench.org = bench.sim.add_org(name="Another")
    bench.org.insert(module, {"Last_Name": "of another org", "Created_Time": 1_600_000_000})
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, bench.scopes)
    bench.sim.clock.advance(400)
    with pytest.raises(PipelineStepFailed, match=r"has read the Zoho org \d+, and .*refresh=\"drop_sources\""):
        bench.run(module)
    assert bench.rows("leads") == before
    assert not bench.rows("deleted_records")
    assert not bench.rows("contacts")
    bench.pipeline.run(bench.source(module), refresh="drop_sources")
    bench.assert_equal(module)


def test_another_channel_is_refused(bench: SourceBench) -> None:
    """Otherwise the rows of the first channel would stay, and no run would ever update them."""
    furnish(bench)
    bench.run("Leads")
    bench.channel_id = "acme"
    with pytest.raises(PipelineStepFailed, match=r"channel 'crm', and `channel` is 'acme'.*refresh=\"drop_sources\""):
        bench.run("Contacts", channel="acme")
    bench.pipeline.run(bench.source("Leads", channel="acme"), refresh="drop_sources")
    assert {row["channel_id"] for row in bench.rows("leads")} == {"acme"}
    bench.assert_equal("Leads")


def test_steps_end_where_a_module_cannot_be_read(bench: SourceBench) -> None:
    """The first step leaves no room for the second module, which the connection cannot read."""
    furnish(bench)
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, "ZohoCRM.modules.leads.READ,ZohoCRM.users.READ")
    source = bench.source(max_rows=5).with_resources("leads", "contacts")
    bench.pipeline.run(source)
    assert bench.state("contacts")[MORE]
    bench.pipeline.run(bench.source().with_resources("leads", "contacts"))
    assert MORE not in bench.state("contacts")
    run_in_steps(bench.pipeline, source)
    bench.assert_equal("Leads")


def test_a_reference_table_keeps_its_rows_where_the_right_to_read_it_is_lost(bench: SourceBench) -> None:
    """dlt empties a table that is replaced if its resource gives no rows."""
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, ALL_SCOPES)
    bench.pipeline.run(bench.source().with_resources("deal_stages"))
    before = bench.rows("deal_stages")
    assert before
    bench.refresh_token = bench.org.grant(CLIENT, CLIENT_SECRET, "ZohoCRM.modules.ALL,ZohoCRM.users.READ")
    with pytest.raises(PipelineStepFailed, match=r"layouts\.READ is not granted"):
        bench.pipeline.run(bench.source().with_resources("deal_stages"))
    assert bench.rows("deal_stages") == before


def test_a_child_alone(bench: SourceBench) -> None:
    furnish(bench)
    deal = bench.org.insert("Deals", {"Deal_Name": "D", "Stage": "Qualification"})
    bench.sim.clock.advance(400)
    bench.org.update("Deals", deal, {"Stage": "Closed Won"})
    bench.pipeline.run(bench.source().with_resources("deal_stage_history"))
    assert {row["deal_id"] for row in bench.rows("deal_stage_history")} == {deal}
    assert not bench.rows("leads")


@pytest.mark.long
def test_no_secret_in_files_or_logs(bench: SourceBench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("dlt").addHandler(caplog.handler)
    ids = furnish(bench)
    bench.run(*MODULES)
    bench.org.delete("Leads", ids[2])
    bench.sim.clock.advance(400)
    bench.run(*MODULES)
    assert_no_secret(bench, caplog.text, repr(bench.source(*MODULES)), str(bench.pipeline.last_trace))


@pytest.mark.parametrize("wrong", ["client_id", "client_secret", "refresh_token"])
def test_wrong_credentials_name_a_cure_and_no_secret(bench: SourceBench, wrong: str) -> None:
    credentials = ZohoCredentials()
    values = {"client_id": CLIENT, "client_secret": CLIENT_SECRET, "refresh_token": bench.refresh_token}
    secret = values[wrong] = "1000.0123456789abcdef0123456789abcdef"
    credentials.client_id, credentials.client_secret = values["client_id"], values["client_secret"]
    credentials.refresh_token = values["refresh_token"]
    with pytest.raises(PipelineStepFailed, match=r"refresh token|client") as raised:
        bench.pipeline.run(bench.source("Leads", credentials=credentials))
    place = "`refresh_token`" if wrong == "refresh_token" else "`client_id` and `client_secret`"
    assert f"{place} under [sources.zoho_crm.credentials] in .dlt/secrets.toml" in str(raised.value)
    for foreign in ("channel", "ZOHO_CLIENT"):
        assert foreign not in str(raised.value)
    if wrong != "client_id":
        assert secret not in str(raised.value)
    assert_no_secret(bench, str(raised.value))


def test_an_empty_value_counts_as_missing(bench: SourceBench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CLIENT_ID": CLIENT, "CLIENT_SECRET": CLIENT_SECRET, "REFRESH_TOKEN": ""}.items():
        monkeypatch.setenv(f"SOURCES__ZOHO_CRM__CREDENTIALS__{name}", value)
    with pytest.raises((ConfigFieldMissingException, PipelineStepFailed)) as raised:
        bench.pipeline.run(zoho_crm(data_center="sim", data_centers={"sim": bench.sim.url}, modules=["Leads"]))
    assert "refresh" in str(raised.value).lower()

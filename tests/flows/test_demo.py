"""Runs the whole `demo` as a person does, then compares its numbers with the state of the simulator."""

import html
import json
import os
import re
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.cli.conftest import _logging_restored as _logging_restored
from tests.cli.conftest import runner
from tests.flows.insight_numbers import InsightOracle
from tests.flows.question_oracle import QuestionOracle, questions
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.cli.demo.place import UI, WEB, demo_home, free_port, fresh_place, in_use, known_place
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import PipelineError, Settings
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.web.app import create_app
from zoho_pipeline.web.auth.operator import login_link
from zoho_pipeline.web.auth.tokens import Tokens

MODULES = ("Leads", "Contacts", "Accounts", "Deals", "Calls", "Events", "Tasks", "Notes", "Campaigns")
PROGRAM = "from zoho_pipeline.cli import main; main()"


@dataclass(frozen=True)
class FinishedDemo:
    """A finished demo: its HOME, and what it printed."""

    home: Path
    out: str

    def run_json(self, *arguments: str) -> Any:
        """Run a command on the HOME of the demo and return its JSON."""
        answer = runner({"ZOHO_PIPELINE_HOME": str(self.home)})(*arguments, "--format", "json")
        assert answer.code == 0, answer.err
        return answer.json


def command(home: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZOHO_")}
    clean |= {"ZOHO_PIPELINE_HOME": str(home), **env}
    words = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(words, env=clean, cwd=home.parent, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> FinishedDemo:
    home = tmp_path_factory.mktemp("demo") / "home"
    # the settings of a real pipeline in the same folder: the demo must ignore them
    (home.parent / ".env").write_text(
        "ZOHO_PIPELINE_WAREHOUSE=postgresql://nobody@127.0.0.1:1/none\nZOHO_CLIENT_ID=real\n"
    )
    done = command(home, "demo", ZOHO_PIPELINE_REGISTRY="postgresql://nobody@127.0.0.1:1/none")
    (home.parent / ".env").unlink()
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return FinishedDemo(home, done.stdout)


def test_it_prints_every_step(demo: FinishedDemo) -> None:
    parts = [
        "Connected: Kaveri Systems",
        "content items loaded",
        "First sync",
        "The insight",
        "Meanwhile",
        "types them into Zoho by hand",
        "Second sync",
    ]
    parts += ["The insight before and after", "3 of 3 are credited", "Try next", "demo --ui", "insight demo"]
    places = [demo.out.find(part) for part in parts]
    assert -1 not in places, dict(zip(parts, places, strict=True))
    assert places == sorted(places)
    assert "1000." not in demo.out, "a token was shown"


def test_the_credits_it_shows_cover_those_that_zoho_counted(demo: FinishedDemo) -> None:
    shown = [int(sum_) for sum_ in re.findall(r"\(all\)(?: +\d+){3} +(\d+)", demo.out)]
    counted = [int(number) for number in re.findall(r"Zoho counted (\d+) of", demo.out)]
    assert len(shown) == len(counted) == 2
    assert all(ours >= zohos for ours, zohos in zip(shown, counted, strict=True)), (shown, counted)


def test_the_second_sync_moved_only_what_changed(demo: FinishedDemo) -> None:
    query = (
        "select module, rows, deleted_rows, outcome, rank() over (order by started_at) > 1 as again "
        "from zoho_raw.sync_runs where module in ('Leads', 'Contacts', 'Deals', 'Tasks', 'Notes') order by started_at"
    )
    runs = demo.run_json("sql", "--raw", query)
    second = {run["module"]: run["rows"] for run in runs[-5:]}
    assert {run["outcome"] for run in runs} == {"complete"}
    assert second == {"Leads": 13, "Contacts": 1, "Deals": 1, "Tasks": second["Tasks"], "Notes": second["Notes"]}
    assert second["Tasks"] + second["Notes"] < 10, "the activities of the converted lead, which moved to its contact"
    assert [run["deleted_rows"] for run in runs if run["module"] == "Leads"][-1] == 1


def test_its_numbers_are_those_of_the_simulator(demo: FinishedDemo) -> None:
    insight = demo.run_json("insight", "demo")
    as_of = datetime.fromisoformat(insight["as_of_utc"])
    as_of = as_of if as_of.tzinfo else as_of.replace(tzinfo=UTC)
    with Simulator.start(state=known_place(demo.home).state) as simulator:
        expected = InsightOracle(simulator.orgs[0], as_of).numbers()
    assert len(expected) >= 10
    found = {name: insight[name] for name in expected}
    assert found == {
        name: pytest.approx(value, abs=0.011) if isinstance(value, float) else value for name, value in expected.items()
    }


@pytest.mark.long
def test_ten_questions_are_answered_by_one_query_each(demo: FinishedDemo) -> None:
    as_of = demo.run_json("sql", "select as_of_utc from channel")[0]["as_of_utc"]
    with Simulator.start(state=known_place(demo.home).state) as simulator:
        oracle = QuestionOracle(simulator.orgs[0], datetime.fromisoformat(as_of).replace(tzinfo=UTC))
    asked = questions()
    assert len(asked) == 10
    for title, query in asked.items():
        assert query.lstrip().startswith("select"), title
        oracle.check(title, demo.run_json("sql", query))


def test_its_numbers_differ_enough_to_be_interesting(demo: FinishedDemo) -> None:
    insight = demo.run_json("insight", "demo")
    assert insight["data_status"] == "ok"
    assert 0.03 <= insight["conversion_rate_30d"] <= 0.3
    assert 1 <= insight["median_hours_to_first_contact"] <= 48
    assert insight["trend_direction"] == "up"
    assert "Export documentation" in [insight[f"suggested_topic_{place}"] for place in (1, 2, 3)]
    assert "correlation" in insight["suggested_topic_1_reason"]


def test_leads_that_were_typed_in_by_hand_are_credited_to_the_post_that_they_read(demo: FinishedDemo) -> None:
    query = (
        "select lead.zoho_lead_id, lead.captured_by, content_id, title, utm_source, touch_input_basis, n.name "
        "from lead join lead_source_attribution using (channel_id, zoho_lead_id) "
        "join content_item using (channel_id, content_id) join (select person_id, full_name as name from lead_contact "
        "where kind = 'lead') n on n.person_id = lead.zoho_lead_id where lead.captured_by = 'landing_page'"
    )
    found = demo.run_json("sql", query)
    assert sorted(row["name"] for row in found) == ["Kabir Sethi", "Leela Nambiar", "Tara Bose"]
    assert {(row["utm_source"], row["touch_input_basis"]) for row in found} == {("blog", "form")}
    (title,) = {row["title"] for row in found}
    assert f"to the post “{title}”." in demo.out
    with Simulator.start(state=known_place(demo.home).state) as simulator:
        rows = {row["id"]: row for row in simulator.orgs[0].rows("Leads")}
    for row in found:
        in_zoho = rows[row["zoho_lead_id"]]
        assert [v for name, v in in_zoho.items() if v and re.match("UTM|Landing|Referrer|First_Visited", name)] == []
    page, context = _page_and_context(known_place(demo.home).settings())
    listed = re.findall(r"<tr .*?</tr>", page)
    mine = [row for row in listed if "by your form" in row]
    assert len(mine) == 3
    assert all(title in html.unescape(row) for row in mine)
    assert "The e-mail address and the phone number are stored as a hash only" in page
    (item,) = [item for item in context["items"] if item["title"] == title]
    assert item["n_leads"] >= 3
    # whole groups of three alone are described, and the post may have one or two older leads
    assert item["captured_by"] in (None, ["landing_page"])
    assert "Tara" not in json.dumps(context)


def _page_and_context(settings: Settings) -> tuple[str, dict[str, Any]]:
    """The channel page of an operator, and the context of an agent."""
    service = ServiceSettings()
    _, key = ApiKeys(Registry(settings).database).add("agent", tenants=["demo"], scopes=["agent"])
    with TestClient(create_app(settings, service), base_url=service.public_url) as client:
        client.get(login_link(Tokens(settings.secret_keys, service.public_url, lambda: datetime.now(UTC))))
        page = client.get("/ui/channels/demo", headers={"Accept": "text/html"})
        who = {"Authorization": f"Bearer {key.reveal()}"}
        context = client.get("/v1/channels/demo/agent-context?sections=recent_leads", headers=who)
    assert (page.status_code, context.status_code) == (200, 200)
    return page.text, context.json()["data"]["recent_leads"]


@pytest.mark.long
def test_every_raw_row_is_the_simulators(demo: FinishedDemo) -> None:
    with Simulator.start(state=known_place(demo.home).state) as simulator:
        org = simulator.orgs[0]
        live = {
            module: len(org.rows(module))
            for module in ("Leads", "Contacts", "Deals", "Calls", "Events", "Tasks", "Notes")
        }
    for module, expected in live.items():
        query = (
            f"select count(*) as n from zoho_raw.{module.lower()} r "
            "where not exists (select 1 from zoho_raw.deleted_records d "
            f"where d.channel_id = r.channel_id and d.module = '{module}' and d.id = r.id and d.restored_at is null)"
        )
        assert demo.run_json("sql", "--raw", query) == [{"n": expected}], module


def test_what_it_leaves_is_private(demo: FinishedDemo) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [demo.home, *demo.home.rglob("*")]}
    assert {"demo.json", "simulator.json", "warehouse.published.duckdb"} <= modes.keys()
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes


@pytest.mark.long
def test_the_simulator_starts_again_and_syncs_continue(demo: FinishedDemo) -> None:
    place = known_place(demo.home)
    with Simulator.start(place.port, state=place.state):
        done = command(demo.home, "sync", "--modules", "Leads", "--format", "json", **place.environment)
    assert done.returncode == 0, done.stderr
    [report] = json.loads(done.stdout)
    assert [module["rows"] for module in report["modules"]] == [0]


@pytest.mark.parametrize("part", [WEB, UI])
def test_a_new_demo_takes_no_data_from_a_server_that_runs_on_them(demo: FinishedDemo, part: str) -> None:
    warehouse = demo.home / "warehouse.duckdb"
    before = warehouse.stat()
    with in_use(demo.home, part):
        done = command(demo.home, "demo")
    assert done.returncode == 1, done.stdout
    assert f"another command of the demo (`demo`, or `demo --{part}`) uses {demo.home}." in done.stderr
    assert (warehouse.stat().st_ino, warehouse.stat().st_mtime) == (before.st_ino, before.st_mtime)


def test_web_and_ui_share_one_simulator_and_only_its_owner_saves_it(demo: FinishedDemo) -> None:
    place = known_place(demo.home)
    before = place.state.stat().st_mtime_ns
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZOHO_")}
    words = [sys.executable, "-c", PROGRAM, "demo", "--web", "--web-port", str(free_port(0))]
    env = {**clean, "ZOHO_PIPELINE_HOME": str(demo.home)}
    with in_use(demo.home, UI), Simulator.start(place.port, state=place.state):
        web = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert web.stdout is not None
        assert web.stderr is not None
        first = web.stdout.readline()
        again = command(demo.home, "demo", "--web")
        web.send_signal(signal.SIGHUP)  # the terminal is closed; its server has a session of its own
        while web.stderr.readline() not in ("Stopping …\n", ""):
            pass
        web.send_signal(signal.SIGHUP)  # the shell of the terminal passes it on
        web.communicate(timeout=60)
    assert first.startswith("Zoho is the simulator of `demo --ui` in the other terminal")
    assert web.returncode == 0
    assert place.state.stat().st_mtime_ns == before
    assert again.returncode == 1
    assert "`demo --web`) uses" in again.stderr


def test_a_killed_demo_leaves_no_server_and_no_worker(demo: FinishedDemo) -> None:
    """They have a session of their own. The next `demo --web` found its port in use."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZOHO_")}
    words = [sys.executable, "-c", PROGRAM, "demo", "--web", "--web-port", str(free_port(0))]
    env = {**clean, "ZOHO_PIPELINE_HOME": str(demo.home)}
    web = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert web.stdout is not None
    while (line := web.stdout.readline()) and not line.startswith("All channels:"):
        pass
    web.kill()
    rest, _ = web.communicate(timeout=60)  # the stream ends with the last process that can write to it
    assert rest.endswith("The server has stopped.\n")


def test_starting_over_keeps_only_dagsters_history(demo: FinishedDemo, tmp_path: Path) -> None:
    """Runs last, because it clears the HOME of the demo, as a second run of the demo does."""
    (demo.home / "dagster").mkdir(exist_ok=True)
    with fresh_place(demo.home) as place:
        left = {path.name for path in demo.home.iterdir() if not path.name.endswith(".lock")}
    assert left <= {"dagster", "demo.json", "secret.key", "tmp"}
    assert place.settings().warehouse_url == f"duckdb:///{demo.home}/warehouse.duckdb"
    with pytest.raises(PipelineError, match="did not finish"):
        known_place(demo.home)
    with pytest.raises(PipelineError, match="no demo in"):
        known_place(tmp_path)


def test_home_is_data_demo_by_default() -> None:
    assert demo_home({}) == Path("data/demo").absolute()
    assert demo_home({"ZOHO_PIPELINE_HOME": "/x/y"}) == Path("/x/y")

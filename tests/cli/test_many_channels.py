"""`sync` of several channels at the same time, in real processes that are stopped or killed in the middle."""

import json
import signal
from pathlib import Path
from threading import Event

import pytest

from tests.cli.conftest import CLIENT
from tests.cli.test_stopping import Place, stopped, wait_until
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

NAMES = ("one", "two", "three", "four")


@pytest.fixture
def place(simulator: Simulator, tmp_path: Path) -> Place:
    """Four channels, each with an org of its own and without a sync."""
    made = Place(simulator, tmp_path)
    for number, name in enumerate(NAMES):
        org = simulator.add_org(name=name)
        org.insert_many("Leads", [{"Last_Name": f"{name} {n}", "Company": name} for n in range(3 + number)])
        token = org.grant(*CLIENT, DEFAULT_SCOPES)
        made.run("channels", "add", name, "--data-center", "sim", "--refresh-token-file", "-", stdin=token)
    return made


def query(place: Place, sql: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(place.run("sql", "--raw", sql, "--format", "json"))
    return found


def assert_whole(place: Place) -> None:
    """Sync again: every row is there once, and the logs say the truth."""
    reports = json.loads(place.run("sync", "--format", "json"))
    assert sorted(report["channel_id"] for report in reports) == sorted(NAMES)
    assert all(report["complete"] for report in reports)
    rows = query(place, "select channel_id, count(*) as n, count(distinct id) as ids from zoho_raw.leads group by 1")
    assert {row["channel_id"]: row["n"] for row in rows} == {name: 3 + n for n, name in enumerate(NAMES)}
    assert all(row["n"] == row["ids"] for row in rows)
    ahead = query(
        place,
        "select c.channel_id from zoho_raw.channels c where c.last_complete_sync_at > (select max(r.window_end) from"
        " zoho_raw.sync_runs r where r.channel_id = c.channel_id and r.outcome = 'complete')",
    )
    assert ahead == []
    double = query(
        place, "select run_id from zoho_raw.sync_runs group by channel_id, run_id, module having count(*) > 1"
    )
    assert double == []


@pytest.mark.long
@pytest.mark.parametrize("calls", [20, pytest.param(45, marks=pytest.mark.long)])
def test_a_batch_that_is_killed(place: Place, calls: int) -> None:
    place.simulator.switches.latency = 0.05
    process = place.start("sync")
    before = len(place.simulator.requests)
    wait_until(lambda: len(place.simulator.requests) > before + calls, process)
    process.kill()
    process.communicate()
    place.simulator.switches.latency = 0.0
    assert_whole(place)


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_batch_whose_zoho_does_not_answer_stops_at_once(place: Place, number: signal.Signals) -> None:
    """Nobody waits for the answers: they come only after the process has ended."""
    release, asked = Event(), Event()

    def hang() -> None:
        asked.set()
        release.wait(120)

    place.simulator.on_call(12, hang)
    process = place.start("sync")
    wait_until(asked.is_set, process)
    try:
        stopped(process, number)
    finally:
        release.set()
    assert_whole(place)


@pytest.mark.long
def test_a_channel_that_fails_costs_only_itself(place: Place) -> None:
    next(org for org in place.simulator.orgs if org.name == "two").admin.api_access = False
    process = place.start("sync", "--format", "json")
    out, err = process.communicate()
    assert process.returncode == 1, err
    assert "channel two" in err
    assert "Traceback" not in err
    complete = {report["channel_id"] for report in json.loads(out) if report["complete"]}
    assert complete == {"one", "three", "four"}

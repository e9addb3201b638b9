"""The commands of write-back: what they switch, refuse with which code, and print."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.writeback.conftest import Bench, bench, registry_env
from zoho_pipeline.cli import main
from zoho_pipeline.simulator.state.fields import Pick

__all__ = ["bench", "registry_env"]
ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Result]
MAP = {"to_zoho": {"contacted": "Contacted", "new": "Not Contacted"}, "from_zoho": {"Contacted": "contacted"}}


@pytest.fixture
def run(bench: Bench, settings_env: Callable[..., dict[str, str]]) -> Run:
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{bench.sim.url}"}}')

    def call(*words: str) -> Result:
        return CliRunner().invoke(main, ["writeback", *words], env=env)

    return call


def document(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def write(path: Path, content: Any) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_on_status_off(run: Run, bench: Bench, tmp_path: Path) -> None:
    on = document(run("on", "acme", "--map", write(tmp_path / "m", MAP), "--policy", "hold", "--format", "json"))
    assert (on["state"], on["policy"], on["trigger"], on["to_zoho"]) == ("on", "hold", "none", MAP["to_zoho"])
    kept = document(run("on", "acme", "--trigger", "workflow", "--format", "json"))
    assert (kept["policy"], kept["trigger"], kept["to_zoho"]) == ("hold", "workflow", MAP["to_zoho"])
    wish = bench.ask("contacted")
    (row,) = document(run("status", "--format", "json"))
    assert (row["channel_id"], row["open"], row["conflicts"]) == ("acme", 1, 0)
    one = document(run("status", "acme", "--format", "json"))
    assert [waiting["id"] for waiting in one["waiting"]] == [wish.id]
    assert "acme" in run("status", "acme").output
    off = document(run("off", "acme", "--format", "json"))
    assert (off["state"], off["ended"]) == ("off", 1)
    assert (bench.get(wish).state, bench.get(wish).code) == ("refused", "writeback_off")
    assert bench.puts() == []


def test_a_value_outside_the_list_switches_nothing_on(run: Run, bench: Bench, tmp_path: Path) -> None:
    for part in ("to_zoho", "from_zoho"):
        bad = {"to_zoho": {"new": "Not Contacted"}, "from_zoho": {}}
        bad[part] = {"x": "Warm"} if part == "to_zoho" else {"Warm": "x"}
        result = run("on", "acme", "--map", write(tmp_path / "m", bad))
        assert result.exit_code == 1
        assert result.stderr.count("\n") == 1
        assert "'Warm'" in result.stderr
        assert "'Contacted'" in result.stderr
    assert document(run("status", "acme", "--format", "json"))["to_zoho"]["lost"] == "Lost Lead"  # of before


def test_an_empty_status_cannot_be_written(run: Run, tmp_path: Path) -> None:
    assert run("on", "acme", "--map", write(tmp_path / "m", {"to_zoho": {"none": "-None-"}})).exit_code == 1


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"to_zoho": {}}', '{"to_zoho": {"a": 1}}', '{"to_zoho": {"a": ""}}', '{"to_zoho": [], "x": 1}',
     '{"to_zoho": {"a": "Contacted"}, "odd": {}}', '{"to_zoho": {"a": "Contacted", "a": "Lost Lead"}}', "[" * 100_000],
)  # fmt: skip
def test_a_bad_map_is_exit_2_with_one_line(run: Run, tmp_path: Path, content: str) -> None:
    result = run("on", "acme", "--map", write(tmp_path / "m", content))
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert run("on", "acme", "--map", str(tmp_path / "nothing")).exit_code == 2


def test_without_the_scope_it_names_the_cure(run: Run, bench: Bench, tmp_path: Path) -> None:
    bench.registry.add_missing_scopes("acme", ("ZohoCRM.modules.leads.UPDATE",))
    result = run("on", "acme", "--map", write(tmp_path / "m", MAP))
    assert result.exit_code == 1
    assert "connect acme --write-back" in result.stderr


def test_a_list_that_cannot_be_read_switches_nothing_on(run: Run, bench: Bench, tmp_path: Path) -> None:
    bench.sim.faults.next(9, "scope", "/settings/fields")
    result = run("on", "acme", "--map", write(tmp_path / "m", MAP))
    assert result.exit_code == 1
    assert "cannot be read" in result.stderr


def test_try_changes_nothing(run: Run, bench: Bench) -> None:
    found = document(run("try", "acme", bench.lead, "contacted", "--format", "json"))
    assert found["would"] == "write"
    assert found["request"]["body"] == {"data": [{"id": bench.lead, "Lead_Status": "Contacted"}], "trigger": []}
    assert found["request"]["headers"]["If-Unmodified-Since"]
    assert document(run("try", "acme", bench.lead, "new", "--format", "json"))["would"] == "nothing"
    differs = document(run("try", "acme", bench.lead, "contacted", "--expected", "lost", "--format", "json"))
    assert (differs["would"], differs["request"]) == ("conflict", None)
    assert document(run("try", "acme", "404", "new", "--format", "json"))["would"] == "refuse"
    assert run("try", "acme", bench.lead, "nonsense").exit_code == 2
    assert "PUT /crm/v7/Leads/" in run("try", "acme", bench.lead, "contacted").output
    bench.org.convert(bench.lead)
    assert document(run("try", "acme", bench.lead, "contacted", "--format", "json"))["would"] == "refuse"
    assert (bench.puts(), bench.told()) == ([], [])


def test_resolve(run: Run, bench: Bench) -> None:
    bench.on(policy="hold")
    wish = bench.ask("contacted")
    assert run("resolve", wish.id, "keep").exit_code == 1  # it does not wait
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Lost Lead"})
    bench.drain()
    assert document(run("resolve", wish.id, "keep", "--format", "json"))["state"] == "kept"
    assert run("resolve", "wb_none", "force").exit_code == 1
    assert run("resolve", wish.id, "perhaps").exit_code == 2


@pytest.mark.parametrize("choice", ["keep", "force"])
def test_a_decision_names_the_status_that_was_seen(run: Run, bench: Bench, choice: str) -> None:
    """Another conflict may wait by the time a person has read the list: the page refused that, the command did not."""
    bench.on(policy="hold")
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Lost Lead"})
    wish = bench.ask("contacted")
    bench.drain()
    (seen,) = document(run("status", "acme", "--format", "json"))["waiting"]
    run("resolve", wish.id, "force")
    bench.sim.clock.advance(2)
    bench.org.update("Leads", bench.lead, {"Lead_Status": None})
    bench.drain()
    stale = run("resolve", wish.id, choice, "--found-status", seen["found_status"])
    assert (stale.exit_code, stale.stderr.count("\n")) == (1, 1)
    assert "no status now. Nothing was decided" in stale.stderr
    assert bench.get(wish).waits_for_a_person
    said = run("resolve", wish.id, choice, "--found-status", "")
    assert (said.exit_code, "no status" in said.output) == (0, True)
    assert not bench.get(wish).waits_for_a_person


@pytest.mark.parametrize("answer", ["y", "n"])
@pytest.mark.long
def test_in_a_terminal_it_shows_the_status_and_asks(
    bench: Bench, settings_env: Callable[..., dict[str, str]], answer: str
) -> None:
    bench.on(policy="hold")
    bench.org.update("Leads", bench.lead, {"Lead_Status": "Lost Lead"})
    wish = bench.ask("contacted")
    bench.drain()
    env = settings_env(ZOHO_PIPELINE_DATA_CENTERS=f'{{"sim": "{bench.sim.url}"}}', PYTHONPATH=str(ROOT))
    command = (
        sys.executable,
        "-c",
        "from zoho_pipeline.cli import main; main()",
        "writeback",
        "resolve",
        wish.id,
        "force",
    )
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, env={"PATH": os.environ["PATH"], **env}, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        os.write(ours, f"{answer}\n".encode())
        out, err = process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert f"Lead {bench.lead} has 'Lost Lead' in Zoho. Write 'Contacted' over it?".encode() in err
    assert (process.returncode, b"over 'Lost Lead'" in out) == ((0, True) if answer == "y" else (1, False))
    assert bench.get(wish).waits_for_a_person == (answer == "n")


def test_unknown_channels_and_channels_that_were_never_on(run: Run, bench: Bench) -> None:
    for words in (("on", "nobody"), ("off", "nobody"), ("status", "nobody"), ("try", "nobody", "1", "new")):
        assert run(*words).exit_code in (1, 2), words
    assert run("on", "acme", "--policy", "luck").exit_code == 2


def test_the_daily_comparison_degrades_and_restores(bench: Bench) -> None:
    from datetime import timedelta

    from zoho_pipeline.writeback.switch import check_map, due_for_check, switch_of

    assert due_for_check(bench.registry, timedelta(hours=24)) == []
    assert due_for_check(bench.registry, timedelta(0)) == ["acme"]
    known = list(bench.org.module("Leads").fields["Lead_Status"].picks)
    bench.org.set_picks("Leads", "Lead_Status", [pick for pick in known if pick.actual != "Lost Lead"])
    for _ in range(2):
        check_map(bench.registry, "acme", bench.limits.pacing)
    switch = switch_of(bench.registry, "acme")
    assert switch is not None
    assert switch.state == "degraded"
    assert switch.detail is not None
    assert "'Lost Lead'" in switch.detail
    assert bench.kinds() == ["writeback.degraded"]
    bench.ask("contacted")
    bench.drain()
    assert bench.status() == "Contacted"  # the other words work
    bench.sim.faults.next(9, "server_error", "/settings/fields")
    check_map(bench.registry, "acme", bench.limits.pacing)  # a list that cannot be read changes nothing
    bench.sim.faults.clear()
    bench.org.set_picks("Leads", "Lead_Status", [*known, Pick("Brand new")])
    check_map(bench.registry, "acme", bench.limits.pacing)
    assert bench.kinds() == ["writeback.degraded", "writeback.done", "writeback.restored"]


def test_a_new_map_applies_to_wishes_that_are_not_sent(run: Run, bench: Bench, tmp_path: Path) -> None:
    wish, lost = bench.ask("contacted"), "contacted"
    document(run("on", "acme", "--map", write(tmp_path / "m", {"to_zoho": {lost: "Lost Lead"}}), "--format", "json"))
    bench.drain()
    assert (bench.get(wish).desired, bench.status()) == ("Lost Lead", "Lost Lead")
    second = bench.ask(lost, known=bench.known(status="Lost Lead"))
    document(run("on", "acme", "--map", write(tmp_path / "m", {"to_zoho": {"x": "Contacted"}}), "--format", "json"))
    bench.drain()
    assert (bench.get(second).state, bench.get(second).code) == ("refused", "unmapped")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        *((("try", "acme", lead, "contacted"), 2) for lead in ("../users", "", "1 2", "١٢٣", "9" * 33, "\udce9")),
        *((("try", "acme", "LEAD", word), 2) for word in ("", "\x00", "\udce9", "é" * 5_000)),
        *((("try", "acme", "LEAD", "new", "--expected", word), 2) for word in ("", "Nope", "\x00")),
        *((("try", channel, "LEAD", "new"), 1) for channel in ("ACME", "", "\x00", "\udce9")),
        *(
            (("resolve", wish, choice), 1)
            for wish in ("", "wb_1", "\x00", "\udce9", "x" * 5_000, "' or 1=1 --")
            for choice in ("keep", "force")
        ),
        *(((command, channel), 1) for command in ("status", "off") for channel in ("", "\x00", "\udce9")),
        *((("on", "acme", "--map", path), 2) for path in ("/nonexistent", "/", "")),
    ],
)
@pytest.mark.parametrize("registry_env", ["sqlite"], indirect=True)
def test_bad_input_is_one_line_and_changes_nothing(run: Run, bench: Bench, words: tuple[str, ...], code: int) -> None:
    result = run(*(bench.lead if word == "LEAD" else word for word in words))
    assert (result.exit_code, type(result.exception)) == (code, SystemExit)
    assert result.stderr.startswith("error: ")
    assert len(result.stderr) < 400
    assert (bench.puts(), bench.told()) == ([], [])

"""Errors in one line, exit codes, JSON alone on stdout."""

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from tests.cli.conftest import Run
from zoho_pipeline.cli import main
from zoho_pipeline.cli.data import each_channel
from zoho_pipeline.cli.marts import distinct
from zoho_pipeline.cli.output import print_csv, print_json, print_table, shown
from zoho_pipeline.cli.program import Program
from zoho_pipeline.settings import PipelineError, SettingsError


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


@pytest.mark.parametrize(("path", "command"), commands(main), ids=lambda value: str(value))
def test_every_command_has_help_with_an_example(path: tuple[str, ...], command: click.Command) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert f"zoho-pipeline {' '.join(path)}" in (command.help or "").split("Example", 1)[1]
    undescribed = [p.name for p in command.params if isinstance(p, click.Option) and not p.help]
    assert not undescribed


@pytest.mark.parametrize(
    ("error", "code"), [(PipelineError("it broke; mend it"), 1), (SettingsError("ZOHO_X is wrong"), 2)]
)
def test_an_expected_failure_is_one_line(error: PipelineError, code: int) -> None:
    @click.command(cls=Program, invoke_without_command=True)
    def failing() -> None:
        raise error

    result = CliRunner().invoke(failing)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"error: {error}\n")


def test_an_interruption_is_said_in_words() -> None:
    @click.command(cls=Program, invoke_without_command=True)
    def interrupted() -> None:
        raise KeyboardInterrupt

    result = CliRunner().invoke(interrupted)
    assert result.exit_code == 130
    assert "repeating the command does the rest" in result.stderr


def test_a_defect_is_not_hidden() -> None:
    @click.command(cls=Program, invoke_without_command=True)
    def broken() -> None:
        raise RuntimeError("a defect")

    assert isinstance(CliRunner().invoke(broken).exception, RuntimeError)


def test_a_defects_traceback_holds_no_secret() -> None:
    token = "1000." + "0123456789abcdef" * 2 + "." + "fedcba9876543210" * 2
    program = f"""
import click
from zoho_pipeline.cli.program import Program
@click.group(cls=Program)
def main(): pass
@main.command()
def broken(): raise RuntimeError("refused {token}")
main(["broken"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "RuntimeError: refused ***" in done.stderr
    assert "0123456789abcdef" not in done.stderr
    assert "Please report" in done.stderr


def test_a_channel_that_fails_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def work(channel_id: str) -> None:
        if channel_id == "expected":
            raise PipelineError("it is paused")
        if channel_id == "defect":
            raise RuntimeError("nobody thought of this")
        done.append(channel_id)

    expected, defect = each_channel(["expected", "a", "defect", "b"], work)
    assert done == ["a", "b"]
    assert expected == "channel expected: it is paused"
    assert defect.startswith("channel defect: ")
    assert "nobody thought of this" in caplog.text


@pytest.mark.parametrize("group", [(), ("channels",), ("content",)])
def test_the_list_of_commands_says_whole_sentences(group: tuple[str, ...]) -> None:
    told = CliRunner().invoke(main, [*group, "--help"], terminal_width=80).output.split("Commands:")[1]
    assert "..." not in told


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["sync", "--nonsense"], ["channels", "add", "x"], ["sync", "--modules", "Nonsense"], ["sql"]],
)
def test_wrong_use_exits_2_with_one_line(run: Run, arguments: list[str]) -> None:
    answer = run(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert "--help`" in answer.err


def test_a_wrong_module_does_nothing(run: Run, home: Path) -> None:
    assert run("sync", "--modules", "").code == 2
    assert not home.exists()


def test_no_command_shows_help_and_exits_2(run: Run) -> None:
    answer = run()
    assert answer.code == 2
    assert "Commands:" in answer.err


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'from zoho_pipeline.cli import main; main()' --help | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_everything_in_home_is_its_owners_alone(run: Run, home: Path) -> None:
    before = os.umask(0o022)
    try:
        assert run("channels", "list").code == 0
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [home, *home.rglob("*")]}
    assert "registry.sqlite" in modes
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes


def test_json_tells_every_type(capsys: pytest.CaptureFixture[str]) -> None:
    given: dict[str, Any] = {
        "money": Decimal("12.50"),
        "whole": Decimal("3"),
        "at": datetime(2026, 5, 1, 10, tzinfo=UTC),
        "day": date(2026, 5, 1),
        "list": (1, "ü"),
        "none": None,
        "not a number": float("nan"),
    }
    print_json(given)
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert told == {
        "money": 12.5,
        "whole": 3,
        "at": "2026-05-01T10:00:00+00:00",
        "day": "2026-05-01",
        "list": [1, "ü"],
        "none": None,
        "not a number": None,
    }


def test_csv_quotes_and_leaves_null_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(["a", "b"], [["x,y", None], ['say "so"', Decimal("1.10")], [True, False]])
    assert capsys.readouterr().out == 'a,b\n"x,y",\n"say ""so""",1.10\ntrue,false\n'


def test_a_table_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["id", "n"], [["x" * 300, 7], ["[red]y[/red]", None]])
    out = capsys.readouterr().out
    assert "x" * 300 in out
    assert "[red]y[/red]" in out


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "yes"), (0, "0"), (datetime(2026, 5, 1, 9, 5, tzinfo=UTC), "2026-05-01 09:05:00+00:00")],
)
def test_a_cell(value: Any, text: str) -> None:
    assert shown(value) == text


def test_repeated_column_names_lose_nothing() -> None:
    assert distinct(["n", "m", "n", "n"]) == ["n", "m", "n_2", "n_3"]

"""Texts from Zoho, from a catalogue or from a query cannot send control sequences to the terminal."""

import csv
import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.conftest import CLIENT, Run
from zoho_pipeline.cli.output import print_csv, print_json, print_table, say
from zoho_pipeline.cli.program import Program
from zoho_pipeline.logs import RedactingFormatter, printable
from zoho_pipeline.settings import PipelineError
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
EVIL = "\x1b]0;owned\x07\x1b[31mred\x1b[0m\x9b2J\x1b[2J\rforged\x08\x7f\u202eabc\u2066\ud83d"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07a", "a"),
        ("\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Ja", "a"),
        ("\x1bP1$r\x1b\\a\x1bca", "aa"),
        ("a\x1b[", "a"),
        ("a\rb\u2028c\x85d", "a b c d"),
        ("a\x00\x07\x08\x7f\x80b", "ab"),
        ("\u202eabc\u2069", "abc"),
        ("half \ud83d pair", "half  pair"),
        ("one\ntwo\tthree", "one\ntwo\tthree"),
        ("क्‍ष ज़ é 👩‍👩‍👧 ‌", "क्‍ष ज़ é 👩‍👩‍👧 ‌"),
    ],
)
def test_control_sequences_are_left_out(text: str, left: str) -> None:
    assert printable(text) == left


def test_one_line_stays_one_line() -> None:
    assert printable("a\r\nb\nc\td\u2029e", one_line=True) == "a b c d e"


@given(st.text(st.characters(), max_size=60))
def test_no_control_character_is_ever_left(text: str) -> None:
    assert not STEERING.search(printable(text))
    assert not re.search(r"[\n\t\v\u2028\u2029]", printable(text, one_line=True))
    assert printable(printable(text)) == printable(text)


@given(st.text("\x1b[]0;31m\x07\x9b\\Pa", max_size=30))
def test_the_rest_of_a_sequence_makes_no_new_one(text: str) -> None:
    assert not STEERING.search(printable(text))


def test_a_table_shows_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    print_table((EVIL, "[red]plain[/red]"), [(EVIL, "two\nlines"), ({"a": EVIL}, [EVIL])])
    out = capsys.readouterr().out
    assert not STEERING.search(out)
    assert "[red]plain[/red]" in out
    assert "two lines" in out


def test_json_escapes_control_characters_and_keeps_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([{"a": EVIL, EVIL: "\u2028"}])
    out = capsys.readouterr().out
    assert not STEERING.search(out)
    assert json.loads(out) == [{"a": EVIL, EVIL: "\u2028"}]


def test_csv_in_a_pipe_keeps_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    value = EVIL.replace("\ud83d", "")
    print_csv(["a"], [[value]])
    assert list(csv.reader(io.StringIO(capsys.readouterr().out, newline=""))) == [["a"], [value]]


def test_csv_on_a_terminal_has_no_control_sequence() -> None:
    leader, follower = pty.openpty()
    code = "from zoho_pipeline.cli.output import print_csv; print_csv(['a'], [['\\x1b[31mred\\x9b2J']])"
    subprocess.run([sys.executable, "-c", code], stdout=follower, check=True)
    os.close(follower)
    assert os.read(leader, 1000) == b"a\r\nred\r\n"
    os.close(leader)


def test_messages_and_errors_have_no_control_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    say(EVIL)
    say(EVIL, err=True)
    captured = capsys.readouterr()
    assert not STEERING.search(captured.out + captured.err)

    @click.command(cls=Program, invoke_without_command=True)
    @click.option("--kind", type=click.Choice(["a"]))
    def failing(kind: str | None) -> None:
        raise PipelineError(f"Zoho said {EVIL}")

    for arguments in ([], ["--kind", "\x1b[31m"], ["\x1b[31m"]):
        result = CliRunner().invoke(failing, arguments)
        assert result.exit_code in (1, 2)
        assert not STEERING.search(result.stderr)


def test_log_lines_have_no_control_sequence() -> None:
    record = logging.LogRecord("a", logging.WARNING, "", 1, "Zoho said %s", (EVIL,), None)
    assert not STEERING.search(RedactingFormatter("%(message)s").format(record))


@pytest.mark.long
def test_an_org_with_an_evil_name_sends_no_control_sequence(run: Run, simulator: Simulator, tmp_path: Path) -> None:
    org = simulator.add_org(name="Acme\x1b[2J\u202e", time_zone="Asia/Kolkata", currency="INR")
    org.insert_many("Leads", [{"Last_Name": "R\x1b[31mao", "Company": "x", "Lead_Source": "Par\x1b]0;t\x07tner\u202e"}])
    token = tmp_path / "token"
    token.write_text(org.grant(*CLIENT, DEFAULT_SCOPES))
    commands: tuple[tuple[Any, ...], ...] = (
        ("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", token),
        ("channels", "list"),
        ("channels", "show", "acme"),
        ("channels", "show", "acme", "--format", "json"),
        ("sync", "acme"),
        ("transform",),
        ("insight", "acme"),
        ("insight", "acme", "--format", "json"),
        ("sql", "--raw", 'select last_name, lead_source as "a\x1b[31m" from leads'),
        ("sql", "--raw", "select last_name, lead_source from leads", "--format", "json"),
        ("sql", "select * from no_\x1b[31m_table"),
    )
    for command in commands:
        answer = run(*command)
        assert not STEERING.search(answer.out + answer.err), command
    assert "Rao" in run("sql", "--raw", "select last_name from leads").out
    assert run("sql", "--raw", "select last_name as n from leads", "--format", "json").json == [{"n": "R\x1b[31mao"}]


def test_every_command_prints_by_the_one_helper() -> None:
    folder = Path(__file__).resolve().parents[2] / "zoho_pipeline" / "cli"
    direct = [path.name for path in folder.glob("*.py") if re.search(r"\bclick\.echo\(|\bprint\(", path.read_text())]
    assert direct == ["output.py"]


def test_limits_are_options(run: Run) -> None:
    for wrong in (("--timeout", "0"), ("--timeout", "x"), ("--max-rows", "0"), ("--raw", "--timeout", "31")):
        answer = run("sql", "select 1", *wrong)
        assert (answer.code, answer.out) == (2, "")
        assert wrong[-2] in answer.err

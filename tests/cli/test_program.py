"""Errors in one line, the exit codes, private files, and Ctrl-C."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.cli.conftest import Run
from zoho_pipeline.cli.program import Program
from zoho_pipeline.settings import PipelineError, SettingsError


@pytest.mark.parametrize(
    ("error", "code"), [(PipelineError("it broke; mend it"), 1), (SettingsError("ZOHO_X is wrong"), 2)]
)
def test_an_expected_failure_is_one_line(error: PipelineError, code: int) -> None:
    @click.command(cls=Program, invoke_without_command=True)
    def failing() -> None:
        raise error

    result = CliRunner().invoke(failing)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"error: {error}\n")


def test_ctrl_c_says_that_finished_work_is_kept() -> None:
    @click.command(cls=Program, invoke_without_command=True)
    def interrupted() -> None:
        raise KeyboardInterrupt

    result = CliRunner().invoke(interrupted)
    assert result.exit_code == 130
    assert "Run the same command again" in result.stderr


def test_an_unexpected_error_is_not_hidden() -> None:
    @click.command(cls=Program, invoke_without_command=True)
    def broken() -> None:
        raise RuntimeError("a bug")

    assert isinstance(CliRunner().invoke(broken).exception, RuntimeError)


def test_the_traceback_of_an_unexpected_error_contains_no_secret() -> None:
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


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["sync", "--nonsense"], ["channels", "add", "x"], ["sync", "--modules", "Nonsense"], ["sql"]],
)
def test_wrong_use_exits_2_with_one_line(run: Run, arguments: list[str]) -> None:
    answer = run(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert "See `zoho-pipeline" in answer.err
    assert "--help`" in answer.err


def test_a_wrong_module_does_nothing(run: Run, home: Path) -> None:
    assert run("sync", "--modules", "").code == 2
    assert not home.exists()


def test_a_pipe_that_closes_early_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'from zoho_pipeline.cli import main; main()' --help | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_only_the_owner_can_read_the_files_in_home(run: Run, home: Path) -> None:
    before = os.umask(0o022)
    try:
        assert run("channels", "list").code == 0
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [home, *home.rglob("*")]}
    assert "registry.sqlite" in modes
    assert all(mode & 0o077 == 0 for mode in modes.values()), modes

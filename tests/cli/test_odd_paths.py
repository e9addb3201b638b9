"""A whole run in folders and files with odd names: each value works, or it is refused before anything is written."""

import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import CLIENT, environment_for, runner
from zoho_pipeline.cli.demo.place import Place
from zoho_pipeline.cli.demo.story import _next_steps
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

COUNT = "select count(*) as n from lead"
ODD = 'o\'brien "x" 100 a#b {0} [ab]* $x;y né ü ~e a=1'
COMMANDS = (
    ("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", "-"),
    ("sync",),
    ("transform",),
    ("transform", "--full"),
    ("insight", "acme"),
    ("sql", COUNT),
    ("sql", "--raw", "select count(*) from zoho_raw.leads"),
)


def run_all(simulator: Simulator, org: Org, **env: str) -> None:
    run = runner({**environment_for(simulator, Path("home")), **env})
    for command in COMMANDS:
        answer = run(*command, stdin=org.grant(*CLIENT, DEFAULT_SCOPES))
        assert answer.code == 0, (command, answer.err)


@pytest.mark.long
@pytest.mark.parametrize("home", [ODD, "-dash", "**", "/".join(["long" * 40] * 2)])
def test_home_has_an_odd_name(simulator: Simulator, org: Org, home: str) -> None:
    run_all(simulator, org, ZOHO_PIPELINE_HOME=home)
    assert [path.name for path in Path.cwd().iterdir()] == [Path(home).parts[0]], "nothing is written elsewhere"
    assert Path(home, "warehouse.duckdb").exists()
    assert Path(home, "registry.sqlite").exists()


@pytest.mark.long
@pytest.mark.parametrize("name", [f"{ODD}%20", "memory", "temp", "published"])
def test_each_file_has_an_odd_name(simulator: Simulator, org: Org, name: str, tmp_path: Path) -> None:
    (tmp_path / "bi").mkdir()
    where = {
        "ZOHO_PIPELINE_WAREHOUSE": f"duckdb:///{tmp_path}/{name}.duckdb",
        "ZOHO_PIPELINE_REGISTRY": f"sqlite:///{tmp_path}/{name.replace('%', '%25')}.sqlite",
        "ZOHO_PIPELINE_PUBLISHED": f"{tmp_path}/bi/{name}.duckdb",
    }
    run_all(simulator, org, **where)
    for file in (f"{name}.duckdb", f"{name}.sqlite", f"bi/{name}.duckdb"):
        assert (tmp_path / file).is_file()


@pytest.mark.parametrize("home", ["a\nb", "back\\slash", "what?", "100%", "n" * 256, "~no-such-user"])
def test_a_home_that_cannot_work_is_refused_before_anything_is_written(
    simulator: Simulator, org: Org, home: str
) -> None:
    run = runner({**environment_for(simulator, Path("home")), "ZOHO_PIPELINE_HOME": home})
    for command in (*COMMANDS, ("demo",)):
        answer = run(*command, stdin=org.grant(*CLIENT, DEFAULT_SCOPES))
        assert answer.code == 2, answer.err
        (line,) = answer.err.strip().splitlines()
        assert line.startswith("error: ZOHO_PIPELINE_HOME ")
    assert list(Path.cwd().iterdir()) == []
    assert simulator.requests == []


@pytest.mark.long
def test_a_token_file_and_a_content_file_have_odd_names(simulator: Simulator, org: Org) -> None:
    run = runner(environment_for(simulator, Path("home")))
    token, content = Path(f"-{ODD}?\\\n%"), Path(f"{ODD}?\\\n%.csv")
    token.write_text(org.grant(*CLIENT, DEFAULT_SCOPES))
    content.write_text("content_id,content_type,published_at\nc1,v,2026-05-01\n")
    added = run("channels", "add", "acme", "--data-center", "sim", f"--refresh-token-file={token}")
    assert added.code == 0, added.err
    loaded = run("content", "load", "acme", content)
    assert loaded.code == 0, loaded.err


def test_a_printed_command_can_be_pasted_into_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _next_steps(Place(tmp_path / ODD, 1, "c", "s"))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "export" in line]
    assert shlex.split(line) == ["export", f"ZOHO_PIPELINE_HOME={tmp_path / ODD}"]

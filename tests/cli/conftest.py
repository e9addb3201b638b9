"""The command line as a person meets it: arguments and environment in; exit code, stdout and stderr out."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zoho_pipeline.cli import main
from zoho_pipeline.simulator import Org, Simulator
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

CLIENT = ("1000.TESTCLIENT", "test-client-secret-0123456789")


@dataclass(frozen=True)
class Answer:
    """What a command left on the terminal."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """A command points the root logger at the runner's stderr; the next test gets its own back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def runner(environment: dict[str, str]) -> Run:
    """`run("channels", "list", stdin="…", ZOHO_CLIENT_ID="")` → Answer; an unexpected exception is raised."""

    def call(*arguments: object, stdin: str | None = None, **env: str) -> Answer:
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(main, words, input=stdin, env={**environment, **env})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return call


def knows(simulator: Simulator, home: Path) -> dict[str, str]:
    """Settings that know the simulator as data centre `sim`."""
    return {
        "ZOHO_PIPELINE_HOME": str(home),
        "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({"sim": simulator.url}),
        "ZOHO_PIPELINE_LOG_LEVEL": "WARNING",
        "ZOHO_PIPELINE_SYNC_LAG": "0",
        "ZOHO_CLIENT_ID": CLIENT[0],
        "ZOHO_CLIENT_SECRET": CLIENT[1],
    }


@pytest.fixture
def run(simulator: Simulator, home: Path) -> Run:
    """Commands in a HOME of their own, with the simulator as data centre `sim`."""
    return runner(knows(simulator, home))


def small_org(simulator: Simulator) -> Org:
    """Three live leads, one of them converted into a deal; a fourth is recycled."""
    org = simulator.add_org(name="Acme Tools", time_zone="Asia/Kolkata", currency="INR")
    org.add_custom_field("Leads", "UTM_Source1", "UTM Source")
    person = {"Lead_Source": "Partner", "UTM_Source1": "x"}
    ids = org.insert_many("Leads", [{"Last_Name": f"Rao {n}", "Company": f"Firm {n}", **person} for n in range(4)])
    org.convert(ids[0], deal={"Deal_Name": "First", "Amount": 1000})
    org.delete("Leads", ids[1])
    return org


@pytest.fixture
def org(simulator: Simulator) -> Org:
    return small_org(simulator)


@pytest.fixture
def token(org: Org, tmp_path: Path) -> Path:
    """A file with a refresh token of the org's administrator."""
    path = tmp_path / "token"
    path.write_text(org.grant(*CLIENT, DEFAULT_SCOPES) + "\n")
    return path


@pytest.fixture
def channel(run: Run, token: Path) -> str:
    """A registered channel, not synced yet."""
    answer = run("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", token)
    assert answer.code == 0, answer.err
    return "acme"

"""Runs commands in this process: arguments and environment in, exit code, stdout and stderr out."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from zoho_pipeline.cli import main
from zoho_pipeline.simulator import Org, Simulator, User
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

CLIENT = ("1000.TESTCLIENT", "test-client-secret-0123456789")


@dataclass(frozen=True)
class Answer:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Answer]


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """A command lets the root logger write to the runner's stderr. This gives the next test its own handlers back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def runner(environment: dict[str, str]) -> Run:
    """`run("channels", "list", stdin="…", ZOHO_CLIENT_ID="")` → Answer. It raises an unexpected exception."""

    def call(*arguments: object, stdin: str | None = None, **env: str) -> Answer:
        words = [str(argument) for argument in arguments]
        result = CliRunner().invoke(main, words, input=stdin, env={**environment, **env})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return call


def environment_for(simulator: Simulator, home: Path) -> dict[str, str]:
    """An environment whose data center `sim` is the simulator."""
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
    """Runs commands in a HOME of their own, with the simulator as data center `sim`."""
    return runner(environment_for(simulator, home))


def small_org(simulator: Simulator) -> Org:
    """An org with three live leads, one of them converted into a deal, and a fourth lead in the recycle bin."""
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
    """A file with a refresh token of the administrator of the org."""
    path = tmp_path / "token"
    path.write_text(org.grant(*CLIENT, DEFAULT_SCOPES) + "\n")
    return path


@pytest.fixture
def channel(run: Run, token: Path) -> str:
    """The id of a registered channel that was never synced."""
    answer = run("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file", token)
    assert answer.code == 0, answer.err
    return "acme"


@dataclass
class Built:
    """A channel `acme` that was synced, and whose marts are published. `ids` are the ids of its live leads."""

    run: Run
    org: Org
    simulator: Simulator
    home: Path
    ids: list[str]

    def count(self, table: str, where: str = "true") -> int:
        answer = self.run("sql", "--raw", f"select count(*) as n from {table} where {where}", "--format", "json")
        assert answer.code == 0, answer.err
        return int(answer.json[0]["n"])

    def add(self, channel_id: str, org: Org, scopes: str, *more: str, user: User | None = None) -> str:
        """Register a channel of an org and return its refresh token. `more` are further options."""
        token = org.grant(*CLIENT, scopes, user)
        answer = self.run(
            "channels", "add", channel_id, "--data-center", "sim", "--refresh-token-file", "-", *more, stdin=token
        )
        assert answer.code == 0, answer.err
        return token


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Built once per test process. Tests that use it directly only read its HOME."""
    folder = tmp_path_factory.mktemp("built")
    with Simulator.start() as simulator:
        org = small_org(simulator)
        ids = [row["id"] for row in org.rows("Leads")]
        run = runner(environment_for(simulator, folder / "home"))
        built = Built(run, org, simulator, folder / "home", ids)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)  # the working folder has no .env
            # Zoho keeps 20 refresh tokens per user: a user whom no other test grants for keeps this one.
            built.add("acme", org, " ".join(DEFAULT_SCOPES), user=org.add_user(profile="Administrator"))
            for command in ("sync", "transform"):
                answer = built.run(command)
                assert answer.code == 0, answer.err
        yield built


@pytest.fixture
def built(first: Built, tmp_path: Path) -> Built:
    """A copy of the HOME of `first`. The simulator behind it is shared, so other tests may have changed its org."""
    shutil.copytree(first.home, tmp_path / "home")
    run = runner(environment_for(first.simulator, tmp_path / "home"))
    return Built(run, first.org, first.simulator, tmp_path / "home", first.ids)

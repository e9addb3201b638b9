"""The services of compose.yaml as processes on loopback: they start, become healthy, and end by SIGTERM."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from scripts.production import free_port, make_database
from tests.install import compose
from tests.install.conftest import ROOT
from tests.install.test_compose import DOTENV, OURS, PORTS

PATIENCE = 240.0
PROGRAMS = {
    "dagster": ("-m", "dagster"),
    "dagster-daemon": ("-m", "dagster._daemon"),
    "dagster-webserver": ("-m", "dagster_webserver"),
    "zoho-pipeline": ("-c", "from zoho_pipeline.cli import main; main()"),
    "python": (),
}


class Here:
    """The services with the addresses of this machine instead of those of the containers."""

    def __init__(self, folder: Path, server: str) -> None:
        self.folder, self.services = folder, compose.read(DOTENV)
        self.ports = {name: free_port() for name in PORTS}
        pipeline, dagster = (make_database(server, name) for name in ("zoho", "dagster"))
        self.urls = {"/zoho": pipeline, "/dagster": dagster.replace("postgresql:", "postgresql+psycopg2:")}
        (folder / "dagster").mkdir()
        (folder / "dagster" / "dagster.yaml").write_text((ROOT / "deploy" / "dagster.yaml").read_text())

    def environment(self, name: str) -> dict[str, str]:
        given = dict(self.services[name]["environment"])
        for key, value in given.items():
            if "@postgres:5432" in value:
                given[key] = next(url for end, url in self.urls.items() if value.endswith(end))
            given[key] = given[key].replace("/var/lib/zoho-pipeline", str(self.folder))
        given |= {"ZOHO_PIPELINE_CODE_HOST": "127.0.0.1", "ZOHO_PIPELINE_CODE_PORT": str(self.ports["code"])}
        own = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "DAGSTER_DISABLE_TELEMETRY": "yes"}
        return own | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])} | given

    def command(self, name: str, words: list[str]) -> list[str]:
        program, *rest = words
        here = [self._here(name, word) for word in rest]
        return [sys.executable, "-W", "ignore", *PROGRAMS[program], *here]

    def _here(self, name: str, word: str) -> str:
        if name in PORTS:
            word = word.replace(str(PORTS[name]), str(self.ports[name]))
        word = word.replace("/etc/zoho-pipeline/workspace.yaml", str(ROOT / "deploy" / "workspace.yaml"))
        return "127.0.0.1" if word == "0.0.0.0" else word

    def start(self, name: str, opened: ExitStack) -> "subprocess.Popen[bytes]":
        log = opened.enter_context((self.folder / f"{name}.log").open("wb"))
        command = self.command(name, self.services[name]["command"])
        environment = self.environment(name)
        process = subprocess.Popen(
            command, env=environment, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        opened.callback(self._kill, process)
        return process

    @staticmethod
    def _kill(process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def is_healthy(self, name: str) -> bool:
        command = self.command(name, self.services[name]["healthcheck"]["test"][1:])
        environment = self.environment(name)
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, timeout=120, check=False)
        return done.returncode == 0

    def wait_until_healthy(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + PATIENCE
        while not self.is_healthy(name):
            log = (self.folder / f"{name}.log").read_text()[-3000:]
            assert process.poll() is None, f"{name} ended: {log}"
            assert time.monotonic() < end, f"{name} did not become healthy: {log}"
            time.sleep(1.0)


@pytest.fixture
def here(tmp_path: Path, postgres_server: str) -> Here:
    return Here(tmp_path, postgres_server)


@pytest.mark.long
def test_every_service_becomes_healthy_and_ends_by_a_signal(here: Here) -> None:
    with ExitStack() as opened:
        running = {}
        for name in OURS:  # in the order of `depends_on`
            assert not here.is_healthy(name), f"the check of {name} must fail while it does not run"
            running[name] = here.start(name, opened)
            if name == "code":
                here.wait_until_healthy(name, running[name])
        for name, process in running.items():
            here.wait_until_healthy(name, process)
        for name in reversed(OURS):
            running[name].send_signal(signal.SIGTERM)
            running[name].wait(timeout=90)
        assert {name: running[name].returncode for name in ("work", "serve")} == {"work": 0, "serve": 0}
        assert not here.is_healthy("work")

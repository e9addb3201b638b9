"""`serve` as a process: what it says when it cannot serve."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "from zoho_pipeline.cli import main; main(['serve', '--port', '0'])"


@pytest.mark.long
def test_a_registry_that_cannot_be_used_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "registry.sqlite").write_text("this is no database" * 500)
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    errors = [line for line in ended.stderr.splitlines() if "error" in line]
    assert ended.returncode == 1
    assert len(errors) == 1, ended.stderr
    assert errors[0].startswith("error: the channel registry")
    assert ended.stdout == "", "it never said that it serves"


@pytest.mark.long
def test_its_address_and_the_login_as_json(tmp_path: Path) -> None:
    program = PROGRAM.replace("'0'", "'0', '--no-worker', '--format', 'json'")
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        said = json.loads("".join(iter(lambda: served.stdout.readline() if served.stdout else "", "}\n")) + "}")
        assert (said["public_url"], said["host"]) == ("http://localhost:8480", "127.0.0.1")
        assert said["port"] > 0
        assert said["login_url"].startswith("http://localhost:8480/ui/login?t=")
        served.send_signal(signal.SIGTERM)
        rest, _ = served.communicate(timeout=60)
    assert (served.returncode, rest) == (0, "")

"""`serve` as a process: what it says when it cannot serve."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = "from zoho_pipeline.cli import main; main(['serve', '--port', '0'])"


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

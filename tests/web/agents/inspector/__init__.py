"""The MCP inspector of npm, at the versions of the lock beside this file; no dependency of the product."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json")
INSTALL = ["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=optional", "--omit=peer"]
"""No script of a package runs. Without the optional parts, which draw pages, it is a third smaller."""


def inspector() -> str:
    """The program of the inspector, which npm installs once into the environment (half a minute, 80 MB).

    Where Node or npm is missing, the test is skipped. Where npm reaches no registry, it is skipped too, and in CI it
    fails.
    """
    lock = (HERE / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "mcp-inspector" / hashlib.sha256(lock).hexdigest()[:12]
    program = folder / "node_modules" / ".bin" / "mcp-inspector"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("NOT TESTED: the MCP inspector needs Node and npm, which are not on the PATH")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # the processes of one run of the tests need it at the same moment
        if not (folder / "done").exists():
            for name in FILES:
                shutil.copy(HERE / name, folder / name)
            done = subprocess.run([npm, *INSTALL], cwd=folder, capture_output=True, text=True)
            if done.returncode:
                said = f"NOT TESTED: npm cannot install the MCP inspector: {done.stderr[-300:] or done.returncode}"
                pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
            (folder / "done").touch()
    return str(program)

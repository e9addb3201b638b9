"""Installs and serves the starter dashboard of examples/dashboard, for its test and its picture."""

import fcntl
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

DASHBOARD = Path(__file__).resolve().parents[1] / "examples" / "dashboard"


class NotInstalled(Exception):
    """pip cannot install the dashboard; the message says why."""


def interpreter() -> Path:
    """The interpreter of an environment with Streamlit, at the versions of the dashboard's own lock.

    pip installs it once beside the libraries of this environment (half a minute, 400 MB). It is no dependency of the
    product.

    Raises:
        NotInstalled: no package registry answers.
    """
    lock = DASHBOARD / "requirements.txt"
    folder = Path(sys.prefix) / "dashboard" / hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    python = folder / "bin" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # the processes of one run of the tests need it at the same moment
        if not (folder / "done").exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
            done = subprocess.run([*pip, "--require-hashes", "-r", str(lock)], capture_output=True, text=True)
            if done.returncode:
                raise NotInstalled(f"pip cannot install the dashboard: {done.stderr.strip()[-300:]}")
            (folder / "done").touch()
    return python


@contextmanager
def served(source: str, home: Path) -> Iterator[str]:
    """Serve the dashboard on the marts of `source` (a path or a URL of Postgres), and yield its address.

    Args:
        home: the HOME of the server, where Streamlit looks for settings of the user.

    Raises:
        NotInstalled: as in `interpreter`.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(interpreter()), "-m", "streamlit", "run", "dashboard.py", "--server.port", str(port)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "DASHBOARD_SOURCE": source}
    process = subprocess.Popen(command, cwd=DASHBOARD, env=environment, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/"
        _wait_until_served(process, address)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_until_served(process: "subprocess.Popen[bytes]", address: str) -> None:
    while process.poll() is None:
        try:
            with urlopen(f"{address}_stcore/health"):  # noqa: S310 (our own address)
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"error: the dashboard ended with exit code {process.returncode}")

"""A HOME with published marts, and the dashboard that is served on them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.postgres import free_port
from tests.web.world import put, world

__all__ = ["world"]

AUDIT = """
import sys
def seen(event, args):
    if event in ("socket.bind", "socket.connect", "socket.getaddrinfo"):
        with open({log!r}, "a") as log:
            print(event, args[0] if event == "socket.getaddrinfo" else args[1], file=log)
sys.addaudithook(seen)
"""
"""A start file of Python that writes down every address that the process connects to or looks up."""


@pytest.fixture
def published(world: Path, home: Path) -> Path:
    """HOME with the marts of `tests/web/world.py`."""
    put(world, home)
    return home


@pytest.fixture
def served(published: Path, tmp_path: Path) -> Callable[..., object]:
    """`with served() as url` runs the command `dashboard`. `tmp_path/"dialled"` has what it connects to."""

    @contextmanager
    def serve(*more: str, **extra: str) -> Iterator[str]:
        port = free_port()
        (tmp_path / "start").mkdir(exist_ok=True)
        (tmp_path / "start" / "sitecustomize.py").write_text(AUDIT.format(log=str(tmp_path / "dialled")))
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "ZOHO_PIPELINE_HOME": str(published),
            "PYTHONPATH": os.pathsep.join([str(tmp_path / "start"), *(path for path in sys.path if path)]),
        } | extra
        command = [sys.executable, "-m", "zoho_pipeline", "dashboard", "--port", str(port), *more]
        with (tmp_path / "log").open("w") as log:
            child = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            while not _answers(f"{url}/_stcore/health"):
                assert child.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
            yield url
            child.terminate()
            assert child.wait(60) == 0, (tmp_path / "log").read_text()
        finally:
            child.kill()
            child.wait()

    return serve


def _answers(url: str) -> bool:
    try:
        with urlopen(url):
            return True
    except OSError:
        return False

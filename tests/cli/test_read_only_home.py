"""`sql` and `insight` where nothing can be written: a HOME of another user, a read-only disk, no HOME at all."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Built, runner

PR_CAPBSET_DROP, DAC_OVERRIDE, DAC_READ_SEARCH = 24, 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)
COUNT = "select count(*) as n from lead"
COUNT_RAW = "select count(*) as n from zoho_raw.leads where id in (select id from zoho_raw.leads)"


def obey_modes() -> None:
    """Give up root's right to ignore the modes of files, before the program starts; nobody else has it.

    Another uid would not do: the interpreter may be in a folder that only root can enter.
    """
    if os.geteuid() == 0:
        for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
            if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError("this root user cannot give up its rights")


class Reader:
    """Runs commands as a user for whom the modes of HOME hold."""

    def __init__(self, home: Path, cwd: Path, **environment: str) -> None:
        self.home, self.cwd = home, cwd
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        self.environment = {**kept, "ZOHO_PIPELINE_HOME": str(home), "HOME": "/nonexistent", **environment}

    def __call__(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The command as a process of its own, so that it can be another user's."""
        start = f"import sys; sys.path[:] = {sys.path!r}; from zoho_pipeline.cli import main; main()"
        command = [sys.executable, "-P", "-B", "-c", start, *arguments]
        return self.run(command)

    def run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=self.cwd, env=self.environment, capture_output=True, text=True, preexec_fn=obey_modes
        )


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder with its size and the time of its last change."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@pytest.fixture
def place(first: Built) -> Iterator[Path]:
    """A folder that every user can reach, with a copy of a HOME that has marts; nobody can write in it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(first.home, folder / "home")
        (folder / "cwd").mkdir()
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield folder
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.long
def test_sql_and_insight_read_a_home_that_they_cannot_write(place: Path, first: Built) -> None:
    reader = Reader(place / "home", place / "cwd")
    before = everything(place)
    tried = reader.run([sys.executable, "-c", f"open({str(place / 'home' / 'new')!r}, 'w')"])
    assert "PermissionError" in tried.stderr, "else this shows nothing"
    for arguments, expected in (
        (("sql", COUNT, "--format", "json"), [{"n": len(first.ids)}]),
        (("sql", "--raw", COUNT_RAW, "--format", "json"), [{"n": len(first.ids)}]),
    ):
        answer = reader(*arguments)
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout) == expected
    insight = reader("insight", "acme", "--format", "json")
    assert insight.returncode == 0, insight.stderr
    assert json.loads(insight.stdout)["leads_this_month"] == len(first.ids)
    assert "acme" in reader("insight", "acme").stdout
    assert everything(place) == before, "no lock file, no log, no folder"


def test_a_raw_query_waits_for_a_load_even_without_our_lock_file(place: Path) -> None:
    """DuckDB's own lock keeps reader and writer apart where the reader cannot write a lock file."""
    import duckdb

    warehouse = place / "home" / "warehouse.duckdb"
    warehouse.chmod(0o644)
    (place / "home").chmod(0o755)
    writer = duckdb.connect(str(warehouse))
    try:
        (place / "home").chmod(0o555)
        start = f"import sys; sys.path[:] = {sys.path!r}; from zoho_pipeline.warehouse.duckdb_warehouse import *; "
        ask = (
            "from pathlib import Path\n"
            "from zoho_pipeline.warehouse.connection import WarehouseBusy\n"
            "try:\n"
            f"    with DuckDBWarehouse('', Path({str(warehouse)!r})).connect(timeout=0.3): print('read')\n"
            "except WarehouseBusy: print('waited')"
        )
        reader = Reader(place / "home", place / "cwd")
        done = reader.run([sys.executable, "-P", "-B", "-c", f"{start}\n{ask}"])
        assert done.stdout == "waited\n", done.stderr
    finally:
        writer.close()


@pytest.mark.long
def test_a_bi_user_reads_the_placed_file_and_cannot_even_see_home(first: Built, place: Path) -> None:
    """HOME is its owner's alone (700); the file is in a folder of the group."""
    for path in (place, place / "home"):
        path.chmod(0o755)
    bi = place / "bi"
    bi.mkdir()
    bi.chmod(0o755)
    for path in (place / "home").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    environment = {"ZOHO_PIPELINE_HOME": str(place / "home"), "ZOHO_PIPELINE_PUBLISHED": str(bi / "zoho.duckdb")}
    moved = runner(environment)("transform")
    assert moved.code == 0, moved.err
    (place / "home").chmod(0)
    try:
        reader = Reader(place / "home", place / "cwd", ZOHO_PIPELINE_PUBLISHED=str(bi / "zoho.duckdb"))
        answer = reader("sql", COUNT, "--format", "json")
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout) == [{"n": len(first.ids)}]
        assert reader("insight", "acme").returncode == 0
        (bi / "zoho.duckdb").chmod(0)
        refused = reader("sql", COUNT)
        assert refused.returncode == 1
        assert "Permission denied" in refused.stderr
        assert refused.stderr.startswith("error: ")
        assert "Traceback" not in refused.stderr
    finally:
        (place / "home").chmod(0o700)


def test_reading_makes_no_home(tmp_path: Path) -> None:
    for arguments in (("sql", COUNT), ("sql", "--raw", COUNT), ("insight", "acme")):
        answer = runner({"ZOHO_PIPELINE_HOME": str(tmp_path / "home")})(*arguments)
        assert answer.code in (1, 2)
        assert "zoho-pipeline sync" in answer.err
        assert not (tmp_path / "home").exists()

"""A setting that names a file of something else: the file stays as it is, and the line says how to name another one."""

import os
import sqlite3
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.cli.conftest import environment_for, runner
from tests.cli.test_damaged_files import one_line
from zoho_pipeline.simulator import Simulator


def _sqlite(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("create table somebodys (x)")
    connection.commit()
    connection.close()


FOREIGN: dict[str, Callable[[Path], object]] = {
    "text": lambda path: path.write_text("root:x:0:0:root:/root:/bin/bash\n" * 40),
    "few bytes": lambda path: path.write_bytes(b"x"),
    "sqlite": _sqlite,  # DuckDB would download an extension to read it
    "parquet": lambda path: path.write_bytes(b"PAR1" + b"\0" * 5_000),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "pipe": os.mkfifo,
    "folder": Path.mkdir,
}


def content(path: Path) -> object:
    return path.read_bytes() if path.is_file() else path.lstat().st_ino


@pytest.mark.long
@pytest.mark.parametrize(
    ("command", "kind"),
    list(product(["transform", "sql --raw"], FOREIGN)),
)
def test_a_warehouse_that_is_something_else(simulator: Simulator, tmp_path: Path, command: str, kind: str) -> None:
    folder = tmp_path / "of_somebody"
    folder.mkdir()
    file = folder / "passwd"
    FOREIGN[kind](file)
    before = content(file)
    environment = environment_for(simulator, tmp_path / "home") | {"ZOHO_PIPELINE_WAREHOUSE": f"duckdb:///{file}"}
    answer = runner(environment)(*command.split(), *(["select 1"] if command != "transform" else []))
    one_line(answer, str(file), "leave it there", "ZOHO_PIPELINE_WAREHOUSE")
    assert content(file) == before
    assert [path.name for path in folder.iterdir()] == ["passwd"], "no lock file beside it"

    environment["ZOHO_PIPELINE_WAREHOUSE"] = f"duckdb:///{folder}/mine.duckdb"  # the cure
    assert runner(environment)("transform").code == 0


@pytest.mark.parametrize("make", [FOREIGN["text"], FOREIGN["folder"], FOREIGN["parquet"]])
def test_a_registry_that_is_something_else(
    simulator: Simulator, tmp_path: Path, make: Callable[[Path], object]
) -> None:
    file = tmp_path / "passwd"
    make(file)
    before = content(file)
    environment = environment_for(simulator, tmp_path / "home") | {"ZOHO_PIPELINE_REGISTRY": f"sqlite:///{file}"}
    one_line(runner(environment)("channels", "list"), str(file), "leave it there", "ZOHO_PIPELINE_REGISTRY")
    assert content(file) == before


def test_a_folder_that_takes_no_files_is_no_reason_to_wait(simulator: Simulator, tmp_path: Path) -> None:
    environment = environment_for(simulator, tmp_path / "home")
    environment["ZOHO_PIPELINE_WAREHOUSE"] = "duckdb:////proc/warehouse.duckdb"
    one_line(runner(environment)("transform"), "/proc/warehouse.duckdb cannot be used")

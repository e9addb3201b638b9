"""The process of a query is confined, and it ends by itself when nobody waits for it any more."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pytest

from zoho_pipeline.reading.limits import Limits
from zoho_pipeline.reading.query import query
from zoho_pipeline.transform.errors import QueryError
from zoho_pipeline.warehouse.connection import WarehouseError
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

START = "from zoho_pipeline.reading.sandbox import main; main()"
ENDLESS = "with recursive n as (select 1 as i union all select 1 from n) select count(*) from n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create table marts.lead as select 1 as id")
    return path


def request(file: Path, sql: str, **limits: Any) -> bytes:
    place = {"engine": "duckdb", "path": str(file), "name": "published", "schema": "marts", "published": True}
    return json.dumps({"sql": sql, "limits": asdict(Limits(**limits)), **place}).encode()


def test_it_answers_in_lines_of_json(file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", START], input=request(file, "from lead"), capture_output=True)
    parts = [json.loads(line) for line in done.stdout.splitlines()]
    assert parts == [{"ready": True}, {"columns": ["id"]}, {"rows": [[1]]}, {"end": True}]


def test_nothing_but_the_answer_is_in_the_answer(file: Path) -> None:
    """DuckDB shows the progress of a query after two seconds, on standard output. The answer must not contain it."""
    slow = request(file, "select sleep_ms(2500), id from lead")
    done = subprocess.run([sys.executable, "-c", START], input=slow, capture_output=True)
    assert [json.loads(line) for line in done.stdout.splitlines()][-2:] == [{"rows": [[None, 1]]}, {"end": True}]
    assert not done.stderr


def test_it_ends_by_itself_when_its_parent_has_ended(file: Path) -> None:
    orphan = subprocess.Popen([sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    orphan.communicate(request(file, ENDLESS, seconds=0.2), timeout=60)
    assert orphan.returncode != 0


def test_it_can_write_no_file(tmp_path: Path) -> None:
    code = (
        "from zoho_pipeline.reading import sandbox; sandbox._confine(sandbox.Limits())\n"
        "with open('written', 'w') as stream: stream.write('a')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert "File too large" in done.stderr
    assert (tmp_path / "written").stat().st_size == 0


def test_a_module_in_the_working_folder_is_not_run(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = file.parent / "elsewhere"
    folder.mkdir()
    (folder / "signal.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(folder)
    warehouse = DuckDBWarehouse("", file.with_name("b.duckdb"))
    file.rename(warehouse.published_path)
    assert query(warehouse, "from lead").rows == [[1]]


def test_a_file_that_is_no_database_is_named(file: Path) -> None:
    warehouse = DuckDBWarehouse("", file.with_name("b.duckdb"))
    warehouse.published_path.write_bytes(b"no database" * 1000)
    with pytest.raises(WarehouseError, match=r"b\.published\.duckdb"):
        query(warehouse, "from lead")


def test_nothing_is_written_beside_the_file(file: Path) -> None:
    warehouse = DuckDBWarehouse("", file.with_name("b.duckdb"))
    file.rename(warehouse.published_path)
    before = sorted(file.parent.iterdir())
    spilling = "select count(*) from (select distinct a.range * 30000 + b.range from range(30000) a, range(30000) b)"
    with pytest.raises(QueryError, match="memory"):
        query(warehouse, spilling, limits=Limits(memory_mb=64))
    assert sorted(file.parent.iterdir()) == before
    assert not list(Path.cwd().iterdir())

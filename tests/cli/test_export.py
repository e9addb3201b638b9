"""The command `export` and `sql -o`: what they print, what they refuse, and that Ctrl-C leaves no half of a file."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Built
from zoho_pipeline.transform.project.project import Project


@pytest.mark.long
def test_every_shipped_mart_is_exported_in_each_format(first: Built, tmp_path: Path) -> None:
    marts = sorted(Project.load().marts)
    for kind in ("csv", "parquet"):
        answer = first.run("export", *marts, "-o", tmp_path / kind, "--format", kind)
        assert answer.code == 0, answer.err
        assert sorted(path.stem for path in (tmp_path / kind).iterdir()) == marts
    answer = first.run("export", *marts, "-o", tmp_path / "all.xlsx")
    assert answer.code == 0, answer.err
    for mart in marts:
        counted = first.run("sql", f"select count(*) as n from {mart}", "--format", "json").json[0]["n"]
        assert pq.read_metadata(tmp_path / "parquet" / f"{mart}.parquet").num_rows == counted
        assert f"{mart} {counted:,} rows" in answer.out
        declared = {column.name: column.data_type for column in Project.load().marts[mart].docs.columns}
        kinds = {field.name: str(field.type) for field in pq.read_schema(tmp_path / "parquet" / f"{mart}.parquet")}
        for column, kind in kinds.items():
            expected = {"bigint": "int64", "integer": "int64", "text": "string", "double": "double", "boolean": "bool"}
            if declared[column] in expected:
                assert kind == expected[declared[column]], (mart, column)
            elif declared[column] == "timestamp":
                assert kind.startswith("timestamp[us"), (mart, column)
                assert ("UTC" in kind) == (not column.endswith("_local")), (mart, column)
            else:
                assert kind.startswith(declared[column].partition("(")[0].replace("decimal", "decimal128")), (
                    mart,
                    column,
                )


def test_export_prints_files_and_rows(first: Built, tmp_path: Path) -> None:
    answer = first.run("export", "lead", "-o", tmp_path / "lead.csv", "--channel", "acme")
    assert (answer.code, answer.out) == (0, f"{tmp_path}/lead.csv: {len(first.ids)} rows\n")
    assert (tmp_path / "lead.csv").stat().st_mode & 0o777 == 0o600
    again = first.run("export", "lead", "-o", tmp_path / "lead.csv")
    assert again.code == 2
    assert again.err.startswith(f"error: {tmp_path}/lead.csv exists already.")
    assert first.run("export", "lead", "-o", tmp_path / "lead.csv", "--force").code == 0


def test_without_a_place_the_current_folder_is_it(first: Built) -> None:
    assert first.run("export", "lead_volume").code == 0
    assert Path("lead_volume.csv").exists()


@pytest.mark.long
def test_sql_writes_a_file(first: Built, tmp_path: Path) -> None:
    query = "select zoho_lead_id, is_converted from lead order by 1"
    answer = first.run("sql", query, "-o", tmp_path / "leads.parquet")
    assert (answer.code, answer.out) == (0, f"{tmp_path}/leads.parquet: {len(first.ids)} rows\n")
    assert pq.read_table(tmp_path / "leads.parquet").column(0).to_pylist() == first.ids
    raw = first.run("sql", "--raw", "select id from zoho_raw.leads order by 1", "-o", tmp_path / "raw.csv")
    assert raw.code == 0, raw.err
    assert (tmp_path / "raw.csv").read_text().split()[1:] == first.ids


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sql", "select 1", "-o", "x.csv", "--format", "csv"), "the ending of the file is its format"),
        (("sql", "select 1", "--force"), "--force is for a file. Name one with -o"),
        (("sql", "select 1", "--excel"), "--excel is for a file. Name one with -o"),
        (("sql", "select 1", "-o", "x.xlsx", "--excel"), "--excel is for CSV"),
        (("sql", "select 1", "-o", "x"), "no ending that names a format"),
        (("sql", "delete from lead", "-o", "x.csv"), "only reading is allowed"),
        (("sql", "select * from range(11)", "-o", "x.csv", "--max-rows", "10"), "more than 10 rows"),
        (("export",), "Missing argument"),
        (("export", "lead", "-o", "x.json"), "no ending that names a format"),
        (("export", "lead", "--channel", "acm"), "no channel 'acm'. Did you mean 'acme'?"),
    ],
)
def test_wrong_use_is_named_and_leaves_nothing(first: Built, words: tuple[str, ...], message: str) -> None:
    answer = first.run(*words)
    assert answer.code == 2
    assert message in answer.err
    assert answer.out == ""
    assert list(Path().iterdir()) == []


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A HOME whose published file has a mart that takes seconds to export."""
    home = tmp_path / "home"
    home.mkdir()
    with duckdb.connect(str(home / "warehouse.published.duckdb")) as file:
        file.execute("create schema marts")
        file.execute(
            "create table marts.big as select 'a' as channel_id, n as id, 'some text ' || n as text,"
            " timestamp '2026-01-01' + n * interval '1 second' as created_at from range(3000000) as many(n)"
        )
    return home


EXPORT = ("export", "big")
QUERY = ("sql", "select r as n, 'some text' as t from range(1000000000) as many(r)")


@pytest.mark.parametrize(
    ("words", "ending"),
    [
        (EXPORT, "csv"),
        (QUERY, "xlsx"),
        *(
            pytest.param(words, ending, marks=pytest.mark.long)  # 3 s each, and most of it is the same code
            for words, ending in ((EXPORT, "parquet"), (EXPORT, "xlsx"), (QUERY, "csv"), (QUERY, "parquet"))
        ),
    ],
)
def test_ctrl_c_leaves_the_old_file_and_no_rubbish(
    big: Path, tmp_path: Path, words: tuple[str, ...], ending: str
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    place = folder / f"x.{ending}"
    place.write_text("old")
    # a shell starts its background jobs, and so these tests, with Ctrl-C ignored
    program = "import signal; signal.signal(2, signal.default_int_handler); from zoho_pipeline.cli import main; main()"
    command = [sys.executable, "-c", program, *words, "-o", str(place), "--force"]
    environment = {"PATH": os.environ["PATH"], "ZOHO_PIPELINE_HOME": str(big), "PYTHONPATH": ":".join(sys.path)}
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not any(
        part.is_file() and part.stat().st_size > 100_000
        for part in (*folder.glob(".*.part"), *folder.glob(".*.part/*"))
    ):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    try:
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert said.strip().startswith("stopped by Ctrl-C")
    assert "Traceback" not in said
    assert "nanobind" not in said
    assert (place.read_text(), [path.name for path in folder.iterdir()]) == ("old", [place.name])


PEAK = """
import sys
from benchmarks._peak_memory import peak_memory
from zoho_pipeline.cli import main
try:
    main()
finally:
    print(peak_memory(), file=sys.stderr)
"""


@pytest.mark.long
@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_the_memory_does_not_grow_with_the_rows(first: Built, tmp_path: Path, ending: str) -> None:
    """The peak of an export of 40 times as many rows is hardly higher."""
    peaks = []
    for rows in (50_000, 2_000_000):
        query = (
            "select n, 'text ' || n as t, cast(n as decimal(18, 4)) as d, timestamp '2026-01-01'"
            f" + n * interval '1 second' as created_at from range({rows}) as r(n)"
        )
        command = [sys.executable, "-c", PEAK, "sql", query, "-o", str(tmp_path / f"{rows}.{ending}")]
        environment = {"PATH": os.environ["PATH"], "ZOHO_PIPELINE_HOME": str(first.home)}
        done = subprocess.run(
            command, env=environment | {"PYTHONPATH": ":".join(sys.path)}, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stderr.split()[-1]))
    assert peaks[1] < peaks[0] + 150_000_000, f"{peaks} bytes"

"""A file takes its place as a whole, replaces another one only on request, and leaves no rubbish."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.transform.conftest import Raw
from zoho_pipeline.exports.errors import ExportError, WrongPlace
from zoho_pipeline.exports.export import Format, export_marts, export_query
from zoho_pipeline.exports.places import drafts
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform.errors import NotPublished, QueryError
from zoho_pipeline.warehouse.warehouse import Warehouse, open_warehouse

pytestmark = pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def test_a_file_is_replaced_only_on_request(marts: Warehouse, folder: Path) -> None:
    place = folder / "lead.csv"
    place.write_text("old")
    place.chmod(0o640)
    with pytest.raises(WrongPlace, match="exists already"):
        export_marts(marts, ["lead"], place)
    assert place.read_text() == "old"
    export_marts(marts, ["lead"], place, force=True)
    assert place.read_text().startswith("channel_id,")
    assert place.stat().st_mode & 0o777 == 0o640, "who could read it can read it still"
    assert names(folder) == {"lead.csv"}


KILLED = """
import os, sys
from pathlib import Path
from zoho_pipeline.exports.places import drafts, rows_of
with drafts([Path(sys.argv[1], name) for name in ("lead.xlsx", "deal.xlsx")], force=True) as made:
    made[0].write_text("a lead")
    rows_of(made[0]).mkdir()
    (rows_of(made[0]) / "sheet").write_text("a lead")
    os.kill(os.getpid(), 9)
"""


def test_the_drafts_of_a_killed_export_are_removed_and_nothing_else(marts: Warehouse, folder: Path) -> None:
    """They have rows of people. The drafts of a living export stay, and files that only look like drafts."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert (killed.returncode, len(names(folder))) == (-signal.SIGKILL, 3)
    others = {".0123456789abcdef.part", ".zoho-pipeline-.part", "zoho-pipeline-0123456789abcdef.part"}
    for name in others:
        (folder / name).write_text("of somebody else")
    (folder / ".zoho-pipeline-0123456789abcdef.part").symlink_to(folder / ".0123456789abcdef.part")
    os.mkfifo(folder / ".zoho-pipeline-1123456789abcdef.part")
    others |= {".zoho-pipeline-0123456789abcdef.part", ".zoho-pipeline-1123456789abcdef.part"}
    with drafts([folder / "living.csv"], force=False) as (living,):
        export_marts(marts, ["lead"], folder / "lead.csv")
        assert names(folder) == others | {living.name, "lead.csv"}
        living.write_text("of a living export")
    assert names(folder) == others | {"living.csv", "lead.csv"}
    assert (folder / "living.csv").read_text() == "of a living export"
    assert (folder / ".0123456789abcdef.part").read_text() == "of somebody else"


def test_a_file_without_an_ending_is_no_folder(marts: Warehouse, folder: Path) -> None:
    (folder / "leads").write_text("old")
    for place in (folder / "leads", Path(os.devnull)):
        with pytest.raises(WrongPlace, match=r"is no folder\. Name a folder, or a file that ends with"):
            export_marts(marts, ["lead"], place)
    assert (folder / "leads").read_text() == "old"


def test_a_link_stays_a_link(marts: Warehouse, folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real.csv"
    real.write_text("old")
    (folder / "link.csv").symlink_to(real)
    export_marts(marts, ["lead"], folder / "link.csv", force=True)
    assert (folder / "link.csv").is_symlink()
    assert real.read_text().startswith("channel_id,")


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
@pytest.mark.long
def test_an_error_in_the_middle_leaves_the_old_file(marts: Warehouse, folder: Path, ending: str) -> None:
    place = folder / f"x.{ending}"
    place.write_text("old")
    failing = "select case when n < 150000 then n else cast('x' || n as integer) end as a from range(200000) as r(n)"
    with pytest.raises(QueryError):
        export_query(marts, failing, place, force=True)
    assert (place.read_text(), names(folder)) == ("old", {place.name})


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_several_marts_go_into_a_folder(marts: Warehouse, tmp_path: Path, kind: Format) -> None:
    written = export_marts(marts, ["lead", "insight"], tmp_path / "new", kind=kind)
    assert [(file.path.name, file.rows) for file in written] == [
        (f"lead.{kind}", {"lead": 3}),
        (f"insight.{kind}", {"insight": 2}),
    ]
    assert names(tmp_path / "new") == {f"lead.{kind}", f"insight.{kind}"}


def test_none_of_several_files_is_replaced_where_one_exists(marts: Warehouse, folder: Path) -> None:
    (folder / "insight.csv").write_text("old")
    with pytest.raises(WrongPlace, match=r"insight\.csv exists already"):
        export_marts(marts, ["lead", "insight"], folder)
    assert names(folder) == {"insight.csv"}


def test_a_new_folder_goes_again_where_nothing_comes_into_it(marts: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(WrongPlace, match="--excel is for CSV"):
        export_marts(marts, ["lead"], tmp_path / "new", kind="parquet", for_spreadsheet=True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("place", "kind", "message"),
    [
        ("x.txt", None, "no ending that names a format. Name a file that ends with .csv, .parquet or .xlsx"),
        ("both.csv", None, "2 marts do not fit into"),
        (".csv", None, r"\.csv is only an ending\. Put a name before it, such as leads\.csv"),
        (".XLSX", "csv", r"\.XLSX is only an ending\. Put a name before it, such as leads\.xlsx"),
        ("x.csv", "parquet", "--format parquet does not fit"),
        ("no/such/x.xlsx", None, "no/such does not exist. Make it first"),
        ("no/such", None, "no/such does not exist. Make it first"),
        ("pipe.xlsx", None, "is no ordinary file"),
        ("loop.xlsx", None, "loop.xlsx leads to itself by symbolic links"),
        ("x" * 300 + ".xlsx", None, "cannot be used: File name too long"),
    ],
)
def test_a_wrong_place_is_named_with_its_cure(
    marts: Warehouse, folder: Path, place: str, kind: Format | None, message: str
) -> None:
    os.mkfifo(folder / "pipe.xlsx")
    (folder / "loop.xlsx").symlink_to("loop.xlsx")
    with pytest.raises(WrongPlace, match=message):
        export_marts(marts, ["lead", "insight"], folder / place, kind=kind, force=True)
    assert names(folder) == {"pipe.xlsx", "loop.xlsx"}


def test_the_standard_output_is_no_file(marts: Warehouse, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for export in (
        lambda: export_marts(marts, ["lead"], Path("-")),
        lambda: export_query(marts, "select 1", Path("-")),
    ):
        with pytest.raises(WrongPlace, match="sql --format csv"):
            export()
    assert names(folder) == set()


def test_a_full_disk_leaves_the_old_file(marts: Warehouse, folder: Path) -> None:
    place = folder / "x.csv"
    place.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, hard))
    try:
        with pytest.raises(ExportError, match=r"cannot be written in .* is unchanged"):
            export_marts(marts, ["lead"], place, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (place.read_text(), names(folder)) == ("old", {"x.csv"})


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_a_folder_that_takes_no_file_is_named(marts: Warehouse, ending: str) -> None:
    """`/proc` takes no file from anybody, as a file system that is read-only."""
    with pytest.raises(ExportError, match=r"cannot be written in /proc: .* What was there before is unchanged"):
        export_query(marts, "select 1 as a", Path(f"/proc/x.{ending}"))


def test_only_the_rows_of_the_named_channels(marts: Warehouse, folder: Path) -> None:
    export_marts(marts, ["lead"], folder / "b.parquet", channels=["b"])
    assert pq.read_table(folder / "b.parquet").column("channel_id").to_pylist() == ["b"]


@pytest.mark.parametrize(
    ("marts_", "channels", "message"),
    [
        (["leed"], None, "there is no mart 'leed'. Did you mean 'lead'?"),
        (["lead"], ["zz"], "the marts have no channel 'zz'. There are: a, b."),
        (["lead", "no"], None, "there is no mart 'no'"),
    ],
)
def test_a_wrong_name_is_named_with_its_cure(
    marts: Warehouse, folder: Path, marts_: list[str], channels: list[str] | None, message: str
) -> None:
    with pytest.raises(QueryError) as caught:
        export_marts(marts, marts_, folder, channels=channels)
    assert str(caught.value).startswith(message)
    assert names(folder) == set()


def test_before_the_first_transform_the_cure_is_named(warehouse: Warehouse, tmp_path: Path, folder: Path) -> None:
    empty = open_warehouse(Settings(tmp_path / "none", f"duckdb:///{tmp_path}/none/warehouse.duckdb", ""))
    for export in (
        lambda: export_marts(empty, ["lead"], folder),
        lambda: export_query(empty, "select 1", folder / "x.csv"),
    ):
        with pytest.raises(NotPublished, match="zoho-pipeline transform"):
            export()
    assert names(folder) == set()


@pytest.mark.long
def test_raw_tables_can_be_exported_too(marts: Warehouse, raw: Raw, folder: Path) -> None:
    export_query(marts, "select channel_id, id from leads order by 1, 2", folder / "x.csv", raw=True)
    assert (folder / "x.csv").read_text().splitlines() == ["channel_id,id", "a,1", "a,2", "b,1"]

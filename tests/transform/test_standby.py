"""The standby of the published file: who keeps it from being written, what a kill leaves, and when it must go."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.params import combined, each_nth
from tests.transform.conftest import Raw, write_project
from tests.transform.copied import copied
from zoho_pipeline.transform.run.published_files.files import STANDBY
from zoho_pipeline.transform.run.published_files.forget import forget_in_published_files
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

KNOWN = ("a", "b", "c", "d", "e")


class World:
    """A warehouse with five channels, of which one changes at a time."""

    def __init__(self, folder: Path, published: Path | None = None) -> None:
        self.folder, self.models = folder, write_project(folder / "sql")
        self.warehouse = self.placed(published)
        self.raw = Raw(self.warehouse)
        for channel in KNOWN:
            self.raw.channel(channel)
            self.raw.lead(channel, "1")
        self._leads = 1

    def placed(self, published: Path | None) -> DuckDBWarehouse:
        """The warehouse with another value of ZOHO_PIPELINE_PUBLISHED."""
        url = f"duckdb:///{self.folder}/home/warehouse.duckdb"
        self.warehouse = DuckDBWarehouse.from_url(url, published)
        return self.warehouse

    @property
    def published(self) -> Path:
        return self.warehouse.published_path

    @property
    def standby(self) -> Path:
        return self.published.with_name(self.published.name + STANDBY)

    def publish(self, channel: str = "a") -> bool:
        """Publish one more lead of a channel. Whether the older file was written, and nothing was copied."""
        self._leads += 1
        self.raw.lead(channel, str(self._leads))
        copied()
        assert transform(self.warehouse, project=self.models).channels == (channel,)
        with self.warehouse.connect() as connection:
            counted = "select channel_id, count(*) from zoho_raw.leads group by channel_id"
            assert self.leads() == dict(connection.fetch(counted)[1])
        return not copied()

    def leads(self, path: Path | None = None) -> dict[str, int]:
        with duckdb.connect(str(path or self.published), read_only=True) as connection:
            counted = "select channel_id, count(*) from marts.lead group by all order by all"
            return dict(connection.execute(counted).fetchall())


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world with a standby that the next publication takes."""
    made = World(tmp_path)
    transform(made.warehouse, project=made.models)
    assert not made.publish(), "the first change has no standby yet"
    return made


@pytest.mark.long
def test_two_files_take_turns_and_readers_see_one(world: World) -> None:
    files = {world.published.stat().st_ino, world.standby.stat().st_ino}
    for channel in ("b", "a", "a"):
        older = world.leads()
        assert world.publish(channel)
        assert world.leads(world.standby) == older
        assert {world.published.stat().st_ino, world.standby.stat().st_ino} == files
    assert {path.stat().st_mode & 0o777 for path in (world.published, world.standby)} == {0o600}
    names = {path.name for path in world.published.parent.iterdir() if path.suffix not in (".lock", ".duckdb")}
    assert names == {world.standby.name, "tmp"}, "there is no draft, and no other file"


READER = """
import sys, duckdb
def opened():
    instance = duckdb.connect()
    instance.execute(f"attach '{sys.argv[1]}' as published (read_only)")
    return instance
first, second = opened(), opened()
print("open", flush=True)
for line in sys.stdin:
    if "close" in line:
        second.close()  # the system drops the process's locks on the file, also those of the first instance
    print(first.execute("select count(*), count(distinct id) from published.marts.lead").fetchall(), flush=True)
"""


class Reader:
    """Another process that keeps the published file open, as a BI tool does."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-P", "-c", READER, str(path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._answer() == "open"

    def ask(self, line: str = "count") -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        self._process.communicate()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    reader = Reader(path)
    try:
        yield reader
    finally:
        reader.end()


@pytest.mark.long
@pytest.mark.parametrize("what", ["count", "close"])
def test_a_reader_keeps_his_file_also_where_his_locks_are_gone(world: World, what: str) -> None:
    """Locks of DuckDB end when the process closes one of two openings, so they cannot protect the reader."""
    with reading(world.published) as reader:
        seen = reader.ask(what)
        inode = world.published.stat().st_ino
        assert world.publish("b"), "his file becomes the standby"
        assert not world.publish("b"), "his file must not be written, so the published one is copied"
        assert world.publish("c"), "one copy is enough, however long he reads"
        assert inode not in {path.stat().st_ino for path in (world.published, world.standby)}
        assert reader.ask() == seen
    assert world.publish("d")


def test_an_open_standby_of_this_process_is_not_written(world: World) -> None:
    with world.standby.open("rb") as stream:
        before = stream.read()
        assert not world.publish("b")
        stream.seek(0)
        assert stream.read() == before


def test_a_backup_of_hard_links_stays_as_it_was(world: World, tmp_path: Path) -> None:
    os.link(world.published, tmp_path / "backup.duckdb")
    content = (tmp_path / "backup.duckdb").read_bytes()
    assert world.publish("b")
    assert not world.publish("b")
    assert (tmp_path / "backup.duckdb").read_bytes() == content


@pytest.mark.long
def test_a_pool_that_nobody_reads_lets_the_old_file_go(world: World) -> None:
    pool = world.warehouse.published_pool()
    with pool.reading() as connection:
        assert connection is not None
        assert connection.fetch("select count(*) from lead")[1] == [(6,)]
    inode = world.published.stat().st_ino
    assert world.publish("b")
    deadline = time.monotonic() + 60
    while inode in open_inodes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert world.publish("b"), "the instance of the pool was closed"
    with pool.reading() as connection:
        assert connection is not None
        assert connection.fetch("select count(*) from lead")[1] == [(8,)]
    pool.close()


def open_inodes() -> set[int]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.stat(f"/proc/self/fd/{name}").st_ino)
        except OSError:
            continue
    return found


def damage(path: Path) -> None:
    at, content = path.stat().st_mtime_ns, path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))
    os.utime(path, ns=(at, at))


def remove(path: Path) -> None:
    path.unlink()


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").touch()


def replace_by_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def edit(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("delete from marts.lead where channel_id = 'e'")
        connection.execute("insert into marts.lead select * from marts.lead where channel_id = 'd'")


def add_table(path: Path) -> None:
    at = path.stat().st_mtime_ns
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table marts.notes as select 'a' as channel_id")
    os.utime(path, ns=(at, at))


@pytest.mark.parametrize("what", [damage, remove, replace_by_folder, replace_by_link, edit, add_table])
@pytest.mark.long
def test_a_standby_that_is_not_the_file_we_left_is_not_used(world: World, what: Callable[[Path], None]) -> None:
    what(world.standby)
    assert not world.publish("b")
    assert stat.S_ISREG(os.lstat(world.standby).st_mode)
    assert world.publish("c")


@pytest.mark.long
def test_what_a_person_wrote_into_the_published_file_stays(world: World) -> None:
    """The file of the turn before does not have it, so there is a copy first."""
    with duckdb.connect(str(world.published)) as connection:
        connection.execute("create table marts.notes as select 'mine' as note")
    for channel in ("b", "c", "b"):
        assert not world.publish(channel), "nobody knows which rows of the table belong to which channel"
        with duckdb.connect(str(world.published), read_only=True) as connection:
            assert connection.execute("select note from marts.notes").fetchall() == [("mine",)]


@pytest.mark.long
def test_a_published_file_of_a_backup_is_copied(world: World, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copy2(world.published, backup)
    assert world.publish("b")
    shutil.copy2(backup, world.published)
    transform(world.warehouse, project=world.models)
    assert world.leads() == {"a": 2, "b": 2, "c": 1, "d": 1, "e": 1}
    assert world.publish("c")


def test_no_standby_has_rows_of_a_removed_channel(world: World) -> None:
    world.raw.run("delete from zoho_raw.leads where channel_id = 'b'")
    world.raw.run("delete from zoho_raw.channels where channel_id = 'b'")
    assert transform(world.warehouse, project=world.models).removed == ("b",)
    assert "b" not in world.leads()
    assert not world.standby.exists()


@pytest.mark.long
def test_a_full_rebuild_leaves_no_older_rows(world: World) -> None:
    transform(world.warehouse, project=world.models, full=True)
    assert not world.standby.exists()
    assert [world.publish("b") for _ in range(2)] == [False, True]


def test_a_channel_is_forgotten_in_the_standby_too(world: World) -> None:
    world.raw.lead("b", "PlantedLead")
    transform(world.warehouse, project=world.models)
    world.publish("c")
    assert b"PlantedLead" in world.standby.read_bytes()
    forget_in_published_files(world.warehouse, "b")
    assert not [p for p in world.published.parent.iterdir() if "published" in p.name and b"Planted" in p.read_bytes()]
    with duckdb.connect(str(world.published), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.lead where channel_id = 'b'").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("then", "back"), combined(["forget", "transform"], [True, False], quick=[("forget", True), ("transform", False)])
)
@pytest.mark.long
def test_the_standby_of_an_earlier_place_goes(world: World, tmp_path: Path, then: str, back: bool) -> None:
    bi, other = tmp_path / "bi", tmp_path / "other"
    for folder in (bi, other):
        folder.mkdir()
    at_home = world.standby
    world.placed(bi / "zoho.duckdb")
    transform(world.warehouse, project=world.models)
    assert not at_home.exists()
    assert [world.publish("b") for _ in range(3)] == [False, True, True]
    standby = world.standby
    assert {path.name: path.stat().st_mode & 0o777 for path in bi.iterdir()} == {
        "zoho.duckdb": 0o640,
        standby.name: 0o600,
    }
    shutil.move(bi / "zoho.duckdb", other / "zoho.duckdb")
    world.placed(None if back else other / "zoho.duckdb")
    if back:
        shutil.move(other / "zoho.duckdb", world.published)
    if then == "forget":
        forget_in_published_files(world.warehouse, "a")
    else:
        transform(world.warehouse, project=world.models)
    assert not standby.exists()
    assert not at_home.is_symlink()


KILLED = """
import json, os, shutil, signal, sys, traceback
from pathlib import Path
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

root, models, steps = Path(sys.argv[1]), Project.load(Path(sys.argv[2])), []
for number in range(60):
    home = root / f"killed{number}" / "home"
    shutil.copytree(root / "home", home, copy_function=shutil.copy2)
    if not (child := os.fork()):
        count = 0

        def die(event, arguments):
            global count
            if event in ("os.rename", "os.link", "os.remove", "os.chmod", "os.utime") and "published" in str(arguments):
                if count == number:
                    (home.parent / "step").write_text(f"{event} {[Path(str(a)).suffix for a in arguments[:2]]}")
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1

        try:
            sys.addaudithook(die)
            transform(DuckDBWarehouse.from_url(f"duckdb:///{home}/warehouse.duckdb"), project=models)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status == 0:
        break
    assert status == signal.SIGKILL, status
    steps.append((home.parent / "step").read_text())
print(json.dumps(steps))
"""


@pytest.mark.long
def test_a_kill_at_any_step_leaves_one_whole_published_file(world: World, tmp_path: Path) -> None:
    before = world.leads()
    world.raw.lead("b", "PlantedLead")
    command = [sys.executable, "-P", "-c", textwrap.dedent(KILLED), str(tmp_path), str(tmp_path / "sql")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)
    assert any("os.link" in step for step in steps), steps
    assert len([step for step in steps if "os.rename" in step]) == 2, "the standby is taken, and the draft put in place"
    after = before | {"b": 2}
    states = []
    for number in range(len(steps)):
        home = tmp_path / f"killed{number}" / "home"
        killed = DuckDBWarehouse.from_url(f"duckdb:///{home}/warehouse.duckdb")
        states.append(world.leads(killed.published_path))
        assert states[-1] in (before, after), steps[number]
        transform(killed, project=world.models)
        assert world.leads(killed.published_path) == after, steps[number]
        _Resumed(killed).lead("c", "2")
        transform(killed, project=world.models)
        assert world.leads(killed.published_path) == after | {"c": 2}, steps[number]
        assert not list(home.glob("*.draft*")), steps[number]
    assert states[0] == before
    assert states[-1] == after


class _Resumed(Raw):
    """A writer of raw tables that exist already."""

    def __init__(self, warehouse: DuckDBWarehouse) -> None:
        self._warehouse, self._stamp = warehouse, 30


LIMITED = """
import resource, sys
from pathlib import Path
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.duckdb_warehouse import DuckDBWarehouse

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
warehouse = DuckDBWarehouse.from_url(f"duckdb:///{sys.argv[1]}/home/warehouse.duckdb")
transform(warehouse, project=Project.load(Path(sys.argv[1]) / "sql"))
"""


@pytest.mark.parametrize(("room", "standby"), each_nth(3, [(5_000, True), (-5_000, False), (-2_000_000, True)]))
@pytest.mark.long
def test_a_file_that_may_not_grow_loses_nothing(world: World, tmp_path: Path, room: int, standby: bool) -> None:
    """A limit of sizes makes the writes fail, as a full disk does."""
    before, content = world.leads(), world.published.read_bytes()
    if not standby:
        world.standby.unlink()  # so the file is copied
    world.raw.run(
        "insert into zoho_raw.leads select 'b', 'x' || i, '1', repeat(md5(i::text), 30), now() from range(5000) as r(i)"
    )
    command = [sys.executable, "-P", "-c", LIMITED, str(tmp_path), str(len(content) + room)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert done.returncode == 1, done.stderr
    told = done.stderr.strip().splitlines()[-1]
    assert re.search(r"TransformError: the marts cannot be published in .*File too large.*make room", told), told
    assert "damaged" not in told
    assert world.published.read_bytes() == content
    transform(world.warehouse, project=world.models)
    assert world.leads() == before | {"b": 5001}
    assert world.publish("c")

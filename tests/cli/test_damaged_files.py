"""Each file of HOME, damaged in several ways: one line that names it, and a cure that works.

A test carries out the cure that the line names, and shows that the product works again.
"""

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import CLIENT, Answer, Built, small_org
from tests.cli.test_read_only_home import Reader
from tests.params import choice
from zoho_pipeline.zoho.accounts.scopes import DEFAULT_SCOPES

COUNT = "select count(*) as n from lead"
COUNT_RAW = "select count(*) as n from zoho_raw.leads"


def _cut(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("of somebody")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut in half": _cut,
    "emptied": lambda path: path.write_bytes(b""),
    "random bytes": lambda path: path.write_bytes(random.Random(7).randbytes(20_000)),
    "a folder": _folder,
    "text of another kind": lambda path: path.write_text("lorem ipsum\n" * 2_000),
}


@pytest.fixture
def damage(how: str) -> Callable[[Path], object]:
    return DAMAGES[how]


def each_damage(*quick: str) -> pytest.MarkDecorator:
    """Run a test with every damage, and in `make test` with these alone."""
    return pytest.mark.parametrize("how", choice(DAMAGES, quick))


def one_line(answer: Answer, *named: str) -> str:
    """The one `error:` line of a command that failed; it contains these texts."""
    assert answer.code == 1, (answer.out, answer.err)
    (line,) = answer.err.strip().splitlines()
    assert line.startswith("error: ")
    for text in named:
        assert text in line, line
    return line


def works(answer: Answer) -> None:
    assert answer.code == 0, (answer.out, answer.err)


def move_away(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}.damaged"))


def connect_again(built: Built) -> None:
    built.add("acme", built.org, " ".join(DEFAULT_SCOPES))


@pytest.mark.long
@each_damage("random bytes")
def test_the_warehouse(built: Built, damage: Callable[[Path], object]) -> None:
    file = built.home / "warehouse.duckdb"
    damage(file)
    one_line(built.run("sync", "acme"), str(file), "is damaged", "move it away", "zoho-pipeline sync")
    one_line(built.run("transform"), str(file), "is damaged")
    raw = built.run("sql", "--raw", COUNT_RAW)
    if raw.code:  # the rows may be in the half that is left
        one_line(raw, str(file), "move it away")
    works(built.run("sql", COUNT))  # the published file is whole

    move_away(file)
    works(built.run("sync", "acme"))
    assert built.count("zoho_raw.leads") >= len(built.ids)
    works(built.run("transform"))


@pytest.mark.long
@each_damage("cut in half")
def test_the_published_file(built: Built, damage: Callable[[Path], object]) -> None:
    file = built.home / "warehouse.published.duckdb"
    damage(file)
    for command in (("transform",), ("sql", COUNT), ("insight", "acme")):
        one_line(built.run(*command), str(file), "is damaged", "backup", "move it away", "zoho-pipeline transform")

    move_away(file)
    works(built.run("transform"))
    works(built.run("sql", COUNT))
    works(built.run("insight", "acme"))


@pytest.mark.long
@each_damage("emptied", "random bytes")
def test_the_registry(built: Built, damage: Callable[[Path], object]) -> None:
    file = built.home / "registry.sqlite"
    damage(file)
    commands = (("sync", "acme"), ("channels", "list"), ("transform",))
    if file.is_file() and file.stat().st_size == 0:  # to SQLite that is a new database, so nobody is connected
        one_line(built.run("sync", "acme"), "there is no channel 'acme'", "zoho-pipeline channels add")
    else:
        for command in commands:
            one_line(built.run(*command), str(file), "is damaged", "backup", "move it away", "zoho-pipeline connect ID")
        move_away(file)
    connect_again(built)
    works(built.run("sync", "acme"))
    works(built.run("transform"))
    assert built.count("zoho_raw.leads") >= len(built.ids)


@pytest.mark.parametrize(
    "spoil",
    choice(
        [
            "update registry_channels set scopes = '{'",
            "update registry_channels set connected_at = 'yesterday'",
            "update registry_modules set upper_bound = 'yesterday'",
            "subscription",
        ],
        ["update registry_channels set scopes = '{'"],
    ),
)
def test_a_damaged_row_of_the_registry(built: Built, spoil: str) -> None:
    """Removing the channel, which is the cure, needs no row that can be read."""
    org = small_org(built.simulator)  # the removal revokes a token, and that of `acme` serves other tests
    built.add("twin", org, " ".join(DEFAULT_SCOPES))
    works(built.run("sync", "twin"))
    with sqlite3.connect(built.home / "registry.sqlite") as connection:
        if spoil == "subscription":
            spoil = _full_of_braces(connection, "registry_push_subscriptions")
        else:
            spoil += " where channel_id = 'twin'"
        assert connection.execute(spoil).rowcount
    removed = built.run("channels", "remove", "twin")
    assert removed.code == 0, removed.err
    built.add("twin", org, " ".join(DEFAULT_SCOPES))
    works(built.run("sync", "twin"))
    works(built.run("sync", "acme"))
    works(built.run("push", "status"))


def _full_of_braces(connection: sqlite3.Connection, table: str) -> str:
    """The statement that inserts a row of channel twin in which every text is `{`, which is no JSON."""
    columns = connection.execute(f"pragma table_info({table})").fetchall()
    values = {"channel_id": "'twin'"} | {
        name: "'{'" if kind.startswith(("VARCHAR", "TEXT")) else "'2026-05-01 10:00:00'" if "DATE" in kind else "0"
        for _, name, kind, *_ in columns
        if name != "channel_id"
    }
    return f"insert into {table} ({', '.join(values)}) values ({', '.join(values.values())})"


@each_damage("cut in half")
def test_the_key_file(built: Built, damage: Callable[[Path], object]) -> None:
    file = built.home / "secret.key"
    damage(file)
    for command in (("sync", "acme"), ("channels", "list"), ("channels", "verify", "acme")):
        one_line(built.run(*command), str(file), "is damaged", "backup", "remove it", "zoho-pipeline channels add")

    shutil.rmtree(file) if file.is_dir() else file.unlink()
    one_line(built.run("sync", "acme"), "no key decrypts", "channel acme", "zoho-pipeline channels add acme")
    works(built.run("channels", "list"))
    connect_again(built)
    works(built.run("sync", "acme"))


def test_a_key_file_with_another_key(built: Built) -> None:
    """It is a usable key, but not the one that encrypted the tokens."""
    (built.home / "secret.key").write_bytes(b"\xef\xbb\xbf" + b"k" * 40 + b"\r\n")  # as an editor on Windows saves it
    one_line(built.run("channels", "verify", "acme"), "no key decrypts", "channels add acme")
    connect_again(built)
    works(built.run("channels", "verify", "acme"))


def test_a_key_file_that_was_saved_on_windows_is_the_same_key(built: Built) -> None:
    file = built.home / "secret.key"
    file.write_bytes(("\ufeff" + file.read_text() + "\r\n").encode("utf-16-le"))
    works(built.run("channels", "verify", "acme"))


@pytest.mark.long
@each_damage("emptied")
def test_the_folder_of_dlt(built: Built, damage: Callable[[Path], object]) -> None:
    """What earlier runs left in it does not matter. Only a file in the place of a folder is in the way."""
    for folder in (built.home / "dlt", built.home / "dlt" / "zoho_crm__acme"):
        shutil.rmtree(folder, ignore_errors=True)
        folder.write_bytes(b"x" * 100)
        damage(folder)
        if folder.is_file():
            works(built.run("sync", "acme"))  # nothing is new, so nothing is loaded
            one_line(built.run("sync", "acme", "--full"), str(folder), "Remove what is in its place")
            folder.unlink()
        works(built.run("sync", "acme", "--full"))


@pytest.mark.long
@each_damage("a folder")
def test_the_lock_files(built: Built, damage: Callable[[Path], object]) -> None:
    """The content of a lock file does not matter. A folder in its place is in the way."""
    locks = [*(built.home / "locks").glob("*.lock"), *built.home.glob("*.lock")]
    assert len(locks) >= 3
    for lock in locks:
        lock.write_bytes(b"x" * 100)
        damage(lock)
    for _ in locks:
        answer = built.run("sync", "acme")
        if answer.code == 0:
            answer = built.run("transform", "--full")
        if answer.code == 0:
            break
        line = one_line(answer, "lock file", "folder")
        (named,) = [lock for lock in locks if f"{lock} " in line]
        shutil.rmtree(named)
    works(built.run("sync", "acme"))
    works(built.run("transform"))


def test_the_folder_of_locks(built: Built) -> None:
    shutil.rmtree(built.home / "locks")
    (built.home / "locks").write_text("a file")
    one_line(built.run("sync", "acme"), str(built.home / "locks"), "Remove what is in its place")
    (built.home / "locks").unlink()
    works(built.run("sync", "acme"))


@pytest.mark.long
def test_drafts_that_a_killed_run_left_are_removed_whatever_they_are(built: Built) -> None:
    for end in (".draft", ".draft.wal", ".spill"):
        (built.home / f"warehouse.published.duckdb{end}").mkdir()
    works(built.run("transform", "--full"))
    assert not list(built.home.glob("*.draft*"))


def test_a_damaged_write_ahead_log_of_the_warehouse(built: Built) -> None:
    """DuckDB ignores a log whose first entry is damaged. The rows that were only there are read from Zoho again."""
    (built.home / "warehouse.duckdb.wal").write_bytes(random.Random(7).randbytes(5_000))
    works(built.run("sync", "acme"))
    assert built.count("zoho_raw.leads") >= len(built.ids)


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    ["registry.sqlite", "secret.key", "warehouse.duckdb", "warehouse.published.duckdb"],
)
def test_a_file_that_this_user_may_not_read(built: Built, tmp_path: Path, name: str) -> None:
    """The modes of files hold for the user of a separate process only, because tests may run as root."""
    (tmp_path / "cwd").mkdir()
    reader = Reader(built.home, tmp_path / "cwd", ZOHO_CLIENT_ID=CLIENT[0], ZOHO_CLIENT_SECRET=CLIENT[1])
    (built.home / name).chmod(0)
    refused = reader("transform")
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert name in line
    assert "ermission denied" in line
    assert "damaged" not in line
    (built.home / name).chmod(0o600)
    cured = reader("transform")
    assert cured.returncode == 0, cured.stderr

"""Text files as Windows makes them: each one is read, or one line says what to do."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Built, Run
from tests.cli.test_bad_input import ADD, refused
from zoho_pipeline.channels.errors import LockLost
from zoho_pipeline.cli.data import for_each_channel

ENCODINGS = {"BOM": "utf-8-sig", "Notepad's Unicode": "utf-16", "UTF-16 BE": "utf-16-be"}


def as_windows(text: str, encoding: str) -> bytes:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    return (mark + text.replace("\n", "\r\n")).encode(encoding)


@pytest.fixture(params=ENCODINGS.values(), ids=list(ENCODINGS))
def encoding(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_token_file(run: Run, token: Path, encoding: str) -> None:
    token.write_bytes(as_windows(token.read_text(), encoding))
    answer = run(*ADD, token)
    assert answer.code == 0, answer.err


def test_a_token_on_standard_input(run: Run, token: Path) -> None:
    answer = run(*ADD, "-", stdin="\ufeff" + token.read_text())
    assert answer.code == 0, answer.err


def test_an_env_file(built: Built, encoding: str) -> None:
    text = "# settings\nZOHO_PIPELINE_SYNC_LAG=soon\nZOHO_PIPELINE_LOG_LEVEL='INFO'\n"
    Path(".env").write_bytes(as_windows(text, encoding))
    answer = built.run("channels", "list", ZOHO_PIPELINE_SYNC_LAG="0")
    assert answer.code == 0, answer.err
    refused(built.run("channels", "list", ZOHO_PIPELINE_SYNC_LAG=None), 2, "ZOHO_PIPELINE_SYNC_LAG is 'soon'")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"ZOHO_CLIENT_ID=caf\xe9\n", "is not UTF-8 text. Save it in UTF-8"),
        (b"\xff\xfea", "is not UTF-8 text"),
        (b"ZOHO_CLIENT_ID=a\0b\n", "is not a text file"),
        (b"A=1\n\nZOHO_CLIENT_ID='never closed\n", "line 3: this line cannot be read"),
        (b"# c\nZOHO_PIPELINE_HOME\n", "line 2: this line cannot be read. Write NAME=value"),
        (
            b"ZOHO_PIPELINE_HOME=a\n\n# c\nexport ZOHO_PIPELINE_HOME=b\n",
            "line 4: ZOHO_PIPELINE_HOME has another value on",
        ),
    ],
)
def test_an_env_file_that_cannot_be_read_is_named(run: Run, home: Path, data: bytes, said: str) -> None:
    Path(".env").write_bytes(data)
    refused(run("channels", "list"), 2, str(Path.cwd() / ".env"), said)
    assert not home.exists()


def test_an_env_file_with_lines_of_other_programs(run: Run) -> None:
    Path(".env").write_bytes(b"ZOHO_CLIENT_ID=a\nZOHO_CLIENT_ID='a'\nNAME\nNAME=1\nNAME=2\nOTHER='never closed\n")
    assert run("channels", "list").code == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (Path.mkdir, "is not a file"),  # Docker makes a folder where it is told to mount a file that is missing
        (os.mkfifo, "is not a file"),
        (lambda path: path.symlink_to("missing"), "No such file"),
        (lambda path: path.symlink_to(".env"), "symbolic links"),
    ],
)
def test_something_else_in_the_place_of_the_env_file(
    run: Run, home: Path, make: Callable[[Path], None], said: str
) -> None:
    """If nothing were said, its settings would not count, and the commands would work in another HOME."""
    make(Path(".env"))
    refused(run("channels", "list"), 2, str(Path.cwd() / ".env"), said)
    assert not home.exists()


def test_the_files_of_channels_set(built: Built, encoding: str, tmp_path: Path) -> None:
    files = {
        "--field-map": '{"utm_source":\n "UTM_Source1"}\n',
        "--lead-source-map": 'raw_value;lead_source\nweb;Website\n"two\nlines";"A; B"\n',
        "--business-hours": '{"type": "24_by_7"}\n',
    }
    arguments: list[str] = []
    for number, (option, text) in enumerate(files.items()):
        path = tmp_path / str(number)
        path.write_bytes(as_windows(text, encoding))
        arguments += [option, str(path)]
    answer = built.run("channels", "set", "acme", *arguments, "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json["field_map"] == {"utm_source": "UTM_Source1"}
    assert answer.json["lead_source_map"] == {"web": "Website", "two\nlines": "A; B"}
    assert answer.json["business_hours"] == {"type": "24_by_7"}


@pytest.mark.parametrize("head", ["", "sep=;\n"])
def test_a_content_catalogue_of_a_spreadsheet(built: Built, encoding: str, tmp_path: Path, head: str) -> None:
    text = f'{head}content_id;content_type;published_at;title;;\nc1;v;2026-05-01;"One; two, three\nfour";;\n'
    (tmp_path / "content.csv").write_bytes(as_windows(text, encoding))
    answer = built.run("content", "load", "acme", tmp_path / "content.csv")
    assert answer.code == 0, answer.err
    query = "select title from zoho_raw.content_items"
    (row,) = built.run("sql", "--raw", query, "--format", "json").json
    assert row["title"].replace("\r", "") == "One; two, three\nfour"


def test_a_message_about_a_channel_names_it_once() -> None:
    def lose(channel_id: str) -> None:
        raise LockLost(f"channel {channel_id}: the lock was lost.")

    def fail(channel_id: str) -> None:
        raise LockLost("the server is away.")

    assert for_each_channel(["acme"], lose) == ["channel acme: the lock was lost."]
    assert for_each_channel(["acme"], fail) == ["channel acme: the server is away."]


def test_a_grant_of_another_client_is_still_refused(run: Run, token: Path) -> None:
    """A file that is read correctly and holds a wrong token gives the message about the token."""
    token.write_bytes(as_windows("1000.wrong.token\n", "utf-8-sig"))
    refused(run(*ADD, token), 1, "refresh token")

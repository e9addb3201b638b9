"""Paths of the settings: which ones every part of the pipeline can use, and how a path becomes a URL and back.

A path goes into the URL of SQLAlchemy, into SQL and into lines of messages. The places that build these quote it. What
no quoting can save is refused here, before anything is written. Errors are `ValueError`: their text goes on after the
name of the setting.
"""

import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

LONGEST_NAME, LONGEST_PATH = 255, 4096
"""In bytes, where the system does not say; Linux has these limits."""
ROOM_OF_NAMES = 40
"""The bytes that we add to the name of a file at most, as in `.published.duckdb.draft.wal`."""
LONGEST_SQLITE = 500
"""SQLite takes paths of at most 511 bytes, and adds `-journal`."""
ROOM_IN_HOME = 80
"""The bytes that the SQLite files of Dagster have after HOME. Other paths are longer, but have more room."""
Use = Literal["home", "duckdb", "sqlite"]
REFUSED: Mapping[Use, str] = {"home": "\\?%", "duckdb": "\\?", "sqlite": ""}
"""DuckDB 2.0 reads a backslash as a slash, and puts `.wal` before a question mark. dlt 1.31 takes the paths of its
files as templates of `%`."""
_SCHEMAS = {"zoho_raw", "zoho_raw_staging", "marts"}
"""DuckDB calls an open file by its name without the ending."""
_DRIVER_OPTIONS = {"timeout", "check_same_thread", "isolation_level", "detect_types", "cached_statements"}


def expanded(given: str) -> Path:
    """The absolute path of a setting; `~` and `~name` at its start are home folders.

    ValueError: no such user, or the working folder is gone.
    """
    try:
        path = Path(given)
        return (path.expanduser() if given.startswith("~") else path).absolute()
    except RuntimeError:
        raise ValueError(
            f"is {given!r}, but there is no such user. Write ./ before a name that begins with ~."
        ) from None
    except FileNotFoundError:
        raise ValueError(
            f"is {given!r} below the working folder, but that was deleted. Go to another folder, or write a whole path."
        ) from None


def require_usable(path: Path, use: Use) -> None:
    """Refuse a path that some part of the pipeline cannot use.

    Raises:
        ValueError: it has a control character (a message with it would have several lines) or a character of
            `REFUSED`, it is not Unicode (DuckDB takes no other path), or it is so long that the system would refuse the
            files beside or below it.
    """
    text = str(path)
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError(f"is {text!r}, a path with a control character. Rename that folder or file.")
    if found := next((character for character in text if character in REFUSED[use]), None):
        raise ValueError(f"is {text!r}, a path with the character {found}. Use a path without it.")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"is {text!r}, a path that is not UTF-8. Rename that folder or file.") from None
    longest_path = _limit("PC_PATH_MAX", LONGEST_PATH) - ROOM_OF_NAMES
    most = {"home": LONGEST_SQLITE - ROOM_IN_HOME, "sqlite": LONGEST_SQLITE, "duckdb": longest_path}[use]
    if size > most:
        raise ValueError(f"is a path of {size} bytes. It takes at most {most}. Use a shorter path.")
    *folders, name = path.parts
    longest = _limit("PC_NAME_MAX", LONGEST_NAME)
    room = longest if use == "home" else longest - ROOM_OF_NAMES
    if len(name.encode()) > room or any(len(folder.encode()) > longest for folder in folders):
        raise ValueError(
            f"is a path in which a name is too long. A folder may have {longest} bytes in its name, and a file {room}."
        )


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file. In a URL a question mark begins the options, and a percent sign begins a code."""
    return f"sqlite:///{str(path).replace('%', '%25').replace('?', '%3F')}"


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///path?options`; a percent code of the path is decoded.

    Raises:
        ValueError: it names a database in memory, or has a question mark that begins no options of the driver.
    """
    scheme, _, rest = url.partition("://")
    given, mark, options = rest.removeprefix("/").partition("?")
    if mark and not all(option.partition("=")[0] in _DRIVER_OPTIONS for option in options.split("&")):
        raise ValueError(
            f"has a question mark that begins no option. In the path of a {scheme} URL, write %3F for a question mark "
            "and %25 for a percent sign."
        )
    if not rest.startswith("/") or not given or given == ":memory:" or given.startswith("file:"):
        raise ValueError("names a database in memory, or no file. Use a file: sqlite:///path.")
    return expanded(unquote(given, errors="surrogateescape"))


def duckdb_path(url: str) -> Path | None:
    """The file of `duckdb:///path`, which is taken as it stands; None if it names none.

    Raises:
        ValueError: the file has the name of one of our schemas, so that DuckDB could not tell them apart.
    """
    rest = url.partition("://")[2]
    given = rest.removeprefix("/")
    if not rest.startswith("/") or not given or given.startswith(":"):
        return None
    path = expanded(given)
    if path.stem.lower() in _SCHEMAS:
        raise ValueError(f"is {url!r}, a file with the name of the schema {path.stem.lower()}. Use another name.")
    return path


def _limit(name: str, default: int) -> int:
    try:
        return os.pathconf("/", name)
    except (OSError, ValueError, AttributeError):
        return default

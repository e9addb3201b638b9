"""Checks of settings that look beyond one value: the place of the published file.

Each function returns the checked value, or raises ValueError. `settings` turns that into an error for the user.
"""

import os
from pathlib import Path


def published_place(given: str, home: Path, warehouse_url: str, registry_url: str) -> Path:
    """The absolute path of the published file that `given` names.

    Every transform replaces this file. So it must be in a folder that exists, and it must be no other file: not the
    warehouse, nothing else of ours, and nothing that is not a DuckDB file.

    Raises:
        ValueError: the path cannot be used; the message goes on after the name of the setting.
    """
    if warehouse_url.partition("://")[0] != "duckdb":
        raise ValueError(
            "is set, but the warehouse is on Postgres, where people read the schema marts in place. Unset it."
        )
    path = Path(given).expanduser().absolute()
    example = "It takes the path of a file, such as /srv/bi/zoho.duckdb"
    if given.endswith(("/", os.sep)) or path.is_dir():
        raise ValueError(f"is {given!r}, a folder. {example}.")
    if not path.parent.is_dir():
        raise ValueError(
            f"is {given!r}, but the folder {path.parent} does not exist. {example}; make the folder first, with the "
            "group that may read the file."
        )
    warehouse = _file_of(warehouse_url)
    ours = {"the warehouse": warehouse, "the registry": _file_of(registry_url), "the key file": home / "secret.key"}
    for what, other in ours.items():
        if other and (path.resolve() in _with_companions(other) or _same_file(path, other)):
            raise ValueError(f"is {given!r}, which is {what}. Every transform replaces the published file. {example}.")
    if path.exists() and not _is_duckdb(path):
        raise ValueError(
            f"is {given!r}, a file that is not a DuckDB database. Every transform would replace it. Move it away, or "
            "name another file."
        )
    return path


def _file_of(url: str) -> Path | None:
    kind, _, rest = url.partition("://")
    return Path(rest.removeprefix("/")).expanduser().absolute() if kind in ("duckdb", "sqlite") else None


def _with_companions(path: Path) -> set[Path]:
    """The file, and the files that its engine or our locks keep beside it."""
    return {path.with_name(path.name + end).resolve() for end in ("", ".wal", ".lock", "-journal", "-wal", "-shm")}


def _same_file(path: Path, other: Path) -> bool:
    """Whether both are one file under two names (a hard link)."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def _is_duckdb(path: Path) -> bool:
    """Whether the file begins as a DuckDB database does: 8 bytes of a checksum, then DUCK."""
    try:
        with path.open("rb") as stream:
            return stream.read(12)[8:] == b"DUCK"
    except PermissionError:
        return True  # whoever opens it gets the system's message
    except OSError:
        return False

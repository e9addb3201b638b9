"""Checks of settings that look beyond one value: misspelt names, and the place of the published file.

`settings` turns what they find into an error for the user.
"""

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from zoneinfo import ZoneInfo

PREFIX = "ZOHO_PIPELINE_"
_OWN = (
    "HOME WAREHOUSE PUBLISHED REGISTRY SECRET_KEY LOG_LEVEL DATA_CENTERS ENVIRONMENT SYNC_LAG CREDIT_BUDGET "
    "SCHEDULE_TIMEZONE FAILURE_WEBHOOK SQL_ROLE PUBLIC_URL WEB_SESSION_SECONDS WEB_EMBED_SECONDS WEB_CONNECT_SECONDS "
    "WEBHOOK_RETRIES METRICS TRUSTED_PROXIES PUSH_DEBOUNCE PUSH_SYNC_INTERVAL PUSH_CREDIT_SHARE"
)
_OF_OTHERS = "CODE_HOST CODE_PORT DRILL"  # deploy/ and the tests read these
KNOWN_NAMES = frozenset(
    {PREFIX + name for name in f"{_OWN} {_OF_OTHERS}".split()} | {"ZOHO_CLIENT_ID", "ZOHO_CLIENT_SECRET"}
)
_ALIKE = 0.85
"""How alike (difflib, 0 to 1) a name outside our prefix must be to count as misspelt; other tools have ZOHO_… names."""


def misspelt_names(names: Iterable[str]) -> dict[str, str]:
    """Variable → the known name that is meant: every unknown ZOHO_PIPELINE_…, and others that are nearly ours.

    `ZOHO_CLIENT_SECRET_IN` and the like are the secrets of data centres, and ZOHO_LIVE_… belongs to the contract tests.
    """
    found = {}
    for name in sorted(names):
        upper = name.upper()
        is_fine = name in KNOWN_NAMES or name.startswith(("ZOHO_CLIENT_SECRET_", "ZOHO_LIVE_"))
        if is_fine or not upper.startswith("ZOHO"):
            continue
        cutoff = 0.0 if upper.startswith(PREFIX) else _ALIKE
        if near := get_close_matches(upper, sorted(KNOWN_NAMES), n=1, cutoff=cutoff):
            found[name] = near[0]
    return found


def schedule_zone(name: str) -> str | None:
    """The IANA name of a time zone, `channel` for the zone of each channel, or None for an empty name.

    Raises:
        ValueError: there is no such zone; the message goes on after the name of the setting.
    """
    if not name:
        return None
    if name.lower() == "channel":
        return "channel"
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(
            f"is {name!r}. It takes an IANA name such as Asia/Kolkata, or `channel` for the time zone of each channel."
        ) from error
    return name


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

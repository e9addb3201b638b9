"""Checks of settings that look beyond one value: misspelt names, files of URLs, the place of the published file.

`settings` turns what they find into an error for the user.
"""

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from zoho_pipeline.local_paths import duckdb_path, expanded, require_usable, sqlite_path
from zoho_pipeline.private_files import warn_of_open_env_file
from zoho_pipeline.text_files import NotText, read_text

PREFIX = "ZOHO_PIPELINE_"
_OWN = (
    "HOME WAREHOUSE PUBLISHED REGISTRY SECRET_KEY LOG_LEVEL DATA_CENTERS ENVIRONMENT SYNC_LAG CHANNELS_AT_ONCE "
    "CREDIT_BUDGET "
    "SCHEDULE_TIMEZONE FAILURE_WEBHOOK SQL_ROLE PUBLIC_URL WEB_SESSION_SECONDS WEB_EMBED_SECONDS WEB_CONNECT_SECONDS "
    "WEBHOOK_RETRIES METRICS TRUSTED_PROXIES PUSH_DEBOUNCE PUSH_SYNC_INTERVAL PUSH_CREDIT_SHARE AGENTS_PII "
    "FORMS_RETENTION_DAYS FORMS_WINDOW_DAYS TRANSFORM_MEMORY REREAD_CREDITS DAGSTER_OWNERS"
)
_NAME = re.compile(r"(?=.{1,254}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?", re.IGNORECASE)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
NOT_POSTGRES = (
    "is not a Postgres URL: postgresql://user:password@host:port/database (percent-encode special characters of the "
    "password)."
)
_TAKES = (
    "It takes the path of a file, such as /srv/bi/zoho.duckdb, or the URL of a Postgres database for a copy of the "
    "marts, postgresql://user:password@host:port/database."
)
_MAY_HIDE_A_PASSWORD = re.compile(r"(?![A-Za-z]:\\)[^/.~][^/]*[:@=]|[^/.~].*@|//.*@")
"""A text without :// that may be a connection string, and so is not shown. `C:\\data` is refused as a path."""
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


def not_text(values: Mapping[str, str]) -> str | None:
    """A variable of ours whose value has bytes that are not UTF-8 (Python makes half surrogate pairs of them).

    HOME is left out: its own check says more.
    """
    for name, value in sorted(values.items()):
        if name.startswith("ZOHO_") and name != f"{PREFIX}HOME" and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                return name
    return None


def schedule_zone(name: str) -> str | None:
    """The IANA name of a time zone, `channel` for the zone of each channel, or None for an empty name.

    Raises:
        ValueError: there is no such zone; the message goes on after the name of the setting.
    """
    if not name:
        return None
    if name.lower() == "channel":
        return "channel"
    if known_zone(name) is None:
        raise ValueError(
            f"is {name!r}. It takes an IANA name such as Asia/Kolkata, or `channel` for the time zone of each channel."
        )
    return name


def known_zone(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name; None where this host knows no such zone.

    A name that Zoho or another host knows may be newer than the zones of this host. It must not stop a page or a sync.
    """
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # a path, a folder, unknown
        return None


def dagster_owners(text: str) -> tuple[str, ...]:
    """The owners of Dagster's assets, from their names separated by commas; none for an empty text.

    The rule is Dagster's own: an e-mail address, or `team:` and a name.

    Raises:
        ValueError: one of them is neither; the message goes on after the name of the setting.
    """
    owners = tuple(dict.fromkeys(part for given in text.split(",") if (part := given.strip())))
    for owner in owners:
        is_team = owner.startswith("team:") and owner.removeprefix("team:").strip()
        if not is_team and not _EMAIL.fullmatch(owner):
            raise ValueError(
                f"names {owner!r}. It takes e-mail addresses and `team:NAME`, separated by commas: "
                "ana@example.com, team:crm."
            )
    return owners


def published_target(given: str, home: Path, warehouse_url: str, registry_url: str) -> tuple[Path | None, str | None]:
    """The place of the published file, and the URL of the database that gets a copy of the marts; one of them, or none.

    Raises:
        ValueError: the message goes on after the name of the setting.
    """
    given = given.strip()
    if "://" in given:
        return None, copy_url(given, warehouse_url)
    if _MAY_HIDE_A_PASSWORD.match(given):
        raise ValueError(
            f"is no URL, because it has no ://, and looks like no path. {_TAKES} Write ./ before a path that has : @ = "
            "in its name."
        )
    return published_place(given, home, warehouse_url, registry_url) if given else None, None


def copy_url(given: str, warehouse_url: str) -> str:
    """The URL of the Postgres database to which transforms copy the marts.

    Raises:
        ValueError: it is the URL of something else; the message goes on after the name of the setting, without the URL.
    """
    kind = given.partition("://")[0].partition("+")[0].lower()
    if kind not in ("postgresql", "postgres"):
        shown = f" ({kind!r})" if re.fullmatch(r"[a-z0-9]{1,20}", kind) else ""
        raise ValueError(f"is a URL of an unknown kind{shown}. {_TAKES}")
    _require_duckdb(warehouse_url)
    if postgres_url(given) is None:
        raise ValueError(NOT_POSTGRES)
    return given


def postgres_url(url: str) -> tuple[str, str] | None:
    """A URL of Postgres as libpq takes it, and without its password. A driver's name in the scheme is left out.

    None: libpq cannot read it, or it is unclear which part of it is the password. libpq and Python split a URL
    differently at a bare @, #, ? or / of a password, and one of them would show it.
    """
    import psycopg2.extensions  # here, because most commands read no such URL

    dsn = f"postgresql://{url.partition('://')[2]}"
    try:
        ports = psycopg2.extensions.parse_dsn(dsn).get("port", "")
    except psycopg2.ProgrammingError:
        return None
    authority, rest = re.fullmatch(r"postgresql://([^/?]*)(.*)", dsn, re.DOTALL).groups()  # type: ignore[union-attr]
    user, at_sign, host = authority.partition("@")
    is_unclear = any(mark in authority for mark in "# ") or "@" in host or "@" in rest
    is_unclear |= bool(re.search("[?&][^=&]*%", rest))  # libpq reads `pass%77ord` as password
    if is_unclear or not re.fullmatch("[0-9,]*", ports):
        return None
    shown = f"{user.partition(':')[0]}:***@{host}" if at_sign and ":" in user else authority
    return dsn, f"postgresql://{shown}" + re.sub(r"(?i)([?&](?:ssl)?password=)[^&]*", r"\1***", rest)


def _require_duckdb(warehouse_url: str) -> None:
    if warehouse_url.partition("://")[0] != "duckdb":
        raise ValueError(
            "is set, but the warehouse is on Postgres, where people read the schema marts in place. Unset it."
        )


def published_place(given: str, home: Path, warehouse_url: str, registry_url: str) -> Path:
    """The absolute path of the published file that `given` names.

    Every transform replaces this file. So it must be in a folder that exists, and it must be no other file: not the
    warehouse, nothing else of ours, and nothing that is not a DuckDB file.

    Raises:
        ValueError: the path cannot be used; the message goes on after the name of the setting.
    """
    _require_duckdb(warehouse_url)
    path = expanded(given)
    require_usable(path, "duckdb")
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


def require_usable_file(url: str) -> None:
    """Refuse the URL of a SQLite or DuckDB file whose path we cannot use. ValueError goes on after the setting."""
    if path := _file_of(url):
        require_usable(path, "sqlite" if url.lower().startswith("sqlite") else "duckdb")


def postgres_role(name: str) -> str | None:
    """The name of a Postgres role, or None for an empty name.

    Raises:
        ValueError: no role can have the name; the message goes on after the name of the setting.
    """
    if name.lower() == "none" or "\0" in name or len(name.encode()) > 63:  # `none` means the session's own role
        raise ValueError(f"is {name!r}. It takes the name of a Postgres role without write rights.")
    return name or None


def memory_size(text: str, low: int, high: int) -> int:
    """The bytes of a size such as `2GB` or `1500 MB`. ValueError: it is none, or it is not from `low` to `high` MB."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([MG])B", text, re.IGNORECASE | re.ASCII)
    size = float(match[1]) * (1_000_000 if match[2].upper() == "M" else 1_000_000_000) if match else 0.0
    if not low * 1_000_000 <= size <= high * 1_000_000:
        raise ValueError(f"is {text!r}. It takes a size from {low}MB to {high // 1000}GB, such as 2GB or 1500MB.")
    return int(size)


def is_host(host: str) -> bool:
    """Whether a text is the name of a host, or an IP address in its usual form (no `2130706433`, no `0x7f.1`).

    Other texts would end up in a header of each page, or mean another host to another program.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        last = host.removesuffix(".").rpartition(".")[2]
        return _NAME.fullmatch(host) is not None and not re.fullmatch("[0-9]+|0x[0-9a-f]*", last, re.IGNORECASE)
    return "%" not in host


def origin_of(url: str) -> str | None:
    """The origin of an accounts server; None if it is not `https://host[:port]`. Plain http is for loopback only."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password)
    secure = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK_HOSTS)
    if not host or not is_host(host) or not bare or not secure:
        return None
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")


def env_file_values(path: Path) -> dict[str, str]:
    """The variables of a `.env` file. If other users can read its secrets, a line of the log says so.

    Raises:
        ValueError: it is no file, cannot be read, or is no text; or dotenv would skip a line that names a variable of
            ours, or would silently take one of two values. The message is complete.
    """
    if path.exists() and not path.is_file():  # Docker makes a folder where it is told to mount a file that is missing
        raise ValueError(
            f"{path.absolute()} is not a file, so its settings cannot be read. Remove it, or make it a file."
        )
    try:
        text = read_text(path)
    except NotText as error:
        raise ValueError(f"the file {path.absolute()} {error}") from error
    except OSError as error:
        raise ValueError(f"the file {path.absolute()} cannot be read ({error.strerror}).") from error
    lines: dict[str, tuple[int, str]] = {}
    for binding in parse_stream(StringIO(text)):
        part = binding.original
        line = part.line + len(part.string) - len(part.string.lstrip("\n"))  # it may begin with empty lines
        where, key, value = f"the file {path.absolute()}, line {line}", binding.key or "", binding.value
        if (binding.error or value is None) and "ZOHO" in (part.string if binding.error else key).upper():
            raise ValueError(f"{where}: this line cannot be read. Write NAME=value, and close quotes.")
        if key.startswith("ZOHO_") and lines.setdefault(key, (line, value or ""))[1] != value:
            raise ValueError(f"{where}: {key} has another value on line {lines[key][0]}. Remove one of the two lines.")
    values = {name: value for name, value in dotenv_values(stream=StringIO(text)).items() if value is not None}
    if _holds_secret(values):
        warn_of_open_env_file(path)
    return values


def _holds_secret(values: Mapping[str, str]) -> bool:
    """Whether variables hold one of our secrets: a key, the client's secret, a webhook, or a URL with a password."""
    return any(
        value.strip()
        and name.startswith("ZOHO_")
        and ("SECRET" in name or "WEBHOOK" in name or re.search(r"://[^/@]*:[^/@]+@", value))
        for name, value in values.items()
    )


def _file_of(url: str) -> Path | None:
    kind = url.partition("://")[0].partition("+")[0].lower()
    if kind == "sqlite":
        return sqlite_path(url)
    return duckdb_path(url) if kind == "duckdb" else None


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

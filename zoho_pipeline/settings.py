"""Settings: the only module that reads the environment.

Each value is checked here, once, at the start of a command. A bad value gives one message, which names the
variable and the values it takes. No other module reads `os.environ`.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from zoho_pipeline.key_file import MIN_KEY_LENGTH, DamagedKeyFile, split_keys, stored_keys
from zoho_pipeline.key_file import Secret as Secret  # each package imports it from here
from zoho_pipeline.local_paths import expanded, require_usable, sqlite_url
from zoho_pipeline.private_files import key_file_risk, warn_of_open_home
from zoho_pipeline.setting_checks import (
    PREFIX,
    dagster_owners,
    env_file_values,
    memory_size,
    misspelt_names,
    not_text,
    origin_of,
    postgres_role,
    published_target,
    require_usable_file,
    schedule_zone,
)

Checked = TypeVar("Checked")

LOG_LEVELS = ("DEBUG", "INFO", "WARNING")
ENVIRONMENTS = ("production", "sandbox", "developer")
WAREHOUSE_KINDS = ("duckdb", "postgresql", "postgres")
REGISTRY_KINDS = ("sqlite", "postgresql", "postgres")
_PACKAGE = Path(__file__).resolve().parent
SQL_PROJECT = packed if (packed := _PACKAGE / "_sql").is_dir() else _PACKAGE.with_name("dbt_like_sql")
"""The SQL models: in the package where it is installed (setup.py puts them there), and beside it in a checkout."""


class PipelineError(Exception):
    """An expected failure. Its message is written for the user and says what to do."""

    exit_code = 1


class UsageError(PipelineError):
    """The command was called in a wrong way, and nothing was done."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Settings:
    """Everything that a process must know about its environment.

    Attributes:
        home: the folder for keys, the local warehouse, the registry and work files.
        given_keys: the keys of the environment that encrypt tokens, newest first; see `secret_keys`.
        data_centers: name → accounts server of data centres that are added to the built-in ones.
        environment: production, sandbox or developer: which kind of Zoho organisation is read.
        sync_lag_seconds: a sync reads up to this many seconds before the time of Zoho's clock.
        channels_at_once: the channels that one process syncs at the same time. With a registry on Postgres, each
            holds a session of the server for its lock, so the default is 6 there.
        credit_budget: the share (0 to 1) of the organisation's daily API credits that syncs may use.
        schedule_timezone: an IANA name, `channel` for each channel's own zone, or None.
        published: where transforms put the published file of a DuckDB warehouse; None: beside the warehouse.
        published_copy: the URL of a Postgres database to which transforms copy the marts of a DuckDB warehouse.
        forms_retention_days: how long a form's submission is kept that belongs to no lead.
        transform_memory: the bytes of memory that a transform may use; a DuckDB warehouse is built in batches for it.
        dagster_owners: who owns the assets in Dagster: e-mail addresses, and `team:NAME`.
        forms_window_days: how long before its creation a lead may have sent a form that counts as a touch.
        reread_credits: credits per sync and channel for fields that change without Modified_Time; 0: never read again.
    """

    home: Path
    warehouse_url: str = field(repr=False)  # may carry a password
    registry_url: str = field(repr=False)
    client_id: str | None = None
    client_secret: Secret | None = None
    client_secrets_by_dc: Mapping[str, Secret] = field(default_factory=dict)
    given_keys: tuple[Secret, ...] = ()
    log_level: str = "INFO"
    data_centers: Mapping[str, str] = field(default_factory=dict)
    environment: str = "production"
    sync_lag_seconds: float = 5.0
    channels_at_once: int = 50
    credit_budget: float = 0.8
    schedule_timezone: str | None = None
    failure_webhook: Secret | None = None
    sql_role: str | None = None
    published: Path | None = None
    published_copy: Secret | None = None
    forms_retention_days: int = 90
    forms_window_days: int = 90
    transform_memory: int = 2_000_000_000
    reread_credits: int = 300
    dagster_owners: tuple[str, ...] = ()

    def secret_for(self, data_center: str) -> Secret:
        """The client secret of a data centre: its own where one is set, else the shared one.

        Raises:
            SettingsError: neither is set.
        """
        secret = self.client_secrets_by_dc.get(data_center.lower()) or self.client_secret
        if not secret:
            raise SettingsError(
                "ZOHO_CLIENT_SECRET is not set. Create a client in Zoho's API console and put its secret into the "
                f"environment or .env (or set ZOHO_CLIENT_SECRET_{data_center.upper()} for this data centre only)."
            )
        return secret

    def require_client(self, data_center: str) -> tuple[str, Secret]:
        """Client id and secret for a data centre. SettingsError: one of them is missing; names it."""
        if not self.client_id:
            raise SettingsError(
                "ZOHO_CLIENT_ID is not set. Create a client in Zoho's API console and put its id into the "
                "environment or .env."
            )
        return self.client_id, self.secret_for(data_center)

    def ensure_home(self) -> Path:
        """Create HOME where it does not exist, and return it. The folder has mode 700, and the umask of the process
        becomes 077, so that only the owner can read what is in it.

        Raises:
            PipelineError: the folder cannot be created or written.
        """
        os.umask(0o077)
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            usable = os.access(self.home, os.W_OK | os.X_OK)
            warn_of_open_home(self.home)
        except OSError as error:
            raise _home_error(self.home, error.strerror or "cannot be made") from error
        if not usable:
            raise _home_error(self.home, "not writable")
        return self.home

    @cached_property
    def secret_keys(self) -> tuple[Secret, ...]:
        """The keys that encrypt tokens, newest first. Where none is set, one is created once, in HOME/secret.key
        (mode 600).

        Raises:
            PipelineError: the file is damaged, or it cannot be read or written.
            SettingsError: other users of the machine can reach the file.
        """
        if self.given_keys:
            return self.given_keys
        path = self.ensure_home() / "secret.key"
        try:
            keys, risk = tuple(map(Secret, stored_keys(path))), key_file_risk(path)
        except DamagedKeyFile as error:
            raise PipelineError(str(error)) from error
        except OSError as error:
            cure = "Let this user read and write it, and its folder."
            raise PipelineError(f"the key file {path} cannot be used ({error.strerror or error}). {cure}") from error
        if risk:
            raise SettingsError(risk)
        return keys


def load_settings(env: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """Settings from the environment and from `.env`; the environment wins.

    Args:
        env: the environment; None is that of the process.
        dotenv: the `.env` file, which need not exist; None is `.env` in the working folder.

    Raises:
        SettingsError: a variable is wrong; the message names it.
    """
    values = read_values(env, dotenv)
    home = home_of(values.get(f"{PREFIX}HOME") or "data")
    warehouse_url = _url(values, "WAREHOUSE", f"duckdb:///{home}/warehouse.duckdb", WAREHOUSE_KINDS)
    registry_url = _url(values, "REGISTRY", sqlite_url(home / "registry.sqlite"), REGISTRY_KINDS)
    for name, url in (("WAREHOUSE", warehouse_url), ("REGISTRY", registry_url)):
        with _named(name):
            require_usable_file(url)
    with _named("PUBLISHED"):
        published, copy = published_target(values.get(f"{PREFIX}PUBLISHED") or "", home, warehouse_url, registry_url)
    return Settings(
        home=home,
        warehouse_url=warehouse_url,
        registry_url=registry_url,
        client_id=(values.get("ZOHO_CLIENT_ID") or "").strip() or None,
        client_secret=_secret(values.get("ZOHO_CLIENT_SECRET")),
        client_secrets_by_dc=_secrets_by_data_center(values),
        given_keys=_keys(values.get(f"{PREFIX}SECRET_KEY", ""), f"{PREFIX}SECRET_KEY"),
        log_level=choice(values, "LOG_LEVEL", LOG_LEVELS, "INFO"),
        data_centers=_data_centers(values.get(f"{PREFIX}DATA_CENTERS") or "{}"),
        environment=choice(values, "ENVIRONMENT", ENVIRONMENTS, "production"),
        sync_lag_seconds=number(values, "SYNC_LAG", 5.0, 0.0, 300.0),
        channels_at_once=whole(values, "CHANNELS_AT_ONCE", 50 if registry_url.startswith("sqlite") else 6, 1, 200),
        credit_budget=number(values, "CREDIT_BUDGET", 0.8, 0.0, 1.0),
        schedule_timezone=_checked(values, "SCHEDULE_TIMEZONE", schedule_zone),
        failure_webhook=_secret(values.get(f"{PREFIX}FAILURE_WEBHOOK")),
        sql_role=_checked(values, "SQL_ROLE", postgres_role),
        published=published,
        published_copy=_secret(copy),
        forms_retention_days=whole(values, "FORMS_RETENTION_DAYS", 90, 8, 3650),
        forms_window_days=whole(values, "FORMS_WINDOW_DAYS", 90, 1, 3650),
        transform_memory=_checked(values, "TRANSFORM_MEMORY", lambda text: memory_size(text or "2GB", 500, 1_000_000)),
        reread_credits=whole(values, "REREAD_CREDITS", 300, 0, 1_000_000),
        dagster_owners=_checked(values, "DAGSTER_OWNERS", dagster_owners),
    )


def read_values(env: Mapping[str, str] | None, dotenv: Path | None) -> dict[str, str]:
    """The variables of `load_settings`. SettingsError: one of them is misspelt, or `.env` cannot be read."""
    path = dotenv or Path(".env")
    try:
        values = env_file_values(path) if os.path.lexists(path) else {}
    except ValueError as error:
        raise SettingsError(str(error)) from error
    values.update(os.environ if env is None else env)
    require_known_names(values)
    if name := not_text(values):
        raise SettingsError(f"{name} has bytes that are not UTF-8. Write its value in UTF-8.")
    return values


def home_of(given: str) -> Path:
    """The absolute path of a HOME that is written like this. SettingsError: the pipeline cannot use such a path."""
    with _named("HOME"):
        home = expanded(given)
        require_usable(home, "home")
    return home


def require_known_names(names: Iterable[str]) -> None:
    """Refuse a misspelt variable: nobody would see that its value is ignored. SettingsError names each of them."""
    if found := misspelt_names(names):
        meant = " ".join(f"{name} is not a setting; did you mean {near}?" for name, near in found.items())
        raise SettingsError(f"{meant} README.md lists the settings.")


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn a ValueError about a setting into an error that names the setting."""
    try:
        yield
    except ValueError as error:
        raise SettingsError(f"{PREFIX}{name} {error}") from error


def _home_error(home: Path, reason: str) -> PipelineError:
    cure = "Set ZOHO_PIPELINE_HOME to a folder that you can write."
    return PipelineError(f"the folder {home} cannot be used ({reason}). {cure}")


def _secret(value: str | None) -> Secret | None:
    return Secret(text) if (text := (value or "").strip()) else None


def _secrets_by_data_center(values: Mapping[str, str]) -> dict[str, Secret]:
    prefix = "ZOHO_CLIENT_SECRET_"
    found = {k.removeprefix(prefix).lower(): _secret(v) for k, v in values.items() if k.startswith(prefix)}
    return {name: secret for name, secret in found.items() if secret}


def _keys(text: str, where: str) -> tuple[Secret, ...]:
    keys = split_keys(text)
    if any(len(key) < MIN_KEY_LENGTH for key in keys):
        raise SettingsError(
            f"{where} holds a key of fewer than {MIN_KEY_LENGTH} characters. Make one with: python -c 'import secrets; "
            "print(secrets.token_urlsafe(32))'. Separate several keys by commas, the newest first."
        )
    return tuple(Secret(key) for key in keys)


def _url(values: Mapping[str, str], name: str, default: str, kinds: tuple[str, ...]) -> str:
    url = (values.get(PREFIX + name) or "").strip() or default
    kind = url.partition("://")[0].partition("+")[0].lower()
    if "://" not in url or kind not in kinds:
        forms = {"duckdb": "duckdb:///path", "sqlite": "sqlite:///path", "postgresql": "postgresql://user@host/name"}
        takes = " or ".join(forms[kind] for kind in kinds if kind in forms)
        # without `://` the text may be a connection string of libpq with a password
        shown = f" ({kind!r})" if "://" in url and re.fullmatch(r"[a-z0-9]{1,20}", kind) else ""
        raise SettingsError(f"{PREFIX}{name} is of an unknown kind{shown}. It takes {takes}.")
    return url


def choice(values: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    """The value of ZOHO_PIPELINE_<name>, one of `choices`. SettingsError: it is another one."""
    raw = (values.get(PREFIX + name) or "").strip() or default
    value = raw.upper() if choices[0].isupper() else raw.lower()
    if value not in choices:
        raise SettingsError(f"{PREFIX}{name} is {raw!r}. It takes one of {', '.join(choices)}.")
    return value


def number(values: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    """The value of ZOHO_PIPELINE_<name>. SettingsError: it is no number from `low` to `high`."""
    raw = (values.get(PREFIX + name) or "").strip()
    if not raw:
        return default
    try:
        number = float(raw)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise SettingsError(f"{PREFIX}{name} is {raw!r}. It takes a number from {low:g} to {high:g}.")
    return number


def whole(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """The value of ZOHO_PIPELINE_<name>. SettingsError: it is no whole number from `low` to `high`."""
    found = number(values, name, default, low, high)
    if found != int(found):
        raise SettingsError(f"{PREFIX}{name} is {found:g}. It takes a whole number from {low} to {high}.")
    return int(found)


def _checked(values: Mapping[str, str], name: str, check: Callable[[str], Checked]) -> Checked:
    """What `check` makes of a variable's text, without the spaces around it. Its error names the variable."""
    with _named(name):
        return check((values.get(f"{PREFIX}{name}") or "").strip())


def _data_centers(text: str) -> dict[str, str]:
    name = f"{PREFIX}DATA_CENTERS"
    example = 'a JSON object of name → accounts server, such as {"sim": "http://127.0.0.1:9000"}'
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name} is not JSON. It takes {example}.") from error
    if not isinstance(given, dict) or not all(isinstance(url, str) for url in given.values()):
        raise SettingsError(f"{name} takes {example}.")
    return {key.lower(): origin(f"{name}[{key!r}]", url) for key, url in given.items()}


def origin(name: str, url: str) -> str:
    """The origin of a server. SettingsError: it is not https (plain http is allowed on loopback only)."""
    if (found := origin_of(url)) is None:
        raise SettingsError(
            f"{name} is {url!r}. It takes https://host[:port] without a path; plain http is for loopback only."
        )
    return found

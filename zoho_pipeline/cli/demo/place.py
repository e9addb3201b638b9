"""The demo's own HOME, marked by `demo.json`, with the simulator that can start there again.

The demo reads only ZOHO_PIPELINE_HOME and the log level from the environment. It never touches a warehouse or a
Zoho account that the environment or .env may name.
"""

import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from zoho_pipeline.local_paths import sqlite_url
from zoho_pipeline.settings import PipelineError, Settings, UsageError, home_of, load_settings, require_known_names

PORT = 8417
CHANNEL = "demo"
DATA_CENTER = "sim"
WEB, UI = "web", "ui"
"""What may run on the demo's data for long: `demo --web` and `demo --ui`, also at the same time."""

_MARK, _STATE, _CATALOGUE = "demo.json", "simulator.json", "content.csv"
_OURS = (_STATE, _CATALOGUE, "registry.sqlite*", "warehouse.*", "dlt", "locks")


@dataclass(frozen=True)
class Place:
    """The demo's HOME, with the port and the client that its simulator needs to start again."""

    home: Path
    port: int
    client_id: str
    client_secret: str

    @property
    def state(self) -> Path:
        return self.home / _STATE

    @property
    def catalogue(self) -> Path:
        return self.home / _CATALOGUE

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process works on the demo's data; a .env file can add nothing to them."""
        return {
            "ZOHO_PIPELINE_HOME": str(self.home),
            "ZOHO_PIPELINE_WAREHOUSE": f"duckdb:///{self.home}/warehouse.duckdb",
            "ZOHO_PIPELINE_REGISTRY": sqlite_url(self.home / "registry.sqlite"),
            "ZOHO_PIPELINE_SECRET_KEY": "",
            "ZOHO_PIPELINE_DATA_CENTERS": json.dumps({DATA_CENTER: f"http://127.0.0.1:{self.port}"}),
            "ZOHO_PIPELINE_LOG_LEVEL": os.environ.get("ZOHO_PIPELINE_LOG_LEVEL", "WARNING"),
            "ZOHO_CLIENT_ID": self.client_id,
            "ZOHO_CLIENT_SECRET": self.client_secret,
        }

    def settings(self) -> Settings:
        """The demo's settings, read from `environment` alone."""
        return load_settings(self.environment, dotenv=self.home / "no.env")


def demo_home(env: Mapping[str, str] | None = None) -> Path:
    """The path in ZOHO_PIPELINE_HOME if it is set, else `./data/demo`.

    SettingsError: a variable is misspelt, or the path cannot be used.
    """
    environment = os.environ if env is None else env
    require_known_names(environment)
    given = environment.get("ZOHO_PIPELINE_HOME")
    return home_of(given or "data/demo")


@contextmanager
def fresh_place(home: Path) -> Iterator[Place]:
    """Make an empty place in `home`; files of an earlier demo are removed, but its Dagster history stays.

    Until the end of the block no other command of the demo uses the folder.

    Raises:
        UsageError: the folder holds a pipeline that is not the demo's.
        PipelineError: another command of the demo uses the folder.
    """
    mark = home / _MARK
    if not mark.exists() and any(home.glob("registry.sqlite*")):
        raise UsageError(
            f"{home} holds a pipeline that is not the demo's. Set ZOHO_PIPELINE_HOME to another folder for the "
            "demo, or unset it: the demo then uses ./data/demo."
        )
    place = Place(home, free_port(), "1000.DEMO", secrets.token_hex(16))
    place.settings().ensure_home()
    with in_use(home, WEB, UI):
        for pattern in _OURS:
            for old in home.glob(pattern):
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        known = asdict(place)
        del known["home"]
        mark.write_text(json.dumps(known))
        yield place


@contextmanager
def in_use(home: Path, *parts: str) -> Iterator[None]:
    """Hold `WEB`, `UI` or both until the end of the block. A process that is killed holds nothing any more.

    A new demo removes the databases of the old one. A server that has them open would go on with the removed ones, and
    would write its Zoho over the new one at its end.

    Raises:
        PipelineError: another process holds one of them, or this user may not write in the folder.
    """
    with ExitStack() as held:
        for part in parts:
            try:
                held.enter_context(FileLock(home / f"demo-{part}.lock", mode=0o600).acquire(timeout=0))
            except Timeout as error:
                raise PipelineError(
                    f"another command of the demo (`demo`, or `demo --{part}`) uses {home}. End it with Ctrl-C in its "
                    "terminal, or wait for its end. Then run this command again."
                ) from error
            except OSError as error:
                raise PipelineError(
                    f"the lock file {home}/demo-{part}.lock cannot be used ({error.strerror}). Remove it if it is a "
                    "folder or a link, and check that this user may write in its folder."
                ) from error
        yield


def is_in_use(home: Path, part: str) -> bool:
    """Whether a process holds `WEB` or `UI` now."""
    try:
        with in_use(home, part):
            return False
    except PipelineError:
        return True


@contextmanager
def used_place(home: Path, part: str) -> Iterator[Place]:
    """The place that an earlier `demo` has made, in use as `WEB` or `UI` until the end of the block.

    Raises:
        PipelineError: there is none, one is being made at the moment, or another process uses it as this part.
    """
    if not (home / _MARK).exists():  # no lock file is left in a folder that is not the demo's
        raise _none(home)
    with ExitStack() as held:
        try:
            held.enter_context(in_use(home, part))
        except PipelineError:
            if is_in_use(home, part) and not (home / _STATE).exists():
                raise PipelineError(
                    f"`zoho-pipeline demo` is making the demo in {home} at the moment. Wait for its end, then run this "
                    "command again."
                ) from None
            raise
        yield known_place(home)


def known_place(home: Path) -> Place:
    """The place that an earlier `demo` has made; raises PipelineError when there is none."""
    try:
        values = json.loads((home / _MARK).read_text())
        place = Place(home, int(values["port"]), str(values["client_id"]), str(values["client_secret"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _none(home) from error
    if not place.state.exists():
        raise PipelineError(f"the demo in {home} did not finish. Run `zoho-pipeline demo` again.")
    return place


def _none(home: Path) -> PipelineError:
    return PipelineError(f"there is no demo in {home}. Run `zoho-pipeline demo` (or `make demo`) first.")


def free_port(wanted: int = PORT) -> int:
    """`wanted` if no process listens on it, else a free port; raises PipelineError when no port is free."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise PipelineError("no port of this machine is free. Close a program that listens on many ports, then try again.")

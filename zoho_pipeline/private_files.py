"""Files that only their owner may read: how the key is written, and who else can reach the key, HOME and `.env`.

Modes mean nothing on Windows, and nothing on a file system that keeps none (a folder of Windows in a container, FAT).
There the rights of the folder decide, which this program cannot see. So nothing is refused there.
"""

import logging
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

log = logging.getLogger(__name__)

OTHERS_READ, OTHERS_WRITE = stat.S_IROTH, stat.S_IWOTH
KEY_RISK = stat.S_IRWXO | stat.S_IWGRP
"""What nobody else may do with the key file. Its group may read it: Kubernetes gives a secret to a pod by its group."""

SECONDS_OF_A_DRAFT = 3_600
"""An older draft belongs to a dead process."""

_warned: set[tuple[str, Path]] = set()


def write_once(path: Path, text: str) -> None:
    """Write a new file of mode 600, whole or not at all. Where several processes write it, the first one wins."""
    with _draft(path, text.encode()) as draft, suppress(FileExistsError):  # another process was first: its key is used
        os.link(draft, path)
    _keep_names(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 600, whole or not at all. It takes the place of an older one."""
    with _draft(path, data) as draft:
        draft.replace(path)
    _keep_names(path.parent)


@contextmanager
def _draft(path: Path, data: bytes) -> Iterator[Path]:
    """A file of mode 600 beside `path`, which has the data. It is gone after the block."""
    _remove_drafts_of_the_dead(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())  # else a power failure could leave an empty key under its name
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _remove_drafts_of_the_dead(path: Path) -> None:
    """Remove drafts of this file that a killed process left: whoever lives needs one for some milliseconds."""
    name = re.compile(rf"\.{re.escape(path.name)}\.\d+\.[0-9a-f]{{8}}")
    with suppress(OSError):
        for other in path.parent.iterdir():
            if name.fullmatch(other.name) and time.time() - other.stat().st_mtime > SECONDS_OF_A_DRAFT:
                other.unlink()


def _keep_names(folder: Path) -> None:
    """Write the names of a folder to the disk: what a new key encrypts must not outlive the key."""
    with suppress(OSError):  # Windows opens no folders, and some file systems cannot do it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def keeps_modes(folder: Path) -> bool:
    """Whether the file system of the folder keeps the modes of files. Yes, if the folder cannot be written."""
    probe = folder / f".mode.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return True
    try:
        return not stat.S_IMODE(os.fstat(descriptor).st_mode) & KEY_RISK
    finally:
        os.close(descriptor)
        probe.unlink()


def key_file_risk(path: Path, keeps_modes: Callable[[Path], bool] = keeps_modes) -> str | None:
    """Why the key file must not be used, with the cure; None if it may be. OSError: the file cannot be seen."""
    if not (mode := _open_to_others(path, KEY_RISK)):
        return None
    cure = "put the key into ZOHO_PIPELINE_SECRET_KEY and remove the file"
    if not keeps_modes(path.parent):
        _warn_once(
            "key",
            path,
            f"The key file {path} has mode {mode}, and its file system keeps no modes. If other people use this "
            f"machine, {cure}.",
        )
        return None
    return (
        f"the key file {path} is open to other users of this machine (mode {mode}), and its key decrypts every token. "
        f"Run: chmod 600 {path}. If the mode cannot be changed, {cure}. If somebody else may have read the key, "
        "connect the channels again."
    )


def warn_of_open_home(home: Path, keeps_modes: Callable[[Path], bool] = keeps_modes) -> None:
    """Log once that other users may write HOME: they could replace the key, the registry and the warehouse."""
    mode = _open_to_others(home, OTHERS_WRITE)
    if mode and ("home", home) not in _warned and keeps_modes(home):
        _warn_once(
            "home",
            home,
            f"Other users of this machine can write the folder {home} (mode {mode}) and replace what is in it. "
            f"Run: chmod 700 {home}. If the mode cannot be changed, as that of a volume, set ZOHO_PIPELINE_HOME to a "
            f"new folder in it, such as {home / 'zoho-pipeline'}.",
        )


def warn_of_open_env_file(path: Path) -> None:
    """Log once that other users may read a `.env` that holds secrets."""
    if (mode := _open_to_others(path, OTHERS_READ | OTHERS_WRITE)) and keeps_modes(path.absolute().parent):
        _warn_once(
            "env",
            path.absolute(),
            f"Other users of this machine can read the file {path} (mode {mode}), which holds a secret. "
            f"Run: chmod 600 {path}",
        )


def _open_to_others(path: Path, risk: int) -> str | None:
    """The mode of the file in octal digits, if it has a bit of `risk` and modes mean something here."""
    if os.name == "nt":
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"{mode:03o}" if mode & risk else None


def _warn_once(kind: str, path: Path, message: str) -> None:
    if (kind, path) not in _warned:
        _warned.add((kind, path))
        log.warning(message)

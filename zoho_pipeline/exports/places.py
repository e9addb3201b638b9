"""A file takes its place as a whole: it is written under another name beside it, and renamed when it is complete.

Whoever reads the place finds the old file or the new one, and never a half. Several files take their places together,
after all of them are complete. Ctrl-C, an error and a full disk leave the old files, and nothing else. A killed process
leaves rows of people in its draft, which the next export into that folder removes.
"""

import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from zoho_pipeline.exports.errors import ExportError, WrongPlace

_DRAFT = re.compile(r"\.zoho-pipeline-[0-9a-f]{16}\.part")
_LONGEST = 100
"""The characters of a place that a message shows."""


@contextmanager
def drafts(places: Sequence[Path], *, force: bool) -> Iterator[list[Path]]:
    """The paths of new files beside `places`, in their order. The block writes them; after it they take their places.

    A file that replaces another one keeps its mode. A new one gets that of the umask: the commands let only the owner
    read it. A place that is a symbolic link stays one, and the file that it names is replaced.

    Args:
        force: replace files that exist.

    Raises:
        WrongPlace: a place cannot be a file, its folder does not exist, or a file is there and `force` is not set.
        ExportError: a file cannot be written.
    """
    finals = [place.resolve() for place in places]
    for place, final in zip(places, finals, strict=True):
        _require_free(place, final, force)
    for folder in {final.parent for final in finals}:
        _remove_drafts_of_the_dead(folder)
    made: list[Path] = []
    held: list[int] = []
    try:
        for final in finals:
            _add_draft(final.parent, made, held)
        yield list(made)
        for draft, final in zip(made, finals, strict=True):
            if final.exists():
                shutil.copymode(final, draft)
            _to_the_disk(draft)
        for draft, final, place in zip(made, finals, places, strict=True):
            _put(draft, final, place, force)
    except OSError as error:
        folders = ", ".join(dict.fromkeys(str(final.parent) for final in finals))
        raise ExportError(
            f"the files cannot be written in {folders}: {error.strerror or error}. What was there before is unchanged."
        ) from error
    finally:
        for draft in made:
            with suppress(OSError):  # most have taken their places
                draft.unlink()
        for descriptor in held:
            os.close(descriptor)


def rows_of(draft: Path) -> Path:
    """The folder for what a writer needs beside a draft. It is removed with the draft of a killed process."""
    return draft.with_suffix(".rows.part")


def _add_draft(folder: Path, made: list[Path], held: list[int]) -> None:
    """Make a draft, and lock it: the lock ends with this process, however it ends. The descriptor goes to `held`."""
    while True:
        draft = folder / f".zoho-pipeline-{secrets.token_hex(8)}.part"
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        made.append(draft)
        held.append(descriptor)
        with suppress(OSError):  # a file system without locks: then nobody takes its drafts for those of the dead
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if draft.exists():
            return
        made.pop()  # another export took it for the draft of a dead process before it was locked


def _remove_drafts_of_the_dead(folder: Path) -> None:
    """Remove the drafts that killed processes of this user left in a folder. It never fails."""
    with suppress(OSError):
        for found in folder.iterdir():
            if _DRAFT.fullmatch(found.name):
                with suppress(OSError):
                    _remove_if_dead(found)


def _remove_if_dead(draft: Path) -> None:
    descriptor = os.open(draft, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        about = os.fstat(descriptor)
        if stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its process lives
            shutil.rmtree(rows_of(draft), ignore_errors=True)
            draft.unlink()
    finally:
        os.close(descriptor)


def require_name(place: Path) -> None:
    """WrongPlace: no file can have this name, or a part of it leads in a circle or cannot be seen."""
    if str(place) == "-":
        raise WrongPlace(
            "an export writes files, and - is none. Name a file. `zoho-pipeline sql --format csv` prints an answer."
        )
    try:
        place.resolve().stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except RuntimeError:
        raise WrongPlace(f"{place} leads to itself by symbolic links. Remove them, or name another file.") from None
    except OSError as error:
        shown = str(place) if len(str(place)) <= _LONGEST else f"{str(place)[:_LONGEST]}…"
        raise WrongPlace(f"{shown} cannot be used: {error.strerror}. Name another file.") from error


def _require_free(place: Path, final: Path, force: bool) -> None:
    if not final.parent.exists():
        raise WrongPlace(f"the folder {final.parent} does not exist. Make it first, or name another file.")
    if not final.parent.is_dir():
        raise WrongPlace(
            f"{final.parent} is no folder. Name a folder, or a file that ends with .csv, .parquet or .xlsx."
        )
    if final.is_dir():
        raise WrongPlace(f"{place} is a folder. Name a file in it.")
    if final.exists() and not final.is_file():
        raise WrongPlace(f"{place} is no ordinary file. Name another file.")
    if final.exists() and not force:
        raise _exists(place)


def _exists(place: Path) -> WrongPlace:
    return WrongPlace(f"{place} exists already. Name another file, or replace it with --force.")


def _to_the_disk(draft: Path) -> None:
    """Otherwise a power failure after the renaming could leave an empty file in the place of the old one."""
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put(draft: Path, final: Path, place: Path, force: bool) -> None:
    if force:
        os.replace(draft, final)
        return
    try:
        os.link(draft, final)  # unlike a renaming, it fails where a file came meanwhile
    except FileExistsError:
        raise _exists(place) from None
    except OSError:  # the file system has no second names
        os.replace(draft, final)

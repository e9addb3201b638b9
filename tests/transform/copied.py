"""Tells which files this process copied. An inode does not: the system gives the number of a removed file again."""

import sys

_copied: list[str] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if event == "shutil.copyfile":
        _copied.append(str(arguments[1]))


sys.addaudithook(_hear)


def copied() -> list[str]:
    """The files that were made by a copy since the last call."""
    found = [*_copied]
    _copied.clear()
    return found

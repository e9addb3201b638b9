"""The file with the keys that encrypt tokens: made once, read often. Without it nobody can decrypt the tokens.

The type of every secret value is here too, below all packages. They import it from `settings`.
"""

import re
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

from zoho_pipeline.private_files import write_once
from zoho_pipeline.text_files import NotText, read_text

MIN_KEY_LENGTH = 32


class Secret:
    """A value that no print shows: `str`, `repr` and format give `***`; `reveal()` gives the text."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and secrets.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


class DamagedKeyFile(ValueError):
    """The file holds no usable key. The message says why, and what to do."""


def stored_keys(path: Path) -> list[str]:
    """The keys of the file, newest first. If there is no file, it is made with one new key (mode 600).

    Raises:
        DamagedKeyFile: the file or folder there holds no usable key.
        OSError: the file cannot be read or made.
    """
    if not path.exists():
        write_once(path, urlsafe_b64encode(secrets.token_bytes(32)).decode())
    if path.is_dir():
        raise DamagedKeyFile(_damaged(path, "it is a folder"))
    try:
        keys = split_keys(read_text(path))
    except NotText:
        raise DamagedKeyFile(_damaged(path, "it is no text")) from None
    if not keys or any(len(key) < MIN_KEY_LENGTH for key in keys):
        reason = f"it has a key of fewer than {MIN_KEY_LENGTH} characters" if keys else "it is empty"
        raise DamagedKeyFile(_damaged(path, reason))
    return keys


def split_keys(text: str) -> list[str]:
    """The keys of a text, which are separated by commas or white space."""
    return [key for key in re.split(r"[\s,]+", text) if key]


def _damaged(path: Path, reason: str) -> str:
    return (
        f"the key file {path} is damaged ({reason}). Put it back from a backup. If there is none, remove it: the next "
        "command makes a new key, and then each channel has to be connected again (`zoho-pipeline connect ID` or "
        "`zoho-pipeline channels add ID …`)."
    )

"""Normal text: two texts are one name if their normal texts are equal, on every engine, in every locale.

The Unicode tables are those of Python. `lower()` of a database depends on its locale, and `trim()` knows only blanks.
"""

import re
import unicodedata
from typing import Any

import orjson

_JOINERS = "\u200c\u200d"
"""They separate and join letters: words of Persian and Hindi differ by them. Other format characters are dropped."""
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_ESCAPED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")


def plain_value(value: str) -> str | None:
    """The text of a field: a JSON list of texts (a multi-select) is its values joined by `;`, a lookup is its name.

    Every other text is itself. A lookup without a name is None.
    """
    if value[:1] not in "[{" or value[-1:] not in "]}":
        return value
    try:
        found: Any = orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
    if isinstance(found, dict):
        return _name(found) if "id" in found or "name" in found else value
    names = [_name(item) if isinstance(item, dict) else item for item in found]
    return ";".join(str(name) for name in names if name is not None)


def _name(lookup: dict[str, Any]) -> str | None:
    name = lookup.get("name")
    return None if name is None else str(name)


def shown_text(text: str) -> str:
    """The text without white space and format characters at its ends; inside it stays as it is."""
    stripped = text.strip()
    if stripped.isascii():
        return stripped
    start, end = 0, len(stripped)
    while start < end and _is_blank(stripped[start]):
        start += 1
    while end > start and _is_blank(stripped[end - 1]):
        end -= 1
    return stripped[start:end]


def normal_text(text: str) -> str:
    """NFC, case folded in full, inner white space one blank, ends stripped, format characters dropped.

    The zero-width joiner and non-joiner stay inside a text. '' if nothing is left. It changes no normal text.
    """
    if text.isascii():
        return " ".join(text.split()).lower()
    visible = "".join(c for c in text if c.isascii() or c in _JOINERS or unicodedata.category(c) != "Cf")
    # folded in canonical decomposition, as Unicode defines caseless matching (D145); folding can compose no character
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", visible).casefold())
    return shown_text(" ".join(unicodedata.normalize("NFC", folded).split()))


def words(text: str) -> str:
    """The words of a text in normal form, one blank before and after each: every other sign is a blank.

    So a search for ' follow up ' finds whole words. '' if there is no word.
    """
    normal = normal_text(text)
    if normal.isascii():
        found = _NOT_A_WORD.sub(" ", normal).strip()
    else:
        found = " ".join("".join(c if _is_of_a_word(c) else " " for c in normal).split())
    return f" {found} " if found else ""


def url_decoded(text: str) -> str:
    """A value of a URL: `+` is a blank, and `%xx` is a byte of UTF-8; once more if escapes are left, then no further.

    Bytes that are not UTF-8, and NUL, stay escaped.
    """
    decoded = text.replace("+", " ")
    if "%" in decoded:
        decoded = percent_decoded(decoded)
        if "%" in decoded:
            decoded = percent_decoded(decoded)
    return decoded


def percent_decoded(text: str) -> str:
    """The text with each `%xx` as the byte of UTF-8 that it stands for. Others, and NUL, stay, as `%XX` in capitals."""
    return _ESCAPED.sub(lambda match: _characters(bytes.fromhex(match.group().replace("%", ""))), text)


def _characters(octets: bytes) -> str:
    decoded = octets.decode("utf-8", "surrogateescape")
    if "\0" not in decoded and not any("\udc80" <= c <= "\udcff" for c in decoded):
        return decoded
    return "".join(f"%{ord(c) & 0xFF:02X}" if c == "\0" or "\udc80" <= c <= "\udcff" else c for c in decoded)


def _is_blank(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cf"


def _is_of_a_word(character: str) -> bool:
    return character.isalnum() or character in _JOINERS or unicodedata.category(character)[0] == "M"

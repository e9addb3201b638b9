"""Texts that a tenant wrote (titles, topics, sources), made harmless before an agent reads them.

Such a text may try to give the agent an order. It cannot be told from a good one, so it is marked and bounded instead:
it has no invisible characters, is short, stays on one line, and is sent as a JSON value only. A text may also hold an
address by accident, as a link of a newsletter does, so what looks like one is hidden.
"""

import json
import re
import unicodedata
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from zoho_pipeline.agents.limits import TEXT_CHARACTERS
from zoho_pipeline.transform.dictionaries.urls import AT_SIGN, is_like_an_address

HIDDEN = "(hidden)"
_LONGEST_READ = 1_000
"""Of a longer text, the rest is not looked at: a tenant may write megabytes, and an answer has hundreds of texts."""

_LOOK_AHEAD = 100
"""An address that the cut would go through is still seen as one."""

_JOINERS = "\u200c\u200d"
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0"  # fillers, and marks that show nothing
    "\ufe00-\ufe0f\U000e0000-\U000e0fff]"  # variation selectors and tags can carry a hidden text
)
_BETWEEN_WORDS = re.compile(r"([\s<>()\[\]\"',;:/?&=]+)")
_GAP = r"(?:[ ._\u2010-\u2015-]|%(?:25)*2[0DE])"
"""A URL encodes what stands between the parts of a number, also more than once."""

_NUMBER = re.compile(
    rf"(?:\+|%(?:25)*2B)\d(?:(?:[()]|{_GAP}){{0,2}}\d){{7,}}"  # a phone number with its country
    rf"|(?<!\d)00[1-9](?:(?:[()]|{_GAP}){{0,2}}\d){{9,}}"  # with zeros before the country
    rf"|(?<!\d)\(?\d{{3}}(?:\){_GAP}?|{_GAP})\d{{3}}{_GAP}\d{{4}}(?!\d)"
    rf"|(?<!\d)\d{{5}}{_GAP}\d{{5}}(?!\d)"
    # with the zero before an area; 50.000-100.000 is a price, and no area begins with two zeros
    rf"|(?<!\d)(?<!\d[.,])\(?0[1-9]\d{{1,3}}\)?{_GAP}\d{{3,4}}{_GAP}?\d{{3,4}}(?!\d)"
    rf"|(?<!\d)(?<!\d[.,_ -])\(?0[1-9]\)?(?P<gap>{_GAP})"
    r"(?:\d{4}(?P=gap)\d{4}|\d{2}(?:(?P=gap)\d{2}){3})(?!\d)"
    r"|\d{10,}",  # a bare phone number, or the id of a record
    re.IGNORECASE,
)
APOSTROPHE = "'"
_QUOTES = re.compile("[“”„‟«»·]")
_FENCE = re.compile(r"([\\`\[\]|<>])")


def clean(text: object, most: int = TEXT_CHARACTERS) -> str | None:
    """A tenant's text on one line, without control, direction and invisible characters, and at most `most` long.

    None: there is no text, or nothing is left of it.
    """
    if text is None:
        return None
    words = " ".join(_visible(unicodedata.normalize("NFC", str(text)[:_LONGEST_READ])).split())
    words = _without_persons(words[: most + _LOOK_AHEAD])
    if len(words) > most:
        words = words[: most - 1].rstrip() + "…"
    return words or None


def clean_url(url: object) -> str | None:
    """The address of a page without its query and fragment.

    None: there is none, it is no http address, it has more than 200 characters, or something personal is in it.
    """
    given = str(url or "").strip()
    if not given or len(given) > _LONGEST_READ:
        return None
    try:
        parts = urlsplit(given)
        found = urlunsplit((parts.scheme.lower(), parts.netloc, parts.path, "", ""))
    except ValueError:
        return None
    is_plain = re.fullmatch(r"https?://[^\s<>\"`\\{}|^]+", found) is not None
    if not is_plain or len(found) > TEXT_CHARACTERS or _visible(found) != found or AT_SIGN.search(parts.netloc):
        return None
    if any(map(is_like_an_address, _BETWEEN_WORDS.split(parts.path))):  # medium.com/@acme is a place, and no address
        return None
    return found


def _without_persons(text: str) -> str:
    """The text without what looks like an e-mail address, a phone number or the id of a record."""
    words = _BETWEEN_WORDS.split(text)
    return _NUMBER.sub(HIDDEN, "".join(HIDDEN if is_like_an_address(word) else word for word in words))


def _visible(text: str) -> str:
    """The text without what shows nothing or changes the direction. Joiners of Indic scripts are text and stay."""
    kept = []
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if category in ("Zl", "Zp", "Zs") or character in "\t\n\v\f\r\x85":
            kept.append(" ")
        elif character in _JOINERS:
            around = text[max(0, place - 1) : place] + text[place + 1 : place + 2]
            if len(around) == 2 and all(unicodedata.category(near)[0] in "LM" and near > "\u02ff" for near in around):
                kept.append(character)
        elif category[0] != "C":
            kept.append(character)
    return _INVISIBLE.sub("", "".join(kept))


def quoted(text: str | None, without: str) -> str:
    """A cleaned text in a sentence of ours, between marks that it cannot hold itself.

    Args:
        without: the words for no text.
    """
    return f"“{_QUOTES.sub(APOSTROPHE, text)}”" if text else without


def in_fence(text: str) -> str:
    """A cleaned text for a fenced block of markdown, which it can neither end nor make a link in."""
    return _FENCE.sub(r"\\\1", text)


def fenced_json(value: Any) -> str:
    """A value as a fenced block of JSON. Nothing in it can end the block, or look like markup."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    for character in "`<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f"```json\n{text}\n```"

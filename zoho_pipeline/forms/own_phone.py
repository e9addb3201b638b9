"""Hides the visitor's own phone number in the other texts of a form: a page may have it in its path."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from zoho_pipeline.channels.forms import person_keys

MASK = "***"
_MOST_DIGITS = 24
"""Of a phone field, the last ones: a number with its country and an extension has fewer."""

_PIECES = re.compile(r"(?:%(?:25)*[0-9A-Fa-f]{2})+|.", re.DOTALL)
"""A character, or a run of characters that a URL encodes, also more than once."""

_PERCENT = re.compile(r"%(?:25)+")


class _Digit(NamedTuple):
    """A digit, as 0 to 9, and the part of the text that writes it."""

    value: str
    start: int
    end: int


def without_own_phone(person: Mapping[str, str], text: str) -> str:
    """The text with `***` in the place of the phone number of `person`, however it is grouped, encoded, or shortened.

    The number is known by `phone`, or by `phone_sha256` alone: then each ten digits in a row are hashed. Eight digits
    in a row of a `phone` are enough: many countries have no more, and a page may write them without the country. The
    time grows with the length of the text and no faster.
    """
    is_own, sizes = _test_for(person)
    kept, end = [], 0
    for digits in _numbers(text) if sizes else ():
        values = "".join(digit.value for digit in digits)
        # a shorter number is known by its hash only where it stands alone
        for size in sizes if len(digits) >= person_keys.PHONE_DIGITS else {*sizes, len(digits)}:
            for at in range(len(digits) - size + 1):
                if is_own(values[at : at + size]):
                    first, last = digits[at], digits[at + size - 1]
                    if first.start >= end:
                        kept += [text[end : first.start], MASK]
                    end = max(end, last.end)
    return "".join((*kept, text[end:]))


def _test_for(person: Mapping[str, str]) -> tuple[Callable[[str], bool], tuple[int, ...]]:
    """Whether some digits are the number, and how many digits are looked at. No size: there is no number."""
    given = person_keys.given_hash(person["phone_sha256"])
    if given is not None:
        return lambda digits: person_keys.digits_hash(digits) == given, (person_keys.PHONE_DIGITS,)
    size = person_keys.FEWEST_DIGITS
    every = person_keys.all_digits(person["phone"])[-_MOST_DIGITS:]  # with an extension, the number is further left
    parts = frozenset(every[at : at + size] for at in range(len(every) - size + 1))
    return parts.__contains__, (size,) if parts else ()


def _numbers(text: str) -> Iterator[list[_Digit]]:
    """The digits of each number in a text that is long enough. A letter ends a number, and other signs do not."""
    digits: list[_Digit] = []
    for piece in _PIECES.finditer(text):
        for character in _decoded(piece[0]):
            if character.isdecimal():
                digits.append(_Digit(str(unicodedata.decimal(character)), piece.start(), piece.end()))
            elif character.isalnum():
                if len(digits) >= person_keys.FEWEST_DIGITS:
                    yield digits
                digits = []
    if len(digits) >= person_keys.FEWEST_DIGITS:
        yield digits


def _decoded(piece: str) -> str:
    """What a piece of a text writes."""
    return piece if len(piece) == 1 else unquote(_PERCENT.sub("%", piece))

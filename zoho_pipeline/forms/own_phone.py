"""Hides the visitor's own phone number in the other texts of a form: a page may have it in its path."""

import re
from collections.abc import Callable, Iterator, Mapping

from zoho_pipeline.channels.forms import person_keys

MASK = "***"
_MOST_DIGITS = 24
"""Of a phone field, the last ones: a number with its country and an extension has fewer."""

_PARTS = re.compile(r"(?P<digit>[0-9])|(?:[\s()./+-]|%2[0-9A-F])+|(?P<other>.)", re.DOTALL)
"""A digit, what people write between the digits of one number, and anything else, which ends a number."""


def without_own_phone(person: Mapping[str, str], text: str) -> str:
    """The text with `***` in the place of the phone number of `person`, however it is grouped.

    The number is known by `phone`, or by `phone_sha256` alone: then each ten digits in a row are hashed. The time grows
    with the length of the text and no faster.
    """
    is_own, sizes = _test_for(person)
    kept, end = [], 0
    for digits, places in _numbers(text) if sizes else ():
        # a shorter number is known by its hash only where it stands alone
        for size in sizes if len(digits) >= person_keys.PHONE_DIGITS else (*sizes, len(digits)):
            for at in range(len(digits) - size + 1):
                if is_own(digits[at : at + size]):
                    if places[at] >= end:
                        kept += [text[end : places[at]], MASK]
                    end = places[at + size - 1] + 1
    return "".join((*kept, text[end:]))


def _test_for(person: Mapping[str, str]) -> tuple[Callable[[str], bool], tuple[int, ...]]:
    """Whether some digits are the number, and how many digits it has. No size: there is no number."""
    given = person_keys.given_hash(person["phone_sha256"])
    if given is not None:
        return lambda digits: person_keys.digits_hash(digits) == given, (person_keys.PHONE_DIGITS,)
    size = len(person_keys.phone_digits(person["phone"]) or "")
    every = person_keys.all_digits(person["phone"])[-_MOST_DIGITS:]  # with an extension, the number is further left
    parts = frozenset(every[at : at + size] for at in range(len(every) - size + 1)) if size else frozenset[str]()
    return parts.__contains__, (size,) if size else ()


def _numbers(text: str) -> Iterator[tuple[str, list[int]]]:
    """The digits of each number in a text that is long enough, and where each digit stands."""
    digits: list[str] = []
    places: list[int] = []
    for part in (*_PARTS.finditer(text), None):
        if part is not None and part["digit"]:
            digits.append(part["digit"])
            places.append(part.start())
        elif part is None or part["other"]:
            if len(digits) >= person_keys.FEWEST_DIGITS:
                yield "".join(digits), places
            digits, places = [], []

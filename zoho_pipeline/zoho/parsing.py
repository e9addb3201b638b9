"""Reads JSON and numbers of an answer as they were sent: exactly, and without a crash if one value is odd.

orjson reads a whole number beyond 64 bits, and a fraction with more than 17 digits, as a float. Such a document is read
again with `decimal.Decimal`. orjson also refuses a whole document for one value that is no valid text. Then
`parse_leniently` gives every other value: the odd ones become None, and the object that held them names them.
"""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import orjson

ODD = "$odd"
"""The key under which an object of a lenient document has its `OddValues`. No column is read from a `$…` key."""

MOST_DEPTH = 200
"""Objects and lists inside each other that a lenient document keeps. The JSON writer can write 254."""

MOST_DIGITS = 25
"""A longer whole number in a header or a text is no number of Zoho's. Python refuses more than 4,300 digits."""

_DIGIT_RUNS = bytes(ord("0") if chr(n) in "0123456789." else n if chr(n) == '"' else ord(" ") for n in range(256))
_LONG_RUN = b" " + b"0" * 16
_LONG_NUMBER = re.compile(rb"[:,\[]\s*-?\d[\d.]{15}")
_TOKENS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A string, also one without an end: else the search would begin anew at each quote in it, and take hours."""
_TOO_DEEP = "\ud800deep"
_NO_NUMBER = "\ud800number"
NOT_TEXT = "not valid text: half a surrogate pair, or bytes that are not UTF-8"
_REASONS = {_TOO_DEEP: "nested too deeply", _NO_NUMBER: "not a finite number"}
_WRITTEN = {f'"{_TOO_DEEP}"': "…", f'"{_NO_NUMBER}"': "NaN"}
_RAW_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")
_LONGEST_SHOWN = 500


class OddValue(NamedTuple):
    """A value that could not be read: its text, cut to 500 characters, and the reason."""

    shown: str
    reason: str


class OddValues(dict[str, OddValue]):
    """Field → its odd value. No JSON text makes this type, so an answer cannot pretend to have odd values."""


def parse(body: bytes) -> Any:
    """The JSON value of a body. A number that a float would change is an int or a Decimal.

    Raises:
        ValueError: the body is not JSON, or has a value that no JSON may have.
    """
    found = orjson.loads(body)
    return _exact(body) if _has_long_number(body) else found


def parse_leniently(body: bytes) -> Any:
    """The JSON value of a body, without its odd values: half surrogate pairs, bytes that are not UTF-8, too deep parts.

    Each row (an object in a list of the document, or an object of the document) has its odd values under ODD, by field.

    Raises:
        ValueError: the body has no form of JSON.
    """
    text = _pruned(body.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
    try:
        found = _loads(text)
    except RecursionError:  # brackets without an end
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        return _clean(found)[0]
    return {name: _part(value) for name, value in found.items() if not _reason(name)}


def parse_or_none(body: bytes) -> Any:
    """The JSON value of a body, if need be without its odd values; None if the body is not JSON."""
    for read in (parse, parse_leniently):
        try:
            return read(body)
        except ValueError:
            continue
    return None


def whole_number(value: Any, most: float = math.inf) -> int | None:
    """The number from 0 to `most` that an int, or a text of ASCII digits, gives; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        value = int(text) if is_digits(text) else None
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    return number if number is not None and 0 <= number <= most else None


def is_digits(text: str) -> bool:
    """Whether a text has only ASCII digits, and not more than a number of Zoho's. `'²'.isdigit()` is true too."""
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS


def joined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """One row from several parts of it. The first part that has a field wins; odd values of all parts are kept."""
    row: dict[str, Any] = {}
    odd = OddValues()
    for part in reversed(parts):
        row |= part
        odd |= odd_values(part)
    return row | {ODD: odd} if odd else row


def odd_values(row: Mapping[str, Any]) -> OddValues:
    """The odd values of a row; empty for nearly every row."""
    found = row.get(ODD)
    return found if type(found) is OddValues else OddValues()


def shown(value: Any) -> str:
    """A value as JSON text for a person, cut to 500 characters. A byte that is not UTF-8 is shown as `\\xff`."""
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    except (RecursionError, ValueError):
        return "(nested too deeply)"
    for mark, written in _WRITTEN.items():
        text = text.replace(mark, written)
    text = _RAW_BYTE.sub(r"\\x\1", text.encode("utf-8", "backslashreplace").decode())
    return text.replace("\\u0000", "")[:_LONGEST_SHOWN]


def number_of(text: str) -> float | Decimal:
    """A fraction as a float, if the float gives back the same digits; else as a Decimal."""
    exact = Decimal(text)
    number = float(text)
    return number if math.isfinite(number) and Decimal(repr(number)) == exact else exact


def _has_long_number(body: bytes) -> bool:
    """Whether a float may change a number of this JSON. Ids in quotes do not count.

    The first look takes a tenth of the time of the expression, and is enough for nearly every page.
    """
    return _LONG_RUN in body.translate(_DIGIT_RUNS) and _LONG_NUMBER.search(body) is not None


def _exact(body: bytes) -> Any:
    try:
        return _loads(body.decode())
    except RecursionError:
        return parse_leniently(body)


def _loads(text: str) -> Any:
    return json.loads(text, strict=False, parse_float=_fraction, parse_int=_int, parse_constant=lambda _: _NO_NUMBER)


def _fraction(text: str) -> float | Decimal | str:
    try:
        return number_of(text)
    except InvalidOperation:  # an exponent of more digits than a Decimal can have
        return _NO_NUMBER


def _int(text: str) -> int | str:
    return int(text) if len(text) <= 4_000 else _NO_NUMBER


def _pruned(text: str) -> str:
    """The text with a mark instead of everything that is nested too deeply."""
    kept: list[str] = []
    depth = start = 0
    for token in _TOKENS.finditer(text):
        mark = token[0]
        if mark in ("[", "{"):
            depth += 1
            if depth == MOST_DEPTH + 1:
                kept += [text[start : token.start()], '"\\ud800deep"']
                start = len(text)
        elif mark in ("]", "}"):
            if depth == MOST_DEPTH + 1:
                start = token.end()
            depth -= 1
    return "".join([*kept, text[start:]]) if kept else text


def _part(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [_record(item) for item in value]
    return _record(value) if isinstance(value, dict) else _clean(value)[0]


def _record(given: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its odd values, which it names under ODD. An odd id becomes '': the row has no id."""
    record: dict[str, Any] = {}
    odd = OddValues()
    for name, value in given.items():
        cleaned, reason = _clean(value)
        if _reason(name):
            odd[shown(name)[1:-1]] = OddValue(shown(value), _reason(name))
            continue
        record[name] = "" if reason and name == "id" else cleaned
        if reason:
            odd[name] = OddValue(shown(value), reason)
    return record | {ODD: odd} if odd else record


def _clean(value: Any) -> tuple[Any, str]:
    """The value without its odd parts, and the reason why it has any.

    Of an object with an id, and of a list of objects, the rest is kept. Any other odd value becomes None.
    """
    if isinstance(value, str):
        reason = _reason(value)
        return (None, reason) if reason else (value, "")
    if isinstance(value, list):
        parts = [_clean(item) for item in value]
        reason = next((reason for _, reason in parts if reason), "")
        if reason and not all(isinstance(item, dict) for item in value):
            return None, reason
        return [{} if part is None else part for part, _ in parts] if reason else value, reason
    if isinstance(value, dict):
        fields = {name: _clean(item) for name, item in value.items() if not _reason(name)}
        names = (_reason(name) for name in value)
        reason = next(filter(None, (*names, *(reason for _, reason in fields.values()))), "")
        known = isinstance(fields.get("id", (None, ""))[0], str)
        return ({name: item for name, (item, _) in fields.items()} if known or not reason else None), reason
    return value, ""


def _reason(text: str) -> str:
    """Why this is no text; empty for a good one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _REASONS.get(text, NOT_TEXT)
    return ""

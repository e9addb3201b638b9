"""Converts database values to values that JSON has, and writes them with all their digits."""

import json
import re
import secrets
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID

_AS_THEY_ARE = frozenset((str, int, bool, type(None)))
_DIGITS = 4000
"""Python reads and writes no integer of more than 4300 digits."""


def json_ready(value: Any) -> Any:
    """A database value as JSON has it: decimals and numbers as numbers, times as ISO text, others as text.

    A decimal with more digits than a float has stays a Decimal; `json_text` writes it.
    """
    if type(value) in _AS_THEY_ARE:  # nearly every value; the patterns below take five times as long
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            return _number(value)
        case datetime():
            return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case dict():
            return {str(k): json_ready(v) for k, v in value.items()}
        case list() | tuple():
            return [json_ready(v) for v in value]
        case UUID():
            return str(value)
        case _:
            return str(value)


def json_text(value: Any, default: Callable[[Any], Any] | None = None, **options: Any) -> str:
    """JSON text of a value. A Decimal becomes a number with all its digits, which Python's own writer cannot do.

    `default` and `options` are those of `json.dumps`.
    """
    mark = secrets.token_hex(16)

    def marked(other: Any) -> Any:
        number = _number(other) if isinstance(other, Decimal) else other
        if isinstance(number, Decimal):
            return f"{mark}{number}"
        if number is other and default is None:
            raise TypeError(f"{type(other).__name__} is no value of JSON")
        return default(other) if number is other and default is not None else number

    text = json.dumps(value, default=marked, **options)
    return re.sub(f'"{mark}([^"]+)"', r"\1", text) if mark in text else text


def from_json(text: str | bytes) -> Any:
    """The value of a JSON text. A number that a float would change is a Decimal, or text if Python cannot read it.

    NaN and Infinity, which DuckDB writes and JSON does not have, are null, as in `json_ready`.
    """
    return json.loads(
        text,
        parse_float=_fraction,
        parse_constant=lambda _: None,
        parse_int=lambda digits: int(digits) if len(digits) <= _DIGITS else digits,
    )


def _fraction(digits: str) -> int | float | str | Decimal | None:
    try:
        return _number(Decimal(digits))
    except InvalidOperation:  # an exponent that Python's decimals do not have
        return digits


def _number(value: Decimal) -> int | float | str | Decimal | None:
    """A decimal as a number: a Decimal where a float would change its digits, text where Python has no such number."""
    if not value.is_finite():
        return None
    if value.as_tuple().exponent == 0:
        return int(value) if value.adjusted() < _DIGITS else str(value)
    number = float(value)
    if abs(number) == float("inf"):
        return str(value)
    return number if Decimal(repr(number)) == value else value


def distinct(columns: list[str]) -> list[str]:
    """Column names, with a number for repeated ones, so that a row object keeps every column: n, n → n, n_2."""
    taken, names = set(columns), list[str]()
    for column in columns:
        name, number = column, 1
        while name in names or (number > 1 and name in taken):  # n, n, n_2 → n, n_3, n_2
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names

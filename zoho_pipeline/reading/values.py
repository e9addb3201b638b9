"""Converts database values to values that JSON has."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

_DIGITS = 4000
"""Python reads and writes no integer of more than 4300 digits."""


def json_ready(value: Any) -> Any:
    """A database value as JSON has it: decimals and numbers as numbers, times as ISO text, others as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if value == value and abs(value) != float("inf") else None
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


def _number(value: Decimal) -> int | float | str | None:
    """A decimal as a number; as text where it has more digits, or is larger, than Python's numbers can be."""
    if not value.is_finite():
        return None
    if value.as_tuple().exponent == 0:
        return int(value) if value.adjusted() < _DIGITS else str(value)
    number = float(value)
    return number if abs(number) != float("inf") else str(value)

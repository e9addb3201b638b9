"""One value of Zoho as one value of a column's type, or the reason why it does not fit."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext
from typing import Any

import orjson

from zoho_pipeline.ingest.catalog.model import ColumnType
from zoho_pipeline.zoho import parsing

FIRST_TIME = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
LAST_TIME = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
"""Between these two, an instant is in the years 1 to 9999 in every time zone. Python has no other years."""

MISFITS = (ValueError, TypeError, ArithmeticError, RecursionError)
"""The errors of a value that does not fit. The text of the error is the reason."""

_LONGEST_VALUE = 500
_INT64 = 2**63
_MONEY_DIGITS, _RATE_DIGITS, _STEP = 18, 9, Decimal("1e-9")
_CLOSE = Decimal("1e-6")
_PRECISION = 500
"""More digits than a value can have that fits."""


class Rounded(ValueError):
    """The value was rounded to `fitted`, which is used. The text says so; `rejected_records` keeps the value itself."""

    def __init__(self, fitted: Decimal) -> None:
        super().__init__("more than nine decimals: it was rounded to nine, and is used so")
        self.fitted = fitted


def as_json(value: Any) -> str:
    """The JSON text for a raw table, without NUL, and with every digit of a number.

    Raises:
        ValueError: the value is nested too deeply.
    """
    try:
        text = orjson.dumps(value, default=_digits).decode()
    except TypeError as error:  # JSONEncodeError
        if "Recursion" in str(error):
            raise ValueError("nested too deeply") from None
        text = orjson.dumps(_with_digits(value), default=_digits).decode()
    # Postgres refuses a NUL in a text, even one that JSON escapes
    return orjson.dumps(_without_nul(value), default=_digits).decode() if "\\u0000" in text else text


def shown(value: Any) -> str:
    """The JSON text of a rejected value, cut to 500 characters."""
    try:
        text = as_json(value)
    except MISFITS:
        text = parsing.shown(value)
    return text.replace("\\u0000", "")[:_LONGEST_VALUE]


def _digits(value: Any) -> orjson.Fragment:
    """A number that orjson cannot write, with all its digits."""
    if isinstance(value, Decimal | int):
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} is no value of JSON")


def _with_digits(value: Any) -> Any:
    """The value with its whole numbers beyond 64 bits as `Decimal`, which `_digits` writes."""
    if type(value) is int and not -_INT64 <= value < 2 * _INT64:
        return Decimal(value)
    if isinstance(value, dict):
        return {key: _with_digits(item) for key, item in value.items()}
    return [_with_digits(item) for item in value] if isinstance(value, list) else value


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    return [_without_nul(item) for item in value] if isinstance(value, list) else _with_digits(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return str(value["name"])  # a picklist that became a lookup
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ";".join(value)  # a picklist that became a multi-select: as Zoho's own CSV joins it
    raise ValueError(f"not text but {_kind(value)}")


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and not value.strip():
        return None
    number = _number(value)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    if not -_INT64 <= number < _INT64:
        raise ValueError("too large for 64 bits")
    return int(number)


def _double(value: Any) -> float | None:
    if isinstance(value, str) and not value.strip():
        return None
    number = float(_number(value))
    if not math.isfinite(number):
        raise ValueError("too large for a double")
    return number


def _rate(value: Any) -> Decimal | None:
    """A factor with nine decimals.

    Raises:
        Rounded: it has more, and nine of them say the same to a millionth. Without its rate, a deal would have no
            amount in the home currency.
        ValueError: it does not fit.
    """
    number = _number_up_to(value, _RATE_DIGITS)
    if number is None:
        return None
    with localcontext() as exact:
        exact.prec = _PRECISION
        fitted = number.quantize(_STEP, ROUND_HALF_UP)
        if abs(fitted - number) > abs(number) * _CLOSE:
            raise ValueError("more than nine decimals")
    if fitted != number:
        raise Rounded(fitted)
    return fitted


def _exact(value: Any) -> Decimal | None:
    """An amount of up to nine decimals; nothing is rounded."""
    number = _number_up_to(value, _MONEY_DIGITS)
    if number is None:
        return None
    with localcontext() as exact:
        exact.prec = _PRECISION
        if number != (fitted := number.quantize(_STEP)):
            raise ValueError("more than nine decimals")
    return fitted


def _number_up_to(value: Any, digits: int) -> Decimal | None:
    """The number, or None for a blank text. ValueError: it has more digits before the point."""
    if isinstance(value, str) and not value.strip():
        return None
    number = _number(value)
    if abs(number) >= Decimal(10) ** digits:
        raise ValueError(f"more than {digits} digits before the point")
    return number


def _number(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"not a number but {_kind(value)}")
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in ("true", "false", "1", "0", ""):
        return None if not text else text in ("true", "1")
    raise ValueError("neither true nor false")


def _timestamp(value: Any) -> datetime | None:
    if isinstance(value, str) and not value.strip():
        return None
    instant = value if isinstance(value, datetime) else datetime.fromisoformat(_string(value).strip())
    if instant.tzinfo is None:
        raise ValueError("a time without an offset")
    instant = instant.astimezone(UTC)
    if not FIRST_TIME <= instant <= LAST_TIME:
        raise ValueError("not in the years 1 to 9999")
    return instant


def _date(value: Any) -> date | None:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    text = _string(value).strip()
    return date.fromisoformat(text) if text else None


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"not text but {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        Decimal: "a number",
    }
    return names.get(type(value), type(value).__name__)


CONVERT: Mapping[ColumnType, Callable[[Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "double": _double,
    "money": _exact,
    "rate": _rate,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": _date,
    "json": as_json,
}

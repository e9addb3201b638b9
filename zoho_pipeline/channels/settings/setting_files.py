"""Checks of the values and files that a person sets for a channel. A file is checked whole before it is stored."""

import json
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.channels.settings.zone_names import ABBREVIATIONS
from zoho_pipeline.text_files import NotCsv, NotText, csv_records, read_text

FIELD_KEYS = (
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "utm_id",
    "activity_id",
    "landing_url",
    "referrer",
    "first_visited_url",
    "first_visited_time",
    "gclid",
    "gbraid",
    "wbraid",
    "msclkid",
    "fbclid",
    "li_fat_id",
    "ttclid",
)
"""What a field of a lead can hold for attribution: the keys of a field map."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS_TYPES = ("24_by_7", "24_by_5", "custom")
MOST_BYTES = 10_000_000

_API_NAME = re.compile(r"\$?[A-Za-z][A-Za-z0-9_]*")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_CURRENCY = re.compile(r"[A-Z]{3}")


def check_timezone(name: str) -> str:
    """The name, if it is an IANA time zone.

    Raises:
        InvalidSetting: it is none. The message shows similar names.
    """
    # files beside the zones; what they mean depends on the machine
    zones = available_timezones() - {"localtime", "posixrules", "Factory"}
    if name in zones:
        return ZoneInfo(name).key
    by_lower = {zone.lower(): zone for zone in zones}
    near = list(ABBREVIATIONS.get(name.strip().upper(), ())) or [
        by_lower[match] for match in get_close_matches(name.lower(), by_lower, n=3)
    ]
    hint = f" Did you mean {' or '.join(near)}?" if near else " Use a name such as Asia/Kolkata or Europe/Berlin."
    raise InvalidSetting(f"{name!r} is not an IANA time zone.{hint}")


def check_currency(code: str) -> str:
    """An ISO 4217 code in capitals, such as INR."""
    if not _CURRENCY.fullmatch(code.strip().upper()):
        raise InvalidSetting(f"{code!r} is not a currency. Use an ISO code of three letters, such as INR.")
    return code.strip().upper()


def read_field_map(path: Path) -> dict[str, str]:
    """A field map: a JSON object from FIELD_KEYS to the API names of a lead's fields.

    Raises:
        InvalidSetting: the file cannot be read, is no such object, or has a wrong key or value.
    """
    given = _json(path, "the field map", f"a JSON object with keys from this list: {', '.join(FIELD_KEYS)}")
    for key, value in given.items():
        if key not in FIELD_KEYS:
            near = get_close_matches(key, FIELD_KEYS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"The keys are {', '.join(FIELD_KEYS)}."
            raise InvalidSetting(f"the field map {path} has an unknown key {key!r}. {hint}")
        if not isinstance(value, str) or not _API_NAME.fullmatch(value):
            raise InvalidSetting(
                f"the field map {path}: {key} is {value!r}. Use the API name of a field, such as UTM_Source1 "
                "(Zoho: Setup > Developer Hub > APIs > API names)."
            )
    return dict(given)


def read_lead_source_map(path: Path) -> dict[str, str]:
    """A map of lead sources to their canonical names: a CSV with the columns `raw_value,lead_source`.

    Raw values match whatever their case is. The values may also be separated by semicolons, tabs or bars.

    Raises:
        InvalidSetting: a cell is empty, or a raw value has two names. The message names the line.
    """
    header = ["raw_value", "lead_source"]
    try:
        records = csv_records(_text(path, "the lead source map"), header)
        rows = [(line, cells) for line, row in records if any(cells := [cell.strip() for cell in row])]
    except NotCsv as error:
        raise InvalidSetting(f"the lead source map {path}, line {error.line}: this is not CSV ({error}).") from error
    if not rows or [cell.lower() for cell in rows[0][1]] != header:
        raise InvalidSetting(f"the lead source map {path} must begin with the line raw_value,lead_source.")
    found: dict[str, tuple[str, str]] = {}
    for line, row in rows[1:]:
        if len(row) != 2 or not all(row):
            raise InvalidSetting(f"the lead source map {path}, line {line}: write two values, raw_value,lead_source.")
        raw, name = row
        first = found.setdefault(raw.casefold(), (raw, name))
        if first[1] != name:
            raise InvalidSetting(f"the lead source map {path}, line {line}: {raw!r} already has the name {first[1]!r}.")
    return dict(found.values())


def read_business_hours(path: Path) -> dict[str, Any]:
    """Business hours in the form of Zoho's answer to GET settings/business_hours, with or without the outer key.

    Raises:
        InvalidSetting: a part is missing or wrong. The message names it.
    """
    given = _json(path, "the business hours", 'a JSON object such as {"business_hours": {"type": "custom", …}}')
    hours = given.get("business_hours", given)
    if not isinstance(hours, Mapping):
        raise InvalidSetting(f"the business hours {path}: business_hours is not an object.")
    try:
        return check_business_hours(hours)
    except ValueError as error:
        raise InvalidSetting(f"the business hours {path}: {error}") from error


def check_business_hours(hours: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of business hours that are used.

    `daily_timing` is required if all days are the same, else `custom_timing` for each business day. An end before its
    start belongs to the next morning.

    Raises:
        ValueError: a part is missing or wrong. The message names it.
    """
    kind = hours.get("type")
    if kind not in HOURS_TYPES:
        raise ValueError(f"type is {kind!r}. Use one of {', '.join(HOURS_TYPES)}.")
    checked: dict[str, Any] = {"type": kind}
    week = hours.get("week_starts_on")
    if week is not None:
        checked["week_starts_on"] = _weekday(week, "week_starts_on")
    if kind != "custom":
        return checked
    days = hours.get("business_days")
    if not isinstance(days, list) or not days:
        raise ValueError('business_days must be a list of days, such as ["Monday", "Tuesday"].')
    checked["business_days"] = list(dict.fromkeys(_weekday(day, "business_days") for day in days))
    same = hours.get("same_as_everyday", "daily_timing" in hours)
    if not isinstance(same, bool):
        raise ValueError(f"same_as_everyday is {same!r}. Use true or false.")
    checked["same_as_everyday"] = same
    if same:
        checked["daily_timing"] = _timing(hours.get("daily_timing"), "daily_timing")
    else:
        checked["custom_timing"] = _custom_timing(hours.get("custom_timing"), checked["business_days"])
    return checked


def _custom_timing(given: Any, days: list[str]) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(entry, Mapping) for entry in given):
        example = '[{"days": "Monday", "business_timing": ["09:00", "18:00"]}]'
        raise ValueError(f"custom_timing must be a list such as {example}.")
    timing = [
        {
            "days": _weekday(entry.get("days"), "custom_timing.days"),
            "business_timing": _timing(entry.get("business_timing"), "custom_timing.business_timing"),
        }
        for entry in given
    ]
    named = [entry["days"] for entry in timing]
    if missing := [day for day in days if day not in named]:
        raise ValueError(f"custom_timing has no entry for {', '.join(missing)}.")
    if twice := [day for day in named if named.count(day) > 1]:
        raise ValueError(f"custom_timing has {twice[0]} twice.")
    return timing


def _weekday(value: Any, where: str) -> str:
    name = str(value).strip().capitalize()
    if name not in WEEKDAYS:
        raise ValueError(f"{where} is {value!r}. Use one of {', '.join(WEEKDAYS)}.")
    return name


def _timing(value: Any, where: str) -> list[str]:
    good = isinstance(value, list) and len(value) == 2 and all(isinstance(t, str) and _TIME.fullmatch(t) for t in value)
    if not good or value[0] == value[1] or value[0] == "24:00":
        raise ValueError(f'{where} is {value!r}. Write a start and an end, such as ["09:00", "18:00"].')
    return list(value)


def _json(path: Path, what: str, expected: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InvalidSetting(f"{what} {path} has the key {twice[0]!r} twice.")
        return dict(pairs)

    given = _parsed(path, what, expected, once)
    if not isinstance(given, dict):
        raise InvalidSetting(f"{what} {path} must be {expected}.")
    return given


def _parsed(path: Path, what: str, expected: str, hook: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    try:
        return json.loads(_text(path, what), object_pairs_hook=hook)
    except json.JSONDecodeError as error:
        raise InvalidSetting(
            f"{what} {path}, line {error.lineno}: this is not JSON ({error.msg}). The file must be {expected}."
        ) from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        raise InvalidSetting(
            f"{what} {path} has a number with too many digits. The file must be {expected}."
        ) from error
    except RecursionError as error:
        raise InvalidSetting(f"{what} {path} is nested too deeply. The file must be {expected}.") from error


def _text(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidSetting(f"{what} {path} is larger than {MOST_BYTES // 1_000_000} MB. Make it smaller.")
        return read_text(path)
    except NotText as error:
        raise InvalidSetting(f"{what} {path} {error}") from error
    except OSError as error:
        raise InvalidSetting(f"{what} {path} cannot be read ({error.strerror}).") from error

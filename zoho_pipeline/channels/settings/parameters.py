"""Parameters of the models that a channel can set: `name=value`.

The names and types come from the seed that the models read. This module adds the ranges, and the whole list where the
package is installed without the SQL folder.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal

from zoho_pipeline.channels.errors import InvalidSetting
from zoho_pipeline.settings import SQL_PROJECT
from zoho_pipeline.text_files import csv_records, read_text

SEED = SQL_PROJECT / "seeds" / "seed_parameters.csv"


@dataclass(frozen=True)
class Rule:
    """The values that a parameter can have: a whole number or a number from `low` to `high`, or one of `choices`."""

    type: Literal["integer", "number", "text"]
    low: float = 0.0
    high: float = math.inf
    choices: tuple[str, ...] = ()

    def check(self, name: str, value: str) -> str:
        """The value in the form that the models read.

        Raises:
            InvalidSetting: the value does not fit. The message says which values do.
        """
        text = value.strip().lower() if self.choices else value.strip()
        if self.type == "text":
            if self.choices and text not in self.choices:
                raise InvalidSetting(f"parameter {name} must be {' or '.join(self.choices)}, not {value!r}.")
            return text
        try:
            number = int(text) if self.type == "integer" else float(text)
        except ValueError:
            number = math.nan
        is_finite = isinstance(number, int) or math.isfinite(number)
        if not (is_finite and self.low <= number <= self.high):
            kind = "a whole number" if self.type == "integer" else "a number"
            upper = f"from {self.low:g} to {self.high:g}" if math.isfinite(self.high) else f"of {self.low:g} or more"
            raise InvalidSetting(f"parameter {name} must be {kind} {upper}, not {value!r}.")
        return str(number) if isinstance(number, int) else f"{number:.15g}"


_DAY_SECONDS = 86_400

RULES: Mapping[str, Rule] = {
    "exchange_rate_direction": Rule("text", choices=("divide", "multiply")),
    "touch_window_days": Rule("integer", 0, 3_650),
    "forms_window_days": Rule("integer", 1, 3_650),  # less than a day would cut the window of the creating form
    "time_decay_half_life_days": Rule("number", 0.01, 3_650),
    "content_grace_hours": Rule("integer", 0, 8_760),
    "deal_before_conversion_seconds": Rule("integer", 0, 30 * _DAY_SECONDS),
    "contact_early_seconds": Rule("integer", 0, _DAY_SECONDS),
    "stale_after_hours": Rule("integer", 1, 8_760),
    "topic_min_leads": Rule("integer", 1, 1_000_000),
    "topic_prior_leads": Rule("number", 0, 1_000_000),
    "topic_min_confidence": Rule("number", 0, 1),
    "topic_max_suggestions": Rule("integer", 0, 3),
    "trend_min_leads": Rule("integer", 1, 1_000_000),
    "trend_z": Rule("number", 0, 10),
    "sync_emails": Rule("text", choices=("true", "false")),
}


@lru_cache(maxsize=4)
def known_parameters(seed: Path = SEED) -> Mapping[str, Rule]:
    """The parameters that can be set: the seed's names and types, with the ranges of this module."""
    try:
        header, *lines = [row for _, row in csv_records(read_text(seed), ("name", "type"))]
    except FileNotFoundError:
        return RULES
    except ValueError as error:
        raise InvalidSetting(f"the parameters cannot be read from {seed}: {error}") from error
    rows = [dict(zip(header, line, strict=False)) for line in lines if line]
    return {row["name"]: replace(RULES.get(row["name"], Rule("text")), type=row["type"]) for row in rows}  # type: ignore[arg-type]


def parse_parameters(given: Iterable[str], seed: Path = SEED) -> dict[str, str | None]:
    """The checked values of `name=value` texts. `name=` means the default (None).

    Raises:
        InvalidSetting: there is no `=`, the name is unknown (the message shows similar names), or the value does not
            fit.
    """
    known = known_parameters(seed)
    parsed: dict[str, str | None] = {}
    for text in given:
        name, sign, value = text.partition("=")
        name = name.strip()
        if not sign:
            raise InvalidSetting(f"{text!r} is not a parameter. Write name=value, such as topic_min_leads=3.")
        if name not in known:
            near = get_close_matches(name, known, n=3) or sorted(known)
            raise InvalidSetting(f"there is no parameter {name!r}. Known: {', '.join(near)}.")
        parsed[name] = known[name].check(name, value) if value.strip() else None
    return parsed

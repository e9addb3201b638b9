"""compose.yaml as Compose reads it: variables of a `.env` in place, each service with what it shares."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.install.conftest import ROOT

FILE = ROOT / "compose.yaml"
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?P<how>:\?|:-)?(?P<rest>[^}]*)\}")

Service = dict[str, Any]


class Missing(Exception):
    """A variable that must be set is not set. The text is what Compose would print."""


def read(values: Mapping[str, str]) -> dict[str, Service]:
    """The services, with the values in the place of variables. Missing: one that is needed is not there."""
    parsed = yaml.safe_load(FILE.read_text())
    services: dict[str, Service] = _filled(parsed["services"], values)
    return services


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    return _VARIABLE.sub(lambda found: _value(found, values), value) if isinstance(value, str) else value


def _value(found: re.Match[str], values: Mapping[str, str]) -> str:
    given = values.get(found["name"], "")
    if not given and found["how"] == ":?":
        raise Missing(f"{found['name']}: {found['rest']}")
    return given or (found["rest"] if found["how"] == ":-" else "")

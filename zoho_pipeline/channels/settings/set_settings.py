"""`channels set`: settings that a person gives, and that win over what Zoho says."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.settings.parameters import parse_parameters
from zoho_pipeline.channels.settings.setting_files import (
    check_currency,
    check_timezone,
    read_business_hours,
    read_field_map,
    read_lead_source_map,
)


def set_settings(
    registry: Registry,
    channel_id: str,
    *,
    timezone: str | None = None,
    currency: str | None = None,
    tenant: str | None = None,
    field_map: Path | None = None,
    lead_source_map: Path | None = None,
    business_hours: Path | None = None,
    parameters: Iterable[str] = (),
    choose_modules: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None,
) -> Channel:
    """Check all given settings, then store them in one transaction. Settings that are not given stay as they are.

    A file replaces the values of an earlier file. An empty object, or a CSV with a header only, removes them.
    Parameters are set one by one, and `name=` sets one to its default. `choose_modules` gets the chosen modules and
    returns those after the change (see `ingest.catalog.module_choice`). Both change what is stored at that moment, so
    two commands at once lose nothing.

    Raises:
        UnknownChannel: no channel has this id.
        InvalidSetting: a value is wrong. Nothing was stored.
    """
    registry.get(channel_id)  # an unknown channel is named before a wrong value
    values: dict[str, Any] = {}
    if timezone is not None:
        values["set_timezone"] = check_timezone(timezone)
    if currency is not None:
        values["set_currency"] = check_currency(currency)
    if tenant is not None:
        values["tenant"] = tenant.strip() or None
    if field_map is not None:
        values["field_map"] = read_field_map(field_map)
    if lead_source_map is not None:
        values["lead_source_map"] = read_lead_source_map(lead_source_map)
    if business_hours is not None:
        values["business_hours"] = read_business_hours(business_hours)
    given = parse_parameters(parameters)

    def change(channel: Channel) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        if given:
            merged = {**channel.parameters, **given}
            changed["parameters"] = {name: value for name, value in merged.items() if value is not None}
        if choose_modules is not None:
            changed["chosen_modules"] = dict(choose_modules(channel.chosen_modules))
        return changed

    return registry.store_settings(channel_id, change, **values)

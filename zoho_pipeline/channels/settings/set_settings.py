"""`channels set`: what a person knows better than Zoho."""

from collections.abc import Iterable
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
) -> Channel:
    """Check everything that is given, then store it in one go; what is not given stays as it is.

    A file replaces what an earlier one set (an empty object, or a CSV with its header alone, clears it);
    parameters are set one by one, `name=` takes one back to its default.

    Raises:
        UnknownChannel: no such id.
        InvalidSetting: one value is wrong; nothing was stored.
    """
    channel = registry.get(channel_id)
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
    if given := parse_parameters(parameters):
        merged = {**channel.parameters, **given}
        values["parameters"] = {name: value for name, value in merged.items() if value is not None}
    return registry.store(channel_id, **values)

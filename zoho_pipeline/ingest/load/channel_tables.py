"""Raw tables with what the models need of the registry: zone, currency, maps, parameters, hours set by a person.

The tables are written when they differ: at the end of a sync, and before a transform, so that `channels set` shows in
the next numbers without a sync.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from zoho_pipeline.channels.forms.salts import channels_to_load
from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.ingest.catalog.field_map import merged
from zoho_pipeline.ingest.catalog.tables import (
    BUSINESS_HOURS,
    BUSINESS_INTERVALS,
    CHANNEL_FIELD_MAP,
    CHANNEL_LEAD_SOURCE_MAP,
    CHANNEL_PARAMETERS,
    CHANNELS,
)
from zoho_pipeline.ingest.convert.business_hours import hours_row, interval_rows
from zoho_pipeline.ingest.forms.load_forms import try_to_load
from zoho_pipeline.ingest.load.loader import Loader, tables_complete
from zoho_pipeline.ingest.raw.small_tables import replace_all, rows_of_channels
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.warehouse import Warehouse

_PLAIN_TABLES = (CHANNELS, CHANNEL_FIELD_MAP, CHANNEL_LEAD_SOURCE_MAP, CHANNEL_PARAMETERS)
TABLES = (*_PLAIN_TABLES, BUSINESS_HOURS, BUSINESS_INTERVALS)

CHANNELS_AT_ONCE = 200
"""Channels whose rows one query compares."""


def publish(settings: Settings, registry: Registry, warehouse: Warehouse) -> None:
    """Bring the tables of all channels up to date, and load what their forms sent. Missing raw tables are created."""
    if not tables_complete(warehouse):
        Loader(settings, warehouse, "registry", purpose="setup").ensure_tables()
    # a damaged channel would lose what the raw tables still have
    channels = [channel for channel in registry.list() if not channel.is_damaged]
    with warehouse.connect(read_only=False) as connection:
        for start in range(0, len(channels), CHANNELS_AT_ONCE):
            publish_channels(connection, channels[start : start + CHANNELS_AT_ONCE], settings)
    try_to_load(registry, warehouse, channels_to_load(registry))


def publish_channels(
    connection: Connection,
    channels: Sequence[Channel],
    settings: Settings,
    found: Mapping[str, Mapping[str, str] | None] | None = None,
) -> None:
    """Write the rows of channels, where they differ.

    Args:
        found: channel id → the field map that a sync discovered; None keeps the last one.
    """
    now, found = datetime.now(UTC), found or {}
    stored = rows_of_channels(connection, CHANNEL_FIELD_MAP, [c.id for c in channels if found.get(c.id) is None])
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {table.name: {} for table in _PLAIN_TABLES}
    for channel in channels:
        kept = {row["field_key"]: row["api_name"] for row in stored.get(channel.id, ()) if row["basis"] == "found"}
        key: dict[str, Any] = {"channel_id": channel.id, "synced_at": now}
        fields = merged(kept if (own := found.get(channel.id)) is None else own, channel.field_map).items()
        rows[CHANNELS.name][channel.id] = [key | _channel_columns(channel)]
        rows[CHANNEL_FIELD_MAP.name][channel.id] = [
            key | {"field_key": k, "api_name": name, "basis": basis} for k, (name, basis) in fields
        ]
        rows[CHANNEL_LEAD_SOURCE_MAP.name][channel.id] = [
            key | {"raw_value": raw, "lead_source": name} for raw, name in channel.lead_source_map.items()
        ]
        rows[CHANNEL_PARAMETERS.name][channel.id] = [
            key | {"name": n, "value": str(v)} for n, v in _parameters(channel, settings).items()
        ]
    for table in _PLAIN_TABLES:
        replace_all(connection, table, rows[table.name])
    _publish_hours(connection, channels, now)


def _parameters(channel: Channel, settings: Settings) -> dict[str, str]:
    """The parameters of a channel: what a person set for it wins over the settings, and these over the models' own."""
    window = settings.forms_window_days
    given = {"forms_window_days": str(window)} if window != Settings.forms_window_days else {}
    return {**given, **channel.parameters}


def _channel_columns(channel: Channel) -> dict[str, Any]:
    return {
        "tenant": channel.tenant,
        "data_center": channel.data_center,
        "org_id": channel.org_id,
        "org_name": channel.org_name,
        "status": channel.status,
        "connected_at": channel.connected_at,
        "timezone": channel.timezone,
        "currency": channel.currency,
        "last_complete_sync_at": channel.last_complete_sync_at,
        "leads_readable": channel.leads_readable,
    }


def _publish_hours(connection: Connection, channels: Sequence[Channel], now: datetime) -> None:
    """Write the hours that a person set instead of Zoho's. After they are unset, the next sync loads Zoho's hours."""
    hours: dict[str, list[dict[str, Any]]] = {}
    intervals: dict[str, list[dict[str, Any]]] = {}
    stored = rows_of_channels(connection, BUSINESS_HOURS, [c.id for c in channels if c.business_hours is None])
    for channel in channels:
        if (document := channel.business_hours) is not None:
            hours[channel.id] = [hours_row(document, channel.id, "set", now)]
            intervals[channel.id] = interval_rows(document, channel.id, now)
        elif any(row["basis"] == "set" for row in stored[channel.id]):
            hours[channel.id] = intervals[channel.id] = []
    replace_all(connection, BUSINESS_HOURS, hours)
    replace_all(connection, BUSINESS_INTERVALS, intervals)

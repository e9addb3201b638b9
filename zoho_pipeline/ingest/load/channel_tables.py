"""Raw tables with what the models need of the registry: zone, currency, maps, parameters, hours set by a person.

The tables are written when they differ: at the end of a sync, and before a transform, so that `channels set` shows in
the next numbers without a sync.
"""

from collections.abc import Mapping
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
from zoho_pipeline.ingest.raw.small_tables import replace_rows, stored_rows
from zoho_pipeline.settings import Settings
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.warehouse import Warehouse

TABLES = (CHANNELS, CHANNEL_FIELD_MAP, CHANNEL_LEAD_SOURCE_MAP, CHANNEL_PARAMETERS, BUSINESS_HOURS, BUSINESS_INTERVALS)


def publish(settings: Settings, registry: Registry, warehouse: Warehouse) -> None:
    """Bring the tables of all channels up to date, and load what their forms sent. Missing raw tables are created."""
    if not tables_complete(warehouse):
        Loader(settings, warehouse, "registry", purpose="setup").ensure_tables()
    with warehouse.connect(read_only=False) as connection:
        for channel in registry.list():
            if not channel.is_damaged:  # otherwise it would lose what the raw tables still have
                publish_channel(connection, channel, settings)
    try_to_load(registry, warehouse, channels_to_load(registry))


def publish_channel(
    connection: Connection, channel: Channel, settings: Settings, found: Mapping[str, str] | None = None
) -> None:
    """Write the rows of one channel. `found` is the field map that a sync discovered; None keeps the last one."""
    now = datetime.now(UTC)
    if found is None:
        stored = stored_rows(connection, CHANNEL_FIELD_MAP, channel.id)
        found = {row["field_key"]: row["api_name"] for row in stored if row["basis"] == "found"}
    key: dict[str, Any] = {"channel_id": channel.id, "synced_at": now}
    fields = merged(found, channel.field_map).items()
    rows = {
        CHANNELS: [key | _channel_columns(channel)],
        CHANNEL_FIELD_MAP: [key | {"field_key": k, "api_name": name, "basis": basis} for k, (name, basis) in fields],
        CHANNEL_LEAD_SOURCE_MAP: [
            key | {"raw_value": raw, "lead_source": name} for raw, name in channel.lead_source_map.items()
        ],
        CHANNEL_PARAMETERS: [key | {"name": n, "value": str(v)} for n, v in _parameters(channel, settings).items()],
    }
    for table, wanted in rows.items():
        replace_rows(connection, table, channel.id, wanted)
    _publish_hours(connection, channel, now)


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
        "timezone": channel.timezone,
        "currency": channel.currency,
        "last_complete_sync_at": channel.last_complete_sync_at,
        "leads_readable": channel.leads_readable,
    }


def _publish_hours(connection: Connection, channel: Channel, now: datetime) -> None:
    """Write the hours that a person set instead of Zoho's. After they are unset, the next sync loads Zoho's hours."""
    if channel.business_hours is not None:
        document = channel.business_hours
        replace_rows(connection, BUSINESS_HOURS, channel.id, [hours_row(document, channel.id, "set", now)])
        replace_rows(connection, BUSINESS_INTERVALS, channel.id, interval_rows(document, channel.id, now))
    elif any(row["basis"] == "set" for row in stored_rows(connection, BUSINESS_HOURS, channel.id)):
        replace_rows(connection, BUSINESS_HOURS, channel.id, [])
        replace_rows(connection, BUSINESS_INTERVALS, channel.id, [])

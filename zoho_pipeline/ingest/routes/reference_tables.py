"""The small tables beside the modules, which are read as a whole: users, deal stages, business hours, holidays."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from zoho_pipeline.channels.registry.model import Channel
from zoho_pipeline.ingest.catalog.tables import (
    BUSINESS_HOURS,
    BUSINESS_INTERVALS,
    CURRENCIES,
    DEAL_STAGES,
    HOLIDAYS,
    USERS,
    RawTable,
)
from zoho_pipeline.ingest.convert.business_hours import interval_rows
from zoho_pipeline.ingest.convert.cell_values import shown
from zoho_pipeline.ingest.convert.json_to_arrow import UNNAMED, Rejection, to_arrow
from zoho_pipeline.setting_checks import known_zone
from zoho_pipeline.zoho.connection.client import ZohoClient
from zoho_pipeline.zoho.errors import BadAnswer, InvalidRequest, NoPermission, NotFound, NotSupported, ScopeMissing
from zoho_pipeline.zoho.read import currencies, metadata, users

Rows = list[dict[str, Any]]

HOLIDAY_YEARS_BACK = 1
"""Insights cover 90 days, so in January the holidays of the last year count too."""


@dataclass(frozen=True)
class ReferenceTables:
    """The reference tables of a channel as they are at Zoho, the values that did not fit, and notes for the report."""

    tables: Mapping[str, Rows]
    rejected: tuple[Rejection, ...] = ()
    note: str = ""
    route: str = "settings"

    @property
    def rows(self) -> int:
        return sum(len(rows) for rows in self.tables.values())


ReferenceReader = Callable[[ZohoClient, Channel, datetime], ReferenceTables]


def read_users(client: ZohoClient, channel: Channel, now: datetime) -> ReferenceTables:
    """All users, also deleted ones, because old records have owners that were deleted."""
    everyone = {row["id"]: {**row, "is_deleted": False} for row in users.list_users(client, "AllUsers")}
    if not everyone:  # the connected user is one; without users, records would lose the names of their owners
        raise BadAnswer("GET users: the answer names no user. Run the command again.")
    note = ""
    try:
        for row in users.list_users(client, "DeletedUsers"):
            everyone[row["id"]] = {**row, "is_deleted": True}
    except (ScopeMissing, NoPermission, NotSupported) as error:
        note = f"deleted users cannot be read: {error}"
    return _typed(USERS, everyone.values(), channel, now, route="users", note=note)


def read_stages(client: ZohoClient, channel: Channel, now: datetime) -> ReferenceTables:
    """Stages by pipeline. Without that scope, the values of the picklist, without a pipeline."""
    deal_fields: list[metadata.FieldMeta] = []
    note = ""
    try:
        deal_fields = metadata.fields(client, "Deals")
    except (ScopeMissing, NoPermission, NotSupported) as error:
        note = f"no probabilities: {error}"
    try:
        found = metadata.with_probabilities(metadata.pipelines(client), deal_fields)
    except (ScopeMissing, NoPermission, NotSupported) as error:
        if not deal_fields:
            raise
        return _typed(DEAL_STAGES, _picklist_stages(deal_fields), channel, now, note=str(error))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for pipeline in found:
        for stage in filter(lambda stage: stage.actual_value, pipeline.stages):
            rows.setdefault(
                (pipeline.actual_value, stage.actual_value),
                {
                    "pipeline": pipeline.actual_value,
                    "stage": stage.actual_value,
                    "display_value": stage.display_value,
                    "forecast_type": stage.forecast_type,
                    "forecast_category": stage.forecast_category,
                    "probability": stage.probability,
                    "sequence_number": stage.sequence_number,
                },
            )
    return _typed(DEAL_STAGES, list(rows.values()) or _picklist_stages(deal_fields), channel, now, note=note)


def read_business_hours(client: ZohoClient, channel: Channel, now: datetime) -> ReferenceTables:
    """The org's business hours and their intervals. Hours that a person set stay as they are.

    If one day or time is not valid, no interval is stored: nobody can know which of the others are right.
    """
    if channel.business_hours is not None:
        return ReferenceTables({}, route="set")
    document = metadata.business_hours(client)
    if document is None:
        return ReferenceTables({BUSINESS_HOURS.name: [], BUSINESS_INTERVALS.name: []})
    row = {**document, "id": str(document.get("id") or UNNAMED), "basis": "zoho"}
    hours = _typed(BUSINESS_HOURS, [row], channel, now)
    intervals: Rows = []
    rejected = list(hours.rejected)
    try:
        intervals = interval_rows(document, channel.id, now)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        rejected.append(Rejection(row["id"], "business_hours", shown(document), str(error)))
    return ReferenceTables({**hours.tables, BUSINESS_INTERVALS.name: intervals}, tuple(rejected))


def read_holidays(client: ZohoClient, channel: Channel, now: datetime) -> ReferenceTables:
    """The holidays of the years that windows and reports of this year need, by the calendar of the channel."""
    year = now.astimezone(known_zone(channel.timezone) or UTC).year
    found = {
        str(row.get("id")): row
        for wanted in range(year - HOLIDAY_YEARS_BACK, year + 1)
        for row in metadata.holidays(client, wanted)
    }
    return _typed(HOLIDAYS, found.values(), channel, now)


def read_currencies(client: ZohoClient, channel: Channel, now: datetime) -> ReferenceTables:
    """The decimals of the org's currencies. An org that does not tell them keeps those of ISO 4217, and says why."""
    try:
        found = currencies.currencies(client)
    except (ScopeMissing, NoPermission, NotSupported, NotFound, InvalidRequest) as error:
        return ReferenceTables({}, note=f"the decimals of currencies cannot be read: {error}")
    return _typed(CURRENCIES, (row for row in found if row.get("iso_code")), channel, now)


REFERENCE_READERS: Mapping[str, ReferenceReader] = {
    "users": read_users,
    "deal_stages": read_stages,
    "business_hours": read_business_hours,
    "holidays": read_holidays,
    "currencies": read_currencies,
}


def _typed(
    raw: RawTable,
    rows: Iterable[dict[str, Any]],
    channel: Channel,
    now: datetime,
    route: str = "settings",
    note: str = "",
) -> ReferenceTables:
    """Zoho's rows in the types of the raw table; values that do not fit are rejected."""
    given = list(rows)
    converted = to_arrow(raw, given, channel_id=channel.id, synced_at=now)
    rejected = converted.rejected
    if rejected and "id" not in raw.key:  # without an id, the key of its row identifies a value
        names = raw.key[1:]
        rejected = [
            replace(found, id="/".join(str(row[name]) for name in names))
            for row in given
            for found in to_arrow(raw, [row], channel_id=channel.id, synced_at=now).rejected
        ]
    return ReferenceTables({raw.name: converted.table.to_pylist()}, tuple(rejected), note, route)


def _picklist_stages(deal_fields: list[metadata.FieldMeta]) -> Rows:
    stage = next((field for field in deal_fields if field.api_name == "Stage"), None)
    values = {value.actual_value: value for value in stage.pick_list_values} if stage else {}
    return [
        {
            "pipeline": "",
            "stage": value.actual_value,
            "display_value": value.display_value,
            "forecast_type": value.forecast_type,
            "probability": value.probability,
            "sequence_number": value.sequence_number,
        }
        for value in values.values()
    ]

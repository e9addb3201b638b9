"""Test data for the benchmark of the transform: SQL writes it straight into `zoho_raw`, the same rows every time.

Each lead has a call, every third a task and a note, every fourth a meeting, every fifth a contact and a deal.
Each channel has 200 content items. The channels are in three time zones.
"""

from typing import Any

from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.engine import quoted, type_in
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.warehouse import Warehouse

NOW = "timestamptz '2026-06-30 12:00:00+00'"
CREATED = f"({NOW} - (i % 300) * interval '1 day' - (i % 86400) * interval '1 second')"
LANDING = "https://www.example.com/p/"
FIELDS = {
    "utm_source": "UTM_Source",
    "utm_medium": "UTM_Medium",
    "utm_campaign": "UTM_Campaign",
    "utm_content": "UTM_Content",
    "landing_url": "Landing_Page",
    "first_visited_url": "First_Visited_URL",
}
CUSTOM = (
    """'{"UTM_Source":"google","UTM_Medium":"cpc","UTM_Campaign":"camp'||(i%60)||'","UTM_Content":"item'||(i%200)||'","""
    f""""Landing_Page":"{LANDING}'||(i%120)||'?x=1","First_Visited_URL":"https://example.com/p/'||(i%90)||'"}}'"""
)
SOURCES = "case i % 7 when 0 then null when 1 then 'Web' when 2 then 'Facebook' when 3 then 'google.com' "
SOURCES += "when 4 then 'Partner' when 5 then 'Advertisement' else 'LinkedIn' end"
ZONES = "case i % 3 when 0 then 'Asia/Kolkata' when 1 then 'America/New_York' else 'Europe/Berlin' end"


def fill(warehouse: Warehouse, channels: int, leads: int) -> None:
    """Make the raw tables and write `channels` channels with `leads` leads each, and their activities."""
    with warehouse.connect(read_only=False) as connection:
        connection.execute("create schema zoho_raw")
        for table, columns in Project.load().raw_tables.items():
            listed = ", ".join(f"{quoted(c.name)} {type_in(warehouse.dialect, c.data_type)}" for c in columns)
            connection.execute(f"create table zoho_raw.{table} ({listed})")
        writer = _Writer(connection, channels)
        _small_tables(writer)
        _records(writer, leads)
    if warehouse.dialect == "postgres":
        with warehouse.connect(read_only=False) as connection:
            for table in Project.load().raw_tables:  # on a server, autovacuum has done this before a transform starts
                connection.execute(f"analyze zoho_raw.{table}")


def touch(warehouse: Warehouse, channel: str, days: int) -> None:
    """Write what a load of one channel writes: some of its leads change, and its last sync is later."""
    with warehouse.connect(read_only=False) as connection:
        later = f"{NOW} + {days} * interval '1 minute'"
        connection.execute(
            f"update zoho_raw.leads set lead_source = 'Event', synced_at = {later} where channel_id = ? and id < 'l2'",
            (channel,),
        )
        connection.execute(
            f"update zoho_raw.channels set last_complete_sync_at = {later}, synced_at = {later} where channel_id = ?",
            (channel,),
        )


class _Writer:
    """Inserts rows into a raw table: in each channel, one row per `i` of a series."""

    def __init__(self, connection: Connection, channels: int) -> None:
        self._connection, self._channels = connection, channels

    def channels(self, table: str, values: dict[str, str]) -> None:
        self._insert(table, {"channel_id": "'ch' || i", **values}, self._series(self._channels))

    def rows(self, table: str, count: int, values: dict[str, str], every: int = 1) -> None:
        each = f"(select 'ch' || i as channel_id from {self._series(self._channels)}) as c"
        rows = f"{each} cross join (select i from {self._series(count)}) as n where i % {every} = 0"
        self._insert(table, {"channel_id": "channel_id", **values}, rows)

    def _insert(self, table: str, values: dict[str, str], rows: str) -> None:
        columns = {**values, "synced_at": NOW}
        listed = f"({', '.join(columns)}) select {', '.join(columns.values())}"
        self._connection.execute(f"insert into zoho_raw.{table} {listed} from {rows}")

    def _series(self, count: int) -> str:
        duckdb = self._connection.dialect == "duckdb"
        return f"range({count}) as g(i)" if duckdb else f"generate_series(0, {count} - 1) as g(i)"


def _small_tables(writer: _Writer) -> None:
    common: dict[str, Any] = {"tenant": "'t'", "timezone": ZONES, "currency": "'INR'", "status": "'active'"}
    writer.channels("channels", {**common, "last_complete_sync_at": NOW, "leads_readable": "true"})
    for key, name in FIELDS.items():
        values = {"field_key": f"'{key}'", "api_name": f"'{name}'", "basis": "'found'"}
        writer.channels("channel_field_map", values)
    for stage, kind, chance in (
        ("Closed Won", "Closed Won", 100),
        ("Closed Lost", "Closed Lost", 0),
        ("Fit", "Open", 20),
    ):
        values = {"stage": f"'{stage}'", "forecast_type": f"'{kind}'", "probability": str(chance), "pipeline": "''"}
        writer.channels("deal_stages", values)


def _records(writer: _Writer, leads: int) -> None:
    made = {"created_time": CREATED, "modified_time": CREATED}
    person = {"full_name": "'Name ' || i", "email": "'p' || i || '@example.com'", "company": "'Co ' || (i % 500)"}
    owner = {"owner_id": "'u' || (i % 5)", "owner_name": "'User'", "lead_source": SOURCES, "lead_status": "'New'"}
    converted = {
        "converted": "i % 5 = 0",
        "converted_date_time": f"case when i % 5 = 0 then {CREATED} + (i % 40) * interval '1 day' end",
        "converted_contact_id": "case when i % 5 = 0 then 'c' || i end",
        "converted_deal_id": "case when i % 10 = 0 then 'd' || i end",
    }
    writer.rows("leads", leads, {"id": "'l' || i", **person, **owner, **converted, **made, "custom_fields": CUSTOM})
    writer.rows("contacts", leads, {"id": "'c' || i", "full_name": "'Name ' || i", "created_time": CREATED}, every=5)
    deal = {
        "stage": "case i % 3 when 0 then 'Closed Won' when 1 then 'Closed Lost' else 'Fit' end",
        "amount": "1000 + i",
        "exchange_rate": "1",
        "contact_name_id": "'c' || i",
        "closing_date": "date '2026-06-01'",
        "created_time": f"{CREATED} + (i % 40) * interval '1 day'",
        "modified_time": CREATED,
    }
    writer.rows("deals", leads, {"id": "'d' || i", **deal}, every=5)
    _activities(writer, leads, made)
    item = {
        "content_type": "case i % 3 when 0 then 'blog_post' when 1 then 'video' else 'newsletter' end",
        "topics": "'topic' || (i % 12) || '|topic' || (i % 7)",
        "published_at": "timestamptz '2025-01-01 00:00:00+00' + i * interval '1 day'",
        "canonical_url": "'https://example.com/p/' || i",
    }
    utm = {"utm_source": "'google'", "utm_medium": "'cpc'", "utm_campaign": "'camp' || (i % 60)"}
    writer.rows("content_items", 200, {"content_id": "'item' || i", **item, **utm, "utm_content": "'item' || i"})


def _activities(writer: _Writer, leads: int, made: dict[str, str]) -> None:
    on_lead = {"what_id": "'l' || i", "se_module": "'Leads'", **made}

    def after(hours: int) -> str:
        return f"{CREATED} + (i % {hours}) * interval '1 hour'"

    kind = "case when i % 4 = 0 then 'Missed' else 'Outbound' end"
    call = {"call_type": kind, "call_start_time": after(200), "call_duration_in_seconds": "i % 300", **on_lead}
    writer.rows("calls", leads, {"id": "'k' || i", "subject": "'Call'", **call})
    writer.rows("events", leads, {"id": "'e' || i", "start_datetime": after(100), **on_lead}, every=4)
    task = {"subject": "'Follow-up call'", "status": "'Completed'", "closed_time": after(90), **on_lead}
    writer.rows("tasks", leads, {"id": "'t' || i", **task}, every=3)
    writer.rows("notes", leads, {"id": "'n' || i", "parent_id": "'l' || i", **made}, every=3)

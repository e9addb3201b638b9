"""Raw worlds for the tests of the insight: rows as a sync writes them, and the marts that a transform makes."""

import json
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from tests.golden.sql_lab import write_raw
from zoho_pipeline.reading import published
from zoho_pipeline.transform.run.transform import TransformReport, transform
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.warehouse import Warehouse

INSIGHT_MARTS = ("conversion_rate", "time_to_first_contact", "lead_volume", "topic_performance", "channel_insight")
Row = dict[str, Any]


def utc(text: str) -> datetime:
    """Return `2026-03-31 09:30` as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class RawWorld:
    """Rows of raw tables. They are collected in memory and written together."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = defaultdict(list)

    def channel(
        self,
        channel_id: str,
        synced: datetime | None,
        timezone: str = "UTC",
        *,
        readable: bool = True,
        parameters: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Add a channel. `fields` is its field map, beside the key activity_id."""
        self._add("channels", channel_id, timezone=timezone, currency="INR", last_complete_sync_at=synced,
                  leads_readable=readable, status="active")  # fmt: skip
        for key, name in {"activity_id": "Content_Ref", **(fields or {})}.items():
            self._add("channel_field_map", channel_id, field_key=key, api_name=name, basis="set")
        self._add("deal_stages", channel_id, pipeline="", stage="Done", forecast_type="Closed Won", probability=100)
        self._add("deal_stages", channel_id, pipeline="", stage="Talks", forecast_type="Open", probability=40)
        self._add("deal_stages", channel_id, pipeline="", stage="Gone", forecast_type="Closed Lost", probability=0)
        for name, value in (parameters or {}).items():
            self._add("channel_parameters", channel_id, name=name, value=value)

    def content(
        self, channel_id: str, content_id: str, content_type: str, topics: str | None, url: str | None = None
    ) -> None:
        self._add("content_items", channel_id, content_id=content_id, content_type=content_type, topics=topics,
                  canonical_url=url, published_at=datetime(2020, 1, 1, tzinfo=UTC))  # fmt: skip

    def lead(
        self,
        channel_id: str,
        lead_id: str,
        created: datetime,
        *,
        source: str | None = None,
        content: str | None = None,
        converted: datetime | None = None,
        deal: str | None = None,
        contact: str | None = None,
        fields: Mapping[str, str] | None = None,
        owner: str | None = None,
        is_time_known: bool = True,
    ) -> None:
        """Add a lead. `content` is the id in a custom field. `deal` and `contact` are ids of the conversion.

        Zoho gives the time of the conversion if `is_time_known`.
        """
        self._add("leads", channel_id, id=lead_id, created_time=created, modified_time=converted or created,
                  lead_source=source, custom_fields=json.dumps({"Content_Ref": content, **(fields or {})}),
                  converted=converted is not None, converted_date_time=converted if is_time_known else None,
                  converted_deal_id=deal, converted_contact_id=contact, owner_id=owner)  # fmt: skip

    def deal(
        self,
        channel_id: str,
        deal_id: str,
        created: datetime,
        stage: str = "Talks",
        won_at: datetime | None = None,
        closing: date | None = None,
    ) -> None:
        """Add a deal. `won_at` becomes a row of its stage history."""
        self._add("deals", channel_id, id=deal_id, created_time=created, stage=stage, amount=1000,
                  closing_date=closing)  # fmt: skip
        if won_at is not None:
            self._add("deal_stage_history", channel_id, id=f"h{deal_id}", deal_id=deal_id, stage=stage,
                      modified_time=won_at, basis="tracker")  # fmt: skip

    def call(self, channel_id: str, call_id: str, lead_id: str, started: datetime) -> None:
        """Add an outbound call that happened."""
        self._add("calls", channel_id, id=call_id, call_type="Outbound", call_start_time=started,
                  call_duration_in_seconds=60, what_id=lead_id, se_module="Leads")  # fmt: skip

    def skip(self, channel_id: str, *modules: str) -> None:
        """Add modules that the last sync could not read."""
        for module in modules:
            self._add("sync_runs", channel_id, run_id="r", module=module, outcome="skipped",
                      started_at=datetime(2026, 1, 1, tzinfo=UTC))  # fmt: skip

    def delete(self, channel_id: str, lead_id: str) -> None:
        self._add("deleted_records", channel_id, module="Leads", id=lead_id, deletion_type="recycle")

    def _add(self, table: str, channel_id: str, **values: Any) -> None:
        self.rows[table].append({"channel_id": channel_id, **values})

    def write(self, warehouse: Warehouse) -> None:
        """Write the rows into a warehouse. Existing raw tables are dropped first."""
        with warehouse.connect(read_only=False) as connection:
            if connection.dialect == "postgres":
                _wait_for_ended_sessions(connection)
            connection.execute("drop schema if exists zoho_raw cascade")
            write_raw(connection, self.rows)


def _wait_for_ended_sessions(connection: Connection) -> None:
    """A session of Postgres that was closed still drops its temporary views of raw, which locks what we drop here."""
    ours = "datname = current_database() and application_name = 'zoho-pipeline' and pid <> pg_backend_pid()"
    for _ in range(1_000):
        if not connection.rows(f"select 1 from pg_stat_activity where {ours}"):
            return
        connection.commit()  # the view does not change inside a transaction
        time.sleep(0.01)
    raise AssertionError("another session of this database does not end")


def run(warehouse: Warehouse, *, build_at: datetime, **options: Any) -> TransformReport:
    """Transform. Every check must pass."""
    report = transform(warehouse, build_at=build_at, **options)
    assert (report.failed_checks, report.held_back) == ((), {})
    return report


def table(warehouse: Warehouse, mart: str, where: str = "true", order: str = "1, 2, 3, 4, 5") -> list[Row]:
    """Return the rows of a published mart as dicts."""
    with published.connect(warehouse) as connection:
        return connection.rows(f"select * from {mart} where {where} order by {order}")


def one(warehouse: Warehouse, mart: str, where: str = "true") -> Row:
    """Return the one row of a mart that meets a condition."""
    rows = table(warehouse, mart, where)
    assert len(rows) == 1, f"{len(rows)} rows of {mart} where {where}"
    return rows[0]


def everything(warehouse: Warehouse) -> dict[str, list[Row]]:
    """Return every row of the marts of the insight, in an order that does not depend on the engine's collation."""
    return {mart: sorted(table(warehouse, mart, order="1"), key=repr) for mart in INSIGHT_MARTS}

"""Published marts for the tests of the web: one transform per session over a small raw world, copied for each test.

Channels: `acme` with leads on both sides of as_of, content and deals; `small` with eight leads; `hidden`, whose Leads
cannot be read; `never`, which never had a complete sync; `foreign` of another tenant.
"""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.golden.sql_lab import write_raw
from zoho_pipeline.channels.registry.model import Channel, ModuleSync
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import Settings
from zoho_pipeline.transform import channel_pages, insight_rates, packed_insights
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import open_warehouse

AS_OF = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=40)
"""The numbers must be new, or the pages would call them old."""
HOSTILE = "<script>alert(1)</script>\u202e\u0007'\"&{{ 7*7 }}"
LONG = "L" * 10_000
Row = dict[str, Any]


def _lead(channel: str, number: int, created: datetime, **more: Any) -> Row:
    values = {"channel_id": channel, "id": f"5000{number:06}", "created_time": created, "synced_at": AS_OF}
    values |= {"full_name": f"Asha Rao {number}", "email": f"asha{number}@example.com", "phone": "+91 98765 43210"}
    return values | {"lead_source": ("LinkedIn", "Trade Show", "Chat")[number % 3], "company": "Acme"} | more


def raw_rows() -> dict[str, list[Row]]:
    """The raw rows of the world."""
    channel = {"timezone": "Asia/Kolkata", "currency": "INR", "status": "active", "last_complete_sync_at": AS_OF}
    channels = [channel | {"channel_id": name, "leads_readable": name != "hidden"} for name in NAMES]
    for row in channels:
        if row["channel_id"] == "never":
            row["last_complete_sync_at"] = None
    leads, deals = [], []
    for number in range(260):
        created = AS_OF - timedelta(hours=7 * number)
        converted = number % 6 == 0 and number > 20
        more: Row = {"custom_fields": '{"UTM_Content": "spring"}' if number % 2 else None}
        if converted:
            more |= {"converted": True, "converted_date_time": created + timedelta(days=2)}
            more |= {"converted_contact_id": f"c{number}", "converted_deal_id": f"d{number}"}
            deal = {"channel_id": "acme", "id": f"d{number}", "stage": "Closed Won", "amount": "1234567.00"}
            deals.append(deal | {"created_time": created + timedelta(days=2), "contact_name_id": f"c{number}"})
        leads.append(_lead("acme", number, created, **more))
    leads += [_lead("acme", 900 + place, AS_OF + timedelta(minutes=place + 1)) for place in range(30)]
    leads.append(_lead("acme", 990, AS_OF - timedelta(minutes=1), full_name=HOSTILE, company=LONG, lead_source=HOSTILE))
    leads += [_lead("small", n, AS_OF - timedelta(days=40 + n), lead_source="Chat") for n in range(8)]
    leads += [_lead(name, 1, AS_OF - timedelta(days=1)) for name in ("hidden", "never", "foreign")]
    stage = {"channel_id": "acme", "pipeline": "Standard", "stage": "Closed Won", "forecast_type": "Closed Won"}
    item = {"channel_id": "acme", "content_id": "post", "title": HOSTILE, "topics": f"Pricing|{HOSTILE}"}
    item |= {"utm_content": "spring", "published_at": AS_OF - timedelta(days=400)}
    field = {"channel_id": "acme", "field_key": "utm_content", "api_name": "UTM_Content", "basis": "found"}
    return {
        "channels": channels,
        "leads": leads,
        "deals": deals,
        "deal_stages": [stage],
        "content_items": [item],
        "channel_field_map": [field],
    }


NAMES = ("acme", "small", "hidden", "never", "foreign")


def publish_world(folder: Path) -> Path:
    """The published file of the world."""
    settings = Settings(home=folder, warehouse_url=f"duckdb:///{folder}/warehouse.duckdb", registry_url="")
    warehouse = open_warehouse(settings)
    with warehouse.connect(read_only=False) as connection:
        write_raw(connection, raw_rows())
    report = transform(warehouse, build_at=AS_OF + timedelta(minutes=31))
    assert (report.failed_checks, report.held_back) == ((), {})
    return folder / "warehouse.published.duckdb"


def put(published: Path, home: Path, change: str | None = None) -> Path:
    """Copy the published file to HOME, as a publication does; `change` is a statement that is run on it before."""
    home.mkdir(parents=True, exist_ok=True)
    draft = home / "draft"
    shutil.copyfile(published, draft)
    if change:
        with duckdb.connect(str(draft)) as file:
            file.execute(change)
            pack_again(file)
    return draft.replace(home / "warehouse.published.duckdb")


def pack_again(file: duckdb.DuckDBPyConnection) -> None:
    """Store the rows for readers from the marts as they are now, as a publication does."""
    stored = {
        channel_pages.TABLE: channel_pages.pack(shape=channel_pages.SHAPE),
        insight_rates.TABLE: insight_rates.select(shape=insight_rates.SHAPE),
        packed_insights.TABLE: packed_insights.pack(shape=packed_insights.SHAPE),
    }
    for table, rows in stored.items():
        file.execute(f"delete from pipeline_state.{table}")
        file.execute(f"insert into pipeline_state.{table} {rows}")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published file of the world."""
    return publish_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def channels(world: Path, settings: Settings, registry: Registry, add: Callable[..., Channel]) -> None:
    """The channels of the world in the registry, and their marts published. `late` is connected and not published."""
    for name in (*NAMES, "late"):
        add(name, "foreign-inc" if name == "foreign" else "acme-inc")
        if name not in ("never", "late"):
            outcome = "skipped" if name == "hidden" else "complete"
            registry.record_syncs(name, [ModuleSync("Leads", AS_OF, outcome, 260, 12.0, not_after=AS_OF)])
    put(world, settings.home)

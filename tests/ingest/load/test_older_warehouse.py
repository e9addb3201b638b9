"""A warehouse of an older release gets the columns and types of the catalogue."""

from datetime import UTC, datetime
from decimal import Decimal

from tests.ingest.conftest import SyncBench
from tests.params import both_engines
from zoho_pipeline.ingest.catalog.tables import DEALS
from zoho_pipeline.ingest.convert.json_to_arrow import to_arrow
from zoho_pipeline.ingest.load.channel_tables import publish
from zoho_pipeline.ingest.load.loader import Loader
from zoho_pipeline.reading import published
from zoho_pipeline.transform.run.transform import transform

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@both_engines("duckdb")
def test_amounts_with_two_decimals_are_widened(bench: SyncBench) -> None:
    def deal(id_: str, amount: float) -> object:
        return to_arrow(DEALS, [{"id": id_, "Amount": amount}], channel_id="acme", synced_at=NOON).table

    loader = Loader(bench.settings, bench.warehouse, "acme")
    loader.ensure_tables()
    loader.load({"deals": [deal("1", 1.25)]})  # type: ignore[list-item]
    with bench.warehouse.connect(read_only=False) as connection:
        for schema in ("zoho_raw", bench.warehouse.staging_schema("acme")):
            connection.execute(f"alter table {schema}.deals alter column amount type decimal(18, 2)")
    later = Loader(bench.settings, bench.warehouse, "acme")
    later.ensure_tables()
    later.load({"deals": [deal("2", 1234.567)]})  # type: ignore[list-item]
    rows = bench.rows("select id, amount from zoho_raw.deals order by id")
    assert [(row["id"], row["amount"]) for row in rows] == [("1", Decimal("1.25")), ("2", Decimal("1234.567"))]


@both_engines()
def test_channels_gain_the_time_of_their_consent(bench: SyncBench) -> None:
    def consents() -> list[object]:
        transform(bench.warehouse)
        with published.connect(bench.warehouse) as connection:
            return [row["connected_at"] for row in connection.rows("select connected_at from channel")]

    publish(bench.settings, bench.registry, bench.warehouse)
    with bench.warehouse.connect(read_only=False) as connection:
        connection.execute("alter table zoho_raw.channels drop column connected_at")
        connection.execute("delete from zoho_raw._dlt_version")  # dlt remembers the columns that it made
    assert consents() == [None], "a transform before any sync reads the older table"
    publish(bench.settings, bench.registry, bench.warehouse)
    assert consents() == [bench.registry.get("acme").connected_at.replace(tzinfo=None)]
    assert bench.rows("select org_name, data_center, status from zoho_raw.channels") == [
        {name: getattr(bench.registry.get("acme"), name) for name in ("org_name", "data_center", "status")}
    ]

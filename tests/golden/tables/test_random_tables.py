"""Random channels: every cell of the five tables is compared with plain Python, on both engines."""

import os
from collections.abc import Callable

import pytest

from tests.golden.sql_lab import SqlLab, write_raw
from tests.golden.tables.compare import FACTS, KEYS, Marts, check
from tests.golden.tables.random_tables import BUILD_AT, random_world
from zoho_pipeline.reading import published
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse

WORLDS = int(os.environ.get("GOLDEN_TABLES", "4000"))
A_TIME = 200


@pytest.mark.long
def test_a_few_channels() -> None:
    marts = compare(range(120))
    assert {row["link_rule"] for row in marts["deal"]} == {"converted_deal", "contact_match", None}
    assert {row["deal_state"] for row in marts["deal"]} == {"open", "won", "lost", "unknown"}
    assert {row["data_status"] for row in marts["channel"]} == {"ok", "stale", "never_synced", "module_missing"}
    assert {row["is_active"] for row in marts["owner"]} == {True, False, None}
    assert {(row["activity_type"], row["is_contact"]) for row in marts["activity"]} == {
        (kind, is_contact) for kind in ("call", "meeting", "task", "email") for is_contact in (True, False)
    }
    assert sum(row["zoho_lead_id"] is not None for row in marts["activity"]) > 500
    assert any(row["won_revenue"] and row["n_matured"] for row in marts["campaign"])


@pytest.mark.long
@pytest.mark.parametrize("start", range(10_000, 10_000 + WORLDS, A_TIME))
def test_thousands_of_channels(start: int) -> None:
    compare(range(start, start + A_TIME))


@pytest.mark.long
def test_some_channels_on_postgres(empty_warehouse: Callable[[str], Warehouse]) -> None:
    raw = random_world(range(300, 340))
    warehouse = empty_warehouse("postgres")
    with warehouse.connect(read_only=False) as connection:
        write_raw(connection, raw)
    report = transform(warehouse, build_at=BUILD_AT)
    assert (report.failed_checks, report.held_back) == ((), {})
    with published.connect(warehouse) as connection:
        check({mart: connection.rows(f"select * from {mart}") for mart in (*KEYS, *FACTS)}, raw, BUILD_AT)


def compare(seeds: range) -> Marts:
    """Compare every cell of these channels. Returns the marts."""
    raw = random_world(seeds)
    lab = SqlLab(raw, BUILD_AT)
    assert lab.failing() == []
    marts = lab.marts()
    check(marts, raw, BUILD_AT)
    return marts

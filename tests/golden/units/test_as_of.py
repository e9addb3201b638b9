"""An explicit as-of: what happened after it is left out, states are today's. Case `deals`, five weeks earlier."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.golden.bench import Bench
from tests.golden.units.pairs import BUILD_AT, Row, given


@pytest.fixture(scope="module")
def bench() -> Bench:
    bench = Bench(given(), BUILD_AT, datetime(2026, 5, 25, 12, tzinfo=UTC))
    assert bench.failing() == []
    return bench


def rows(bench: Bench, mart: str, where: str, channel: str = "deals") -> list[Row]:
    return bench.rows(f"{mart} where channel_id = '{channel}' and {where}")


def test_deals_made_later_are_left_out(bench: Bench) -> None:
    found = {row["zoho_lead_id"][:2]: row for row in rows(bench, "lead_source_attribution", "true")}
    assert len(found) == 14
    assert {name for name, row in found.items() if row["has_deal"]} == {
        "01", "02", "03", "04", "05", "08", "09", "13", "14"
    }  # fmt: skip
    assert (found["01"]["n_deals"], found["01"]["won_revenue_all"]) == (1, Decimal("50000000.00"))
    assert found["10"]["is_converted"], "conversion is a state: it happened a week after as_of"


@pytest.mark.parametrize(
    ("stage", "definition", "x", "rate"),
    [
        ("any_conversion", "ever", 14, 1),
        ("any_conversion", "rolling_30d", 12, 12 / 14),  # 10 and 11 converted on 1 June
        ("any_conversion", "km_30d", 12, None),  # nobody was watched for 30 days
        ("deal", "ever", 9, 9 / 14),
        ("won", "ever", 3, 3 / 14),
        ("won", "rolling_30d", 1, 1 / 14),  # 4 at the end of that day, 14 in June
    ],
)
def test_only_ever_looks_past_it(bench: Bench, stage: str, definition: str, x: int, rate: float | None) -> None:
    (row,) = rows(bench, "conversion_rate", f"stage = '{stage}' and definition = '{definition}' and dimension = 'all'")
    assert (row["n_leads"], row["n_converted"], row["conversion_rate"]) == (14, x, rate)


def test_every_mart_is_true_for_it(bench: Bench) -> None:
    for mart in bench.project.marts:
        stamps = {row["as_of_utc"] for row in rows(bench, mart, "true", "topics")}
        assert stamps <= {datetime(2026, 5, 25, 12)}, mart  # noqa: DTZ001
    assert bench.rows("channel_insight where channel_id = 'no_data.stale' and data_status = 'ok'")


def test_activities_later_do_not_count(bench: Bench) -> None:
    (row,) = rows(bench, "channel_insight", "true", "first_contact")
    assert (row["leads_this_month"], row["n_uncontacted"], row["contacted_rate"]) == (0, 0, None)

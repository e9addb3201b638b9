"""An explicit as-of leaves out later events, but states are those of today. It is case `deals`, five weeks earlier."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, Row, given
from tests.golden.sql_lab import SqlLab


@pytest.fixture(scope="module")
def as_of_lab() -> SqlLab:
    as_of_lab = SqlLab(given(), BUILD_AT, datetime(2026, 5, 25, 12, tzinfo=UTC))
    assert as_of_lab.failing() == []
    return as_of_lab


def rows(as_of_lab: SqlLab, mart: str, where: str, channel: str = "deals") -> list[Row]:
    return as_of_lab.rows(f"{mart} where channel_id = '{channel}' and {where}")


@pytest.mark.long
def test_deals_made_later_are_left_out(as_of_lab: SqlLab) -> None:
    found = {row["zoho_lead_id"][:2]: row for row in rows(as_of_lab, "lead_source_attribution", "true")}
    assert len(found) == 14
    assert {name for name, row in found.items() if row["has_deal"]} == {
        "01", "02", "03", "04", "05", "08", "09", "13", "14"
    }  # fmt: skip
    assert (found["01"]["n_deals"], found["01"]["won_revenue_all"]) == (1, Decimal("50000000.00"))
    assert found["10"]["is_converted"], "conversion is a state, although it happened a week after as_of"


@pytest.mark.parametrize(
    ("stage", "definition", "x", "rate"),
    [
        ("any_conversion", "ever", 14, 1),
        ("any_conversion", "rolling_30d", 12, 12 / 14),  # 10 and 11 converted on 1 June
        ("any_conversion", "km_30d", 12, None),  # no lead was observed for 30 days
        ("deal", "ever", 9, 9 / 14),
        ("won", "ever", 3, 3 / 14),
        ("won", "rolling_30d", 1, 1 / 14),  # 4 at the end of that day, 14 in June
    ],
)
def test_only_ever_looks_past_it(as_of_lab: SqlLab, stage: str, definition: str, x: int, rate: float | None) -> None:
    (row,) = rows(
        as_of_lab, "conversion_rate", f"stage = '{stage}' and definition = '{definition}' and dimension = 'all'"
    )
    assert (row["n_leads"], row["n_converted"], row["conversion_rate"]) == (14, x, rate)


def test_every_mart_is_true_for_it(as_of_lab: SqlLab) -> None:
    for mart in as_of_lab.project.marts:
        stamps = {row["as_of_utc"] for row in rows(as_of_lab, mart, "true", "topics")}
        assert stamps <= {datetime(2026, 5, 25, 12)}, mart  # noqa: DTZ001
    assert as_of_lab.rows("channel_insight where channel_id = 'no_data.stale' and data_status = 'ok'")


def test_activities_later_do_not_count(as_of_lab: SqlLab) -> None:
    (row,) = rows(as_of_lab, "channel_insight", "true", "first_contact")
    assert (row["leads_this_month"], row["n_uncontacted"], row["contacted_rate"]) == (0, 0, None)

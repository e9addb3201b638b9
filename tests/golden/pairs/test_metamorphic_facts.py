"""What must not change the facts: a shift by a week, the order of rows, other channels, the attribution model."""

import json
import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, Row, given
from tests.golden.sql_lab import SqlLab
from zoho_pipeline.ingest.catalog.tables import BY_NAME

WEEK = timedelta(days=7)
CLOCK_CHANGES = ("business_hours.default", "business_hours.always")
Marts = dict[str, list[Row]]


@pytest.fixture(scope="module")
def lab_marts() -> Marts:
    return SqlLab(given(), BUILD_AT).marts()


@pytest.mark.long
def test_order_of_rows_changes_nothing(lab_marts: Marts) -> None:
    rng = random.Random(5)
    assert SqlLab({name: rng.sample(rows, len(rows)) for name, rows in given().items()}, BUILD_AT).marts() == lab_marts


@pytest.mark.long
def test_other_channels_change_nothing(lab_marts: Marts) -> None:
    kept = set(sorted({row["channel_id"] for row in given()["channels"]})[::2]) | {"topics", "forms.a"}
    alone = SqlLab({n: [r for r in rows if r["channel_id"] in kept] for n, rows in given().items()}, BUILD_AT).marts()
    for mart, rows in lab_marts.items():
        assert alone[mart] == [row for row in rows if row["channel_id"] in kept], mart
        assert alone[mart] or mart == "conversion_rate_earlier"  # only a publication of an older release has its rows


@pytest.mark.long
def test_a_week_later_only_dates_differ(lab_marts: Marts) -> None:
    later = {name: [_later(name, row) for row in rows] for name, rows in given().items()}
    shifted = SqlLab(later, BUILD_AT + WEEK).marts()
    for mart in set(lab_marts) - {"lead_volume", "channel_insight"}:  # a shift by weeks does not move months
        assert _timeless(shifted[mart], WEEK) == _timeless(lab_marts[mart], timedelta()), mart


def test_the_model_shares_out_the_same_totals(lab_marts: Marts) -> None:
    totals: dict[str, dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(lambda: [Decimal(0)] * 6))
    names = ("credited_leads", "credited_deals", "credited_won_deals", "won_revenue", "n_leads", "n_converted")
    for row in lab_marts["content_performance"]:
        so_far = totals[row["channel_id"]][row["model"]]
        totals[row["channel_id"]][row["model"]] = [a + (row[n] or 0) for a, n in zip(so_far, names, strict=True)]
    assert all(len(by_model) == 5 for by_model in totals.values())
    for channel, by_model in totals.items():
        assert len(set(map(tuple, by_model.values()))) == 1, channel
    assert max(by_model["linear"][3] for by_model in totals.values()) > 10**8


def _later(table: str, row: Row) -> Row:
    """Return the row, one week later."""
    moved = dict(row)
    for name, value in row.items():
        kind = BY_NAME[table].column(name).type
        if value and kind == "timestamp":
            moved[name] = str(datetime.fromisoformat(value) + WEEK)
        elif value and kind == "date":
            moved[name] = str(date.fromisoformat(value) + WEEK)
        elif value and kind == "json":
            fields = json.loads(value)
            if "First_Visited_Time" in fields:
                fields["First_Visited_Time"] = (datetime.fromisoformat(fields["First_Visited_Time"]) + WEEK).isoformat()
            moved[name] = json.dumps(fields)
    return moved


def _timeless(rows: list[Row], by: timedelta) -> list[dict[str, Any]]:
    def moved(value: Any) -> Any:
        return value - by if isinstance(value, date) else value

    # the calendar ends in 9999, so that a deal of its last week is not won a week later
    is_last = lambda row: str(row.get("closing_date")).startswith("9999")  # noqa: E731
    kept = [row for row in rows if row["channel_id"] not in CLOCK_CHANGES and not is_last(row)]
    return sorted(({n: moved(v) for n, v in row.items() if n != "created_month"} for row in kept), key=repr)


def test_the_shift_is_one() -> None:
    assert _later("leads", {"channel_id": "c", "created_time": "2026-03-01 00:00:00"})["created_time"] == (
        "2026-03-08 00:00:00"
    )

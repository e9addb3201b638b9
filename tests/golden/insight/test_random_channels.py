"""Random channels: every number is compared with the plain oracle, and both engines give the same cells."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from tests.golden.insight import insight_oracle
from tests.golden.insight.insight_world import Row, everything, run
from tests.golden.insight.random_channels import NOON, random_channel, raw_of
from zoho_pipeline.warehouse.warehouse import Warehouse

SEEDS = range(250)
CHANNELS = {channel.channel_id: channel for channel in map(random_channel, SEEDS)}


@pytest.fixture(scope="module")
def tables(empty_warehouse: Callable[[str], Warehouse]) -> dict[str, list[Row]]:
    warehouse = empty_warehouse("duckdb")
    raw_of(list(CHANNELS.values())).write(warehouse)
    run(warehouse, build_at=NOON)
    return everything(warehouse)


def by(rows: list[Row], *columns: str) -> dict[str, dict[Any, Row]]:
    """Return channel → key → row."""
    found: dict[str, dict[Any, Row]] = {key: {} for key in CHANNELS}
    for row in rows:
        key = tuple(row[name] for name in columns)
        found[row["channel_id"]][key[0] if len(key) == 1 else key] = row
    return found


def same(got: Any, expected: Any) -> bool:
    if isinstance(expected, (float, Fraction)):
        return got is not None and abs(got - float(expected)) < 1e-11
    return bool(got == expected)


def assert_rows(got: dict[Any, Row], expected: dict[Any, dict[str, Any]], where: str) -> None:
    assert got.keys() == expected.keys(), where
    for key, row in expected.items():
        wrong = {name: (got[key][name], value) for name, value in row.items() if not same(got[key][name], value)}
        assert not wrong, f"{where} {key}: (got, expected) {wrong}"


@pytest.mark.long
def test_conversion_rates(tables: dict[str, list[Row]]) -> None:
    got = by(tables["conversion_rate"], "stage", "definition", "dimension", "dimension_value")
    names = ("n_leads", "n_converted", "conversion_rate", "ci_low", "ci_high", "n_immature", "display_status")
    for key, channel in CHANNELS.items():
        expected = {k: dict(zip(names, v, strict=True)) for k, v in insight_oracle.conversion_rate(channel).items()}
        assert_rows(got[key], expected, key)


def test_times_to_first_contact(tables: dict[str, list[Row]]) -> None:
    got = by(tables["time_to_first_contact"], "dimension", "dimension_value")
    for key, channel in CHANNELS.items():
        assert_rows(got[key], insight_oracle.time_to_first_contact(channel), key)


def test_volumes(tables: dict[str, list[Row]]) -> None:
    got = by(tables["lead_volume"], "grain", "period_start")
    for key, channel in CHANNELS.items():
        expected = {
            k: {"n_leads": n, "is_partial": running} for k, (n, running) in insight_oracle.lead_volume(channel).items()
        }
        assert_rows(got[key], expected, key)


def test_topics(tables: dict[str, list[Row]]) -> None:
    got = by(tables["topic_performance"], "topic")
    for key, channel in CHANNELS.items():
        assert_rows(got[key], insight_oracle.topics(channel), key)


def test_insights(tables: dict[str, list[Row]]) -> None:
    got = by(tables["channel_insight"], "as_of_date")
    for key, channel in CHANNELS.items():
        expected = insight_oracle.insight(channel)
        ranks = {row["suggestion_rank"]: topic for topic, row in insight_oracle.topics(channel).items()}
        expected |= {f"suggested_topic_{place}": ranks.get(place) for place in (1, 2, 3)}
        assert_rows(got[key], {channel.local(channel.as_of).date(): expected}, key)


def test_the_worlds_cover_what_is_intricate(tables: dict[str, list[Row]]) -> None:
    def seen(mart: str, column: str) -> set[Any]:
        return {row[column] for row in tables[mart]}

    km = {
        row["conversion_rate"] for row in tables["conversion_rate"] if row["definition"] == "km_30d" and row["n_leads"]
    }
    assert {None, 0.0, 1.0} < km
    assert {1.0, None} < seen("channel_insight", "trend_dispersion")
    assert {1.0, None} < seen("topic_performance", "p_value")
    assert seen("conversion_rate", "display_status") == {"ok", "small_sample", "insufficient", "no_leads"}
    assert seen("time_to_first_contact", "km_median_status") == {"ok", "not_reached", "no_leads"}
    assert seen("channel_insight", "trend_direction") == {"up", "down", "flat", "insufficient_data"}
    assert seen("channel_insight", "change_status") == {"ok", "new", "no_leads_either_month"}
    assert seen("channel_insight", "top_sources_tie_at_cutoff") == {True, False}
    assert seen("channel_insight", "topic_status") == {
        "ok", "insufficient_data", "no_conversions_in_matured_cohort", "no_matured_leads"
    }  # fmt: skip
    assert seen("topic_performance", "evidence") == {"strong", "directional"}


@pytest.mark.long
def test_both_engines_give_the_same_cells(empty_warehouse: Callable[[str], Warehouse]) -> None:
    channels = list(CHANNELS.values())[:60]
    cells = []
    for warehouse in map(empty_warehouse, ("duckdb", "postgres")):
        raw_of(channels).write(warehouse)
        run(warehouse, build_at=NOON)
        cells.append(everything(warehouse))
    for mart, rows in cells[0].items():
        assert rows == cells[1][mart], mart

"""What the statistics promise, shown in random channels where the truth is known: errors are as rare as we say."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from tests.golden.statistics.one_model import duckdb_session, run_model
from tests.golden.statistics.simulations import Market, curves_of, rate_tables, samples, topic_channels, week_channels
from tests.golden.statistics.trend_cases import survival_steps
from zoho_pipeline.warehouse.connection import Connection

pytestmark = pytest.mark.long
CHANNELS, POWER_CHANNELS = 600, 200


@pytest.fixture(scope="module")
def session() -> Iterator[Connection]:
    with duckdb_session() as connection:
        yield connection


def strong(session: Connection, market: Market, channels: int, seed: int) -> dict[str, set[str]]:
    """Return channel → its strong topics, of the channels that have one."""
    found: dict[str, set[str]] = {}
    for row in run_model(session, "metric_topic_tests", topic_channels(market, channels, seed)):
        if row["is_strong"]:
            found.setdefault(row["channel_id"], set()).add(row["topic"])
    return found


@pytest.mark.parametrize(
    "market",
    [
        Market(topics=1_000, leads=10_000, rate=0.02),
        Market(topics=1_000, leads=10_000, rate=0.1),
        Market(topics=1_000, leads=10_000, rate=0.3),
        Market(topics=1_000, leads=20_000, rate=0.1, topics_per_lead=3),
        Market(topics=1_000, leads=6_000, rate=0.5),
        Market(topics=20, leads=2_000, rate=0.2),
        Market(topics=1, leads=60, rate=0.2),
    ],
    ids=str,
)
def test_topics_that_make_no_difference_are_rarely_strong(session: Connection, market: Market) -> None:
    assert len(strong(session, market, CHANNELS, seed=1)) <= 0.05 * CHANNELS


@pytest.mark.parametrize(
    ("market", "power"),
    [
        # it doubles a rate of 20 % (100 leads), trebles one of 10 % (67 leads), trebles it among a thousand (100 leads)
        (Market(topics=12, leads=1_200, rate=0.2, effect=2.0), 0.9),
        (Market(topics=12, leads=800, rate=0.1, effect=3.0), 0.8),
        (Market(topics=1_000, leads=100_000, rate=0.1, effect=3.0), 0.8),
    ],
    ids=str,
)
def test_a_topic_that_matters_is_strong(session: Connection, market: Market, power: float) -> None:
    found = strong(session, market, POWER_CHANNELS, seed=2)
    assert sum(1 for topics in found.values() if "t0" in topics) >= power * POWER_CHANNELS
    assert sum(1 for topics in found.values() if topics - {"t0"}) <= 0.05 * POWER_CHANNELS


def directions(session: Connection, tables: dict[str, pa.Table]) -> list[str]:
    return [row["direction"] for row in run_model(session, "metric_trends", tables)]


@pytest.mark.parametrize("mean", [2, 5, 20, 100])
@pytest.mark.parametrize("dispersion", [1, 2, 4])
def test_a_steady_channel_rarely_has_a_trend(session: Connection, mean: int, dispersion: int) -> None:
    found = directions(session, week_channels(mean, mean, dispersion, 5_000, seed=3))
    up, down = found.count("up"), found.count("down")
    assert up + down <= 0.1 * len(found)


def test_an_import_is_no_trend(session: Connection) -> None:
    for mean in (0.5, 5, 20):
        found = directions(session, week_channels(mean, mean, 1, 2_000, seed=4, imported=50))
        assert found.count("up") + found.count("down") <= 0.1 * len(found), mean


@pytest.mark.parametrize(
    ("older", "newer", "dispersion", "power"), [(5, 10, 1, 0.6), (20, 40, 2, 0.9), (40, 20, 2, 0.9), (20, 30, 2, 0.5)]
)
def test_a_change_that_matters_is_a_trend(
    session: Connection, older: float, newer: float, dispersion: float, power: float
) -> None:
    found = directions(session, week_channels(older, newer, dispersion, 2_000, seed=5))
    right, wrong = ("up", "down") if newer > older else ("down", "up")
    assert found.count(right) >= power * len(found)
    assert found.count(wrong) <= 0.001 * len(found)


def coverage(bounds: list[tuple[float, float]], rate: float) -> float:
    return sum(1 for low, high in bounds if low <= rate <= high) / len(bounds)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("leads", [60, 150, 400])
def test_a_greenwood_interval_contains_the_rate(session: Connection, leads: int, rate: float) -> None:
    observed = curves_of(leads, rate, 2_000, seed=6)
    rows = run_model(session, "metric_conversion_survival", survival_steps(session, observed))
    bounds = [(row["ci_low"], row["ci_high"]) for row in rows if row["ci_low"] is not None]
    assert len(bounds) >= 0.95 * len(rows)
    assert 0.93 <= coverage(bounds, rate) <= 0.97


def wilson(session: Connection, found: list[tuple[int, int]]) -> list[tuple[float, float]]:
    """Return the bounds of samples (n, x), as those of topics."""
    rows = run_model(session, "metric_topic_rates", rate_tables(found))
    return [(row["ci_low"], row["ci_high"]) for row in rows]


RATES = (0.05, 0.1, 0.2, 0.35, 0.5)


def test_a_wilson_interval_contains_the_rate(session: Connection) -> None:
    found = {}
    for n in (30, 60, 100, 300):
        for rate in RATES:
            found[n, rate] = coverage(wilson(session, samples(n, rate, 4_000, seed=7)), rate)
    assert all(0.92 <= share <= 0.98 for share in found.values()), found
    assert 0.94 <= sum(found.values()) / len(found) <= 0.96

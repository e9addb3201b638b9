"""Every rule of the tests, trends and intervals with its edges, worked by hand, on both engines."""

import random
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from typing import Any

import pytest

from tests.golden.statistics.one_model import Row, run_model
from tests.golden.statistics.statistics_oracle import dispersion, fisher, greenwood, holm, trend
from tests.golden.statistics.topic_cases import CASES, Case, topic_tables
from tests.golden.statistics.trend_cases import CURVES, TRENDS, Observations, Trend, survival_steps, trend_tables
from zoho_pipeline.warehouse.connection import Connection
from zoho_pipeline.warehouse.warehouse import Warehouse


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def session(request: pytest.FixtureRequest, empty_warehouse: Callable[[str], Warehouse]) -> Iterator[Connection]:
    with empty_warehouse(request.param).connect(read_only=False) as connection:
        yield connection


def topic_rows(session: Connection, cases: dict[str, Case]) -> dict[tuple[str, str], Row]:
    rows = run_model(session, "metric_topic_tests", topic_tables(cases))
    return {(row["channel_id"], row["topic"]): row for row in rows}


def test_topics_worked_by_hand(session: Connection) -> None:
    rows = topic_rows(session, CASES)
    assert rows.keys() == {(key, topic) for key, case in CASES.items() for topic in case.p}
    for (key, topic), row in rows.items():
        case = CASES[key]
        assert row["p_value"] == pytest.approx(float(case.p[topic]), abs=6e-13), (key, topic)
        assert (row["n_tested"], row["is_strong"]) == (len(case.p), topic in case.strong), (key, topic)


def test_the_cases_are_right() -> None:
    for key, case in CASES.items():
        if case.deals is not None and key != "far_out":
            found = {topic: fisher(*case.topics[topic][::-1], case.deals, case.leads) for topic in case.p}
            assert (found, holm(found)) == (case.p, case.strong), key


def random_cases(seed: int, channels: int, most: int) -> dict[str, Case]:
    """Return channels of up to `most` leads with up to 40 topics of any size."""
    rng = random.Random(seed)
    cases = {}
    for number in range(channels):
        leads = rng.choice((5, 40, most))
        deals = rng.choice((0, 1, leads // 10, leads // 3, leads))
        topics = {}
        for topic in range(rng.choice((1, 5, 40))):
            n = rng.randrange(1, leads + 1)
            lowest, highest = max(0, n + deals - leads), min(n, deals)
            usual = n * deals // leads + rng.choice((-1, 0, 1, 2, 4)) * int((n * 0.2) ** 0.5 + 1)
            x = rng.choice((lowest, highest)) if rng.random() < 0.2 else min(highest, max(lowest, usual))
            topics[f"t{topic}"] = (n, x)
        cases[f"c{number}"] = Case(leads, deals, topics, {})
    return cases


def test_random_topics_agree_with_exact_fractions(session: Connection) -> None:
    cases = random_cases(1, 40, 900)
    rows = topic_rows(session, cases)
    seen = set()
    for key, case in cases.items():
        assert case.deals is not None
        sizes = {topic: (x, n) for topic, (n, x) in case.topics.items() if n >= 3}
        p = {topic: fisher(x, n, case.deals, case.leads) for topic, (x, n) in sizes.items()}
        strong = holm(p)
        for topic, value in p.items():
            row = rows.pop((key, topic))
            assert row["p_value"] == pytest.approx(float(value), abs=1e-11), (key, topic)
            assert (row["n_tested"], row["is_strong"]) == (len(p), topic in strong), (key, topic)
            seen.add((row["is_strong"], value < 0.05))
    assert not rows
    assert seen == {(True, True), (False, True), (False, False)}


def tail(x: int, n: int, deals: int, leads: int) -> Decimal:
    """Return Fisher's p with 60 digits, for numbers whose factorials have millions of them."""
    with localcontext() as context:
        context.prec = 60
        lowest, highest = max(0, n + deals - leads), min(n, deals)
        weight, total, above = Decimal(1), Decimal(0), Decimal(0)
        for k in range(lowest, highest + 1):
            if k > lowest:
                weight *= Decimal((deals - k + 1) * (n - k + 1)) / Decimal(k * (leads - deals - n + k))
            total += weight
            above += weight if k >= x else 0
        return above / total


def test_a_million_leads(session: Connection) -> None:
    leads, deals = 1_000_000, 200_000
    sizes = [(10_000, 2_000), (10_000, 2_090), (10_000, 2_150), (25_321, 5_200), (100_001, 20_200), (12, 7)]
    case = Case(leads, deals, {f"t{n}": size for n, size in enumerate(sizes)}, {})
    rows = topic_rows(session, {"large": case})
    for topic, (n, x) in case.topics.items():
        exact = tail(x, n, deals, leads)
        assert rows["large", topic]["p_value"] == pytest.approx(float(exact), abs=1e-9), (n, x)


def test_trends_worked_by_hand(session: Connection) -> None:
    rows = {row["channel_id"]: row for row in run_model(session, "metric_trends", trend_tables(TRENDS))}
    assert rows.keys() == TRENDS.keys()
    for key, case in TRENDS.items():
        row = rows[key]
        assert (row["leads_older_weeks"], row["leads_newer_weeks"]) == (sum(case.weeks[:4]), sum(case.weeks[4:])), key
        assert row["direction"] == case.direction, key
        assert row["dispersion"] == pytest.approx(case.dispersion and float(case.dispersion), abs=1e-12), key


def test_the_trends_are_right() -> None:
    for key, case in TRENDS.items():
        if (case.limit, case.least) == (1.943, 10):
            assert trend(case.weeks) == (case.direction, case.dispersion), key
        assert case.dispersion in (None, dispersion(case.weeks)), key


def curves(session: Connection, observed: dict[str, Observations]) -> dict[str, tuple[Any, ...]]:
    rows = run_model(session, "metric_conversion_survival", survival_steps(session, observed))
    return {row["channel_id"]: (row["converted_rate"], row["ci_low"], row["ci_high"]) for row in rows}


def test_curves_worked_by_hand(session: Connection) -> None:
    found = curves(session, {key: observations for key, (observations, _) in CURVES.items()})
    for key, (_, expected) in CURVES.items():
        assert found[key] == tuple(figure and pytest.approx(figure, abs=6e-5) for figure in expected), key


def test_random_curves_agree_with_exact_fractions(session: Connection) -> None:
    rng = random.Random(3)
    observed = {
        f"c{number}": [
            (day, day < 30 and rng.random() < 0.4)
            for day in (rng.randrange(1, 31) for _ in range(rng.randrange(1, 40)))
        ]
        for number in range(60)
    }
    found = curves(session, observed)
    for key, observations in observed.items():
        rate, low, high = found[key]
        bounds = greenwood(observations) if rate is not None else None
        assert (low is None, high is None) == (bounds is None, bounds is None), key
        if bounds:
            assert (low, high) == pytest.approx(bounds, abs=1e-11), key
            assert low <= rate <= high, key


def test_topic_and_deal_may_change_places(session: Connection) -> None:
    # of 60 leads, n have the topic and X a deal: whether the topic is drawn or the deals gives one p
    sizes = [(12, 20, 7), (20, 12, 7), (31, 8, 6), (8, 31, 6)]
    cases = {f"c{n}": Case(60, deals, {"t": (n, x)}, {}) for n, deals, x in sizes}
    p = {key: row["p_value"] for (key, _), row in topic_rows(session, cases).items()}
    assert (p["c12"], p["c31"]) == (p["c20"], p["c8"])


def test_the_order_of_weeks_in_a_half_changes_nothing(session: Connection) -> None:
    weeks = (1, 7, 3, 9, 12, 4, 20, 6)
    turned = {"a": weeks, "b": (9, 1, 7, 3, 6, 12, 4, 20), "swapped": weeks[4:] + weeks[:4]}
    tables = trend_tables({key: Trend(counts, "", None, limit=1.0) for key, counts in turned.items()})
    rows = {row.pop("channel_id"): row for row in run_model(session, "metric_trends", tables)}
    assert rows["a"] == rows["b"]
    assert (rows["a"]["direction"], rows["swapped"]["direction"]) == ("up", "down")
    assert rows["a"]["dispersion"] == pytest.approx(rows["swapped"]["dispersion"], abs=1e-12)

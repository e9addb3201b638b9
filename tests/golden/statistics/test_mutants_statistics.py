"""Mutants of the tests, trends and intervals: each must change a number of the cases that were worked by hand."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.golden.statistics.one_model import Row, duckdb_session, run_model
from tests.golden.statistics.topic_cases import CASES, topic_tables
from tests.golden.statistics.trend_cases import CURVES, TRENDS, survival_steps, trend_tables
from zoho_pipeline.warehouse.connection import Connection

MUTANTS = {
    "more than x instead of x or more": (
        "metric_topic_tests",
        "and tested.n_converted = tails.x",
        "and tested.n_converted + 1 = tails.x",
    ),
    "the lower tail": ("metric_topic_tests", "order by x desc", "order by x"),
    "deals drawn with replacement": (
        "metric_topic_tests",
        "(base_x - x + 1) * (n - x + 1) / (x * (base_n - base_x - n + x))",
        "base_x * (n - x + 1) / (x * (base_n - base_x))",
    ),
    "a support from zero": ("metric_topic_tests", "greatest(0, n_leads + x_base - n_base) as first_x", "0 as first_x"),
    "one size for all channels": (
        "metric_topic_tests",
        "tested.channel_id = tails.channel_id\n            and tested.n_leads",
        "tested.n_leads",
    ),
    "small topics tested": ("metric_topic_tests", "and topics.n_leads >= parameters.topic_min_leads", ""),
    "empty topics tested": ("metric_topic_tests", "topics.n_leads > 0\n        and ", ""),
    "the smallest size left out": ("metric_topic_tests", "n_leads >= parameters", "n_leads > parameters"),
    "unreadable deals tested": ("metric_topic_tests", "and base.n_converted is not null", ""),
    "no correction": ("metric_topic_tests", "(n_tested - place + 1) * p_value", "p_value"),
    "Bonferroni": ("metric_topic_tests", "(n_tested - place + 1) * p_value", "n_tested * p_value"),
    "Hochberg": (
        "metric_topic_tests",
        "order by p_value nulls first\n        rows between unbounded preceding and current row\n    ) <=",
        "order by p_value desc\n        rows between current row and current row\n    ) <=",
    ),
    "tests of all channels": (
        "metric_topic_tests",
        "count(*) over (partition by channel_id) as n_tested",
        "count(*) over () as n_tested",
    ),
    "a limit that the rounding moves": ("metric_topic_tests", "0.05 + 0.000000001", "0.05 - 0.000000001"),
    "a rise in a week is a trend": ("metric_trends", "/ sqrt(dispersion * (a + b))", "/ sqrt(a + b)"),
    "less scatter than chance": ("metric_trends", "greatest(\n            1,", "greatest(\n            0,"),
    "eight degrees of freedom": ("metric_trends", ") / 6", ") / 8"),
    "the older half alone": ("metric_trends", "(4 * a_squares - a * a) / a", "0"),
    "the newer half alone": ("metric_trends", "(4 * b_squares - b * b) / b", "0"),
    "the mean of all weeks": (
        "metric_trends",
        "case when a > 0 then (4 * a_squares - a * a) / a else 0 end\n",
        "case when a > 0 then (8 * a_squares - a * a) / a / 2 else 0 end\n",
    ),
    "the running week": ("metric_trends", "points.this_week > leads.created_local", "true"),
    "nine weeks": ("metric_trends", "interval '56 days'", "interval '57 days'"),
    "the middle moved": (
        "metric_trends",
        "leads.created_local >= points.this_week - interval '28 days'",
        "leads.created_local > points.this_week - interval '28 days'",
    ),
    "above the limit": ("metric_trends", "z >= trend_z", "z > trend_z"),
    "below the limit": ("metric_trends", "z <= -trend_z", "z < -trend_z"),
    "ten are not enough": ("metric_trends", "a + b >= parameters", "a + b > parameters"),
    "a scatter of nothing": ("metric_trends", "case when is_enough then dispersion end", "dispersion"),
    "Peto's variance": (
        "metric_conversion_survival",
        "n_events / (n_at_risk * (n_at_risk - n_events))",
        "n_events / (n_at_risk * n_at_risk)",
    ),
    "the plain scale": (
        "metric_conversion_survival",
        "1 - exp(log_survival / factor)",
        "1 - exp(log_survival) - 1.959963984540054 * exp(log_survival) * sqrt(greenwood_sum)",
    ),
    "the log scale": (
        "metric_conversion_survival",
        "exp(1.959963984540054 * sqrt(greenwood_sum) / -log_survival)",
        "exp(1.959963984540054 * sqrt(greenwood_sum))",
    ),
    "bounds exchanged": ("metric_conversion_survival", "exp(log_survival / factor)", "exp(log_survival * factor)"),
    "bounds of 90 %": ("metric_conversion_survival", "1.959963984540054", "1.644853626951473"),
    "bounds where nobody was followed": (
        "metric_conversion_survival",
        "and reaches_30d = 1\n                then",
        "then",
    ),
    "bounds where S is 0": ("metric_conversion_survival", "and reaches_zero = 0 and", "and"),
}
Numbers = dict[str, list[Row]]


@pytest.fixture(scope="module")
def session() -> Iterator[Connection]:
    with duckdb_session() as connection:
        yield connection


@pytest.fixture(scope="module")
def tables(session: Connection) -> dict[str, dict[str, Any]]:
    curves = {key: observations for key, (observations, _) in CURVES.items()}
    return {
        "metric_topic_tests": topic_tables(CASES),
        "metric_trends": trend_tables(TRENDS),
        "metric_conversion_survival": survival_steps(session, curves),
    }


def numbers(rows: list[Row]) -> list[str]:
    return sorted(str(sorted(row.items())) for row in rows)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mistake_changes_a_number(name: str, session: Connection, tables: dict[str, dict[str, Any]]) -> None:
    model, text, mutant = MUTANTS[name]
    right = run_model(session, model, tables[model])
    assert numbers(right) == numbers(run_model(session, model, tables[model]))
    assert numbers(run_model(session, model, tables[model], (text, mutant))) != numbers(right)

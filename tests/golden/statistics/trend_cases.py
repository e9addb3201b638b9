"""Trends and survival curves worked by hand, and the rows that the models read of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

import pyarrow as pa

from tests.golden.statistics.one_model import run_model
from zoho_pipeline.warehouse.connection import Connection

MONDAY = datetime(2026, 3, 30)  # noqa: DTZ001
"""The local start of the running week. The eight weeks begin on 2 February."""


@dataclass(frozen=True)
class Trend:
    """Eight weekly counts, the oldest first, and what the trend must say. `limit` and `least` are the parameters."""

    weeks: tuple[int, ...]
    direction: str
    dispersion: Fraction | None
    limit: float = 1.943
    least: int = 10


TRENDS = {
    "nothing": Trend((0,) * 8, "insufficient_data", None),
    "nothing_asked": Trend((0,) * 8, "insufficient_data", None, least=0),
    "nine": Trend((0, 0, 0, 0, 3, 2, 2, 2), "insufficient_data", None),
    # the older half has the mean 0 and adds 0; the newer one 4 × 0.5² / 2.5 = 0.4; z = 10 / √10 = 3.16
    "ten": Trend((0, 0, 0, 0, 3, 3, 2, 2), "up", Fraction(1)),
    "ends": Trend((3, 3, 2, 2, 0, 0, 0, 0), "down", Fraction(1)),
    "steady": Trend((5,) * 8, "flat", Fraction(1)),
    # z = 12 / √28 = 2.27
    "doubled": Trend((2, 2, 2, 2, 5, 5, 5, 5), "up", Fraction(1)),
    "halved": Trend((5, 5, 5, 5, 2, 2, 2, 2), "down", Fraction(1)),
    # z = 10 / √30 = 1.83: above the limit of a normal distribution, below that of Student's t
    "hardly": Trend((2, 3, 2, 3, 5, 5, 5, 5), "flat", Fraction(1)),
    # z = 8 / √16 = 2, the limit itself
    "at_the_limit": Trend((1, 1, 1, 1, 3, 3, 3, 3), "up", Fraction(1), limit=2.0),
    "at_the_lower_limit": Trend((3, 3, 3, 3, 1, 1, 1, 1), "down", Fraction(1), limit=2.0),
    # (37.5² + 3 × 12.5²) / 12.5 = 150, by 6 is 25; z = 50 / √(25 × 50) = 1.41
    "import": Trend((0, 0, 0, 0, 0, 0, 50, 0), "flat", Fraction(25)),
    # 3 + 50 in one week: (37.5² + 3 × 12.5²) / 15.5 / 6 = 20.2; z = 50 / √(20.2 × 74) = 1.29
    "import_among_others": Trend((3, 3, 3, 3, 3, 53, 3, 3), "flat", Fraction(625, 31)),
    # 64/5 + 100/10 = 22.8, by 6 is 3.8; z = 20 / √(3.8 × 60) = 1.32, and 2.58 without the dispersion
    "uneven": Trend((1, 9, 1, 9, 5, 15, 5, 15), "flat", Fraction(19, 5)),
}


def trend_tables(trends: dict[str, Trend]) -> dict[str, pa.Table]:
    """Return what metric_trends reads. Leads lie on the first and on the last second of their week, and around all."""
    leads: list[tuple[str, datetime]] = []
    for key, trend in trends.items():
        for back, count in zip(range(8, 0, -1), trend.weeks, strict=True):
            start = MONDAY - timedelta(7 * back)
            last = start + timedelta(days=7, seconds=-1)
            leads += [(key, last if number % 2 else start) for number in range(count)]
        leads += [(key, MONDAY), (key, MONDAY - timedelta(days=56, seconds=1))]
    as_of = MONDAY + timedelta(days=1, hours=15)
    channels, moments = zip(*leads, strict=True)
    keys = list(trends)
    return {
        "int_channel_clock": pa.table(
            {
                "channel_id": pa.array(keys),
                "as_of_utc": pa.array([as_of] * len(keys), pa.timestamp("us")),
                "as_of_local": pa.array([as_of] * len(keys), pa.timestamp("us")),
            }
        ),
        "lead_source_attribution": pa.table(
            {
                "channel_id": pa.array(channels),
                "created_local": pa.array(moments, pa.timestamp("us")),
                "created_at": pa.array(moments, pa.timestamp("us")),
            }
        ),
        "int_parameters": pa.table(
            {
                "channel_id": pa.array(keys),
                "trend_z": pa.array([trend.limit for trend in trends.values()], pa.float64()),
                "trend_min_leads": pa.array([trend.least for trend in trends.values()], pa.int64()),
            }
        ),
    }


Observations = list[tuple[float, bool]]
"""(days, whether the event came) of each lead, at most 30 days."""


def _days(events: Iterable[int], left: Iterable[int]) -> Observations:
    return [(day, True) for day in events] + [(min(day, 30), False) for day in left]


CURVES: dict[str, tuple[Observations, tuple[float, float, float] | tuple[float | None, None, None]]] = {
    # the remission times under 6-MP of Freireich and others (1963), in days instead of weeks; the figures are those
    # that textbooks print for t = 23: S = 0.4482, from 0.1881 to 0.6801
    "freireich": (
        _days((6, 6, 6, 7, 10, 13, 16, 22, 23), (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)),
        (1 - 0.4482, 1 - 0.6801, 1 - 0.1881),
    ),
    # S = 3/4: √(1 / (4 × 3)) / |ln 3/4| = 1.003, f = e^1.967 = 7.147, 1 − S^(1/f) and 1 − S^f
    "one_of_four": (_days((5,), (30, 30, 30)), (0.25, 0.0395, 0.8720)),
    "no_event": (_days((), (30, 30, 30)), (0.0, None, None)),
    "all_events": (_days((1, 2, 2), ()), (1.0, None, None)),
    # the last one observed has the event: S = 0, although others left before
    "the_last_event": (_days((1, 20), (10,)), (1.0, None, None)),
    "zero_on_the_last_day": (_days((10, 30), ()), (1.0, None, None)),
    "nobody_followed": (_days((1,), (10, 20)), (None, None, None)),
    "an_event_on_the_last_day": (_days((30,), (30,)), (0.5, 0.0896, 0.9940)),
}


def survival_steps(session: Connection, curves: dict[str, Observations]) -> dict[str, pa.Table]:
    """Return what metric_conversion_survival reads, made by metric_survival_steps: each curve is a channel."""
    steps = run_model(session, "metric_survival_steps", _observed(curves))
    columns = {name: [row[name] for row in steps] for name in ("channel_id", "event", "dimension", "dimension_value")}
    return {
        "metric_survival_steps": pa.table(
            {
                **columns,
                "observed_seconds": pa.array([row["observed_seconds"] for row in steps], pa.int64()),
                "n_events": pa.array([row["n_events"] for row in steps], pa.float64()),
                "n_at_risk": pa.array([row["n_at_risk"] for row in steps], pa.float64()),
            }
        )
    }


def _observed(curves: dict[str, Observations]) -> dict[str, pa.Table]:
    leads = [(key, days, event) for key, observations in curves.items() for days, event in observations]
    keys, days, events = zip(*leads, strict=True)
    count = len(leads)
    return {
        "metric_lead_conversions": pa.table(
            {
                "lead_no": pa.array(range(count), pa.int64()),
                "stage": pa.array(["deal"] * count),
                "observed_seconds": pa.array([int(day * 86_400) for day in days], pa.int64()),
                "is_reached_30d": pa.array(events, pa.bool_()),
            }
        ),
        "metric_contact_facts": pa.table(
            {
                "lead_no": pa.array([], pa.int64()),
                "observed_seconds": pa.array([], pa.int64()),
                "is_contacted": pa.array([], pa.bool_()),
                "is_on_clock": pa.array([], pa.bool_()),
            }
        ),
        "metric_lead_dimensions": pa.table(
            {
                "channel_id": pa.array(keys),
                "lead_no": pa.array(range(count), pa.int64()),
                "is_recent": pa.array([True] * count),
                "dimension": pa.array(["all"] * count),
                "dimension_value": pa.array(["all"] * count),
            }
        ),
    }

"""The geometry of charts: where bars and whiskers stand. The templates draw them as SVG, and write each number beside.

Widths and heights are in hundredths of the plot, because a plot is as wide as its page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

FEW = 5
"""With fewer leads a rate says nothing: only the two counts are shown."""

GAP = 0.28
"""The part of a bar's place that stays empty."""

WIDEST = 12.0
"""Of a bar: a channel with one week of leads would have a wall."""


@dataclass(frozen=True)
class Bar:
    """A bar of a chart over time. `is_running`: its period is not over."""

    start: date
    count: int
    is_running: bool
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Bars:
    """Bars from 0 to `top`, which is a round number."""

    bars: tuple[Bar, ...]
    top: int

    @property
    def half(self) -> str:
        """The number beside the middle line."""
        return str(self.top // 2)


@dataclass(frozen=True)
class Whisker:
    """A rate with its interval. All places are 0 to 100; None: there is no rate.

    `is_uncertain`: the sample is small. `is_cut`: the interval goes on beyond the end of the scale.
    """

    label: str
    rate: float | None
    low: float | None
    high: float | None
    n: int | None
    x: int | None
    at: float | None
    start: float | None
    end: float | None
    is_uncertain: bool
    is_cut: bool


def bars_of_weeks(weeks: Sequence[Mapping[str, Any]]) -> Bars | None:
    """The bars of rows {period_start, n_leads, is_partial}, oldest first; None where no week has data."""
    counted = [row for row in weeks if row["n_leads"] is not None]
    if not counted:
        return None
    top = round_top(max(int(row["n_leads"]) for row in counted))
    place = 100 / len(counted)
    found = []
    for number, row in enumerate(counted):
        height = 100 * int(row["n_leads"]) / top
        start = date.fromisoformat(str(row["period_start"])[:10])
        width = min(place * (1 - GAP), WIDEST)
        x = place * (number + 0.5) - width / 2
        box = (round(x, 2), round(100 - height, 2), round(width, 2), round(height, 2))
        found.append(Bar(start, int(row["n_leads"]), bool(row["is_partial"]), *box))
    return Bars(tuple(found), top)


def round_top(largest: float) -> int:
    """The end of an axis: the next round even number, so that its half is whole."""
    power = 1
    while True:
        for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8):
            top = step * power
            if top >= largest and top % 2 == 0:
                return int(top)
        power *= 10


def whiskers(rows: Sequence[Mapping[str, Any]]) -> tuple[list[Whisker], float]:
    """Rates with their intervals on one scale, and the end of the scale as a rate.

    The scale holds the intervals that have at least `FEW` leads; a smaller sample would press the others together.

    Args:
        rows: {label, rate, low, high, n, x, is_uncertain}. A rate that is not known has no place.
    """
    ends = [float(row["high"]) for row in rows if row["high"] is not None and (row["n"] or 0) >= FEW]
    ends += [float(row["rate"]) for row in rows if row["rate"] is not None]
    end = min(1.0, max((round_top(100 * max(ends)) / 100) if ends else 1.0, 0.02))

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * min(float(value), end) / end, 2)

    found = [
        Whisker(
            label=row["label"],
            rate=row["rate"],
            low=row["low"],
            high=row["high"],
            n=row["n"],
            x=row["x"],
            at=place(row["rate"]),
            start=place(row["low"]),
            end=place(row["high"]),
            is_uncertain=bool(row["is_uncertain"]),
            is_cut=row["high"] is not None and float(row["high"]) > end,
        )
        for row in rows
    ]
    return found, end


def shares(counts: Sequence[tuple[str, int]]) -> list[tuple[str, int, float, float]]:
    """(label, count, share of all, length of the bar from 0 to 100, the longest being 100)."""
    total, longest = sum(count for _, count in counts), max((count for _, count in counts), default=0)
    return [(label, count, count / total, round(100 * count / longest, 2)) for label, count in counts if total]

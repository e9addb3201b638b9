"""Intervals, tests and trends in plain Python with exact fractions. It shares nothing with the SQL."""

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

Z = 1.959963984540054
TREND_Z = 1.943
ALPHA = Fraction(1, 20)


def wilson(rate: float, n: int) -> tuple[float, float]:
    """Return the bounds, which are the roots p of (rate − p)² = z² p (1 − p) / n."""
    a, b, c = 1 + Z * Z / n, -(2 * rate + Z * Z / n), rate * rate
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))


def survival(observations: Sequence[tuple[int, bool]]) -> list[tuple[int, Fraction]]:
    """Return (t, S(t)) at each time t with an event, from (time, happened) of each subject."""
    curve, s = [], Fraction(1)
    for moment, at_risk, events in _steps(observations):
        s *= 1 - Fraction(events, at_risk)
        curve.append((moment, s))
    return curve


def _steps(observations: Sequence[tuple[int, bool]]) -> list[tuple[int, int, int]]:
    """Return (t, at risk just before t, events at t) of each time with an event."""
    times = sorted(seconds for seconds, _ in observations)
    return [
        (
            moment,
            len(times) - bisect_left(times, moment),
            sum(1 for seconds, happened in observations if happened and seconds == moment),
        )
        for moment in sorted({seconds for seconds, happened in observations if happened})
    ]


def greenwood(observations: Sequence[tuple[int, bool]]) -> tuple[float, float] | None:
    """Return the 95 % bounds of 1 − S at the end, on the scale of log(−log S). None without an event, or if S is 0."""
    steps = _steps(observations)
    s = survival(observations)[-1][1] if steps else Fraction(1)
    if not steps or s == 0:
        return None
    variance = sum((Fraction(d, n * (n - d)) for _, n, d in steps), Fraction(0))
    deviation = math.sqrt(variance) / abs(math.log(s))
    upper, lower = (float(s) ** math.exp(sign * Z * deviation) for sign in (-1, 1))
    return 1 - upper, 1 - lower


def fisher(x: int, n: int, deals: int, leads: int) -> Fraction:
    """Return the probability that x or more of n leads have a deal, where `deals` of `leads` do and n are drawn."""
    most = min(n, deals)
    ways = sum(math.comb(deals, k) * math.comb(leads - deals, n - k) for k in range(x, most + 1))
    return Fraction(ways, math.comb(leads, n))


def holm(values: Mapping[str, Fraction]) -> set[str]:
    """Return the names that are rejected: from the smallest p on, as long as p is at most 5 % / those left."""
    rejected: set[str] = set()
    left = sorted(values, key=lambda name: values[name])
    while left and values[left[0]] <= ALPHA / len(left):
        rejected.add(left.pop(0))
    return rejected


def dispersion(weeks: Sequence[int]) -> Fraction:
    """Return how much eight weekly counts, the older four first, scatter about the means of their halves."""
    squares = Fraction(0)
    for half in (weeks[:4], weeks[4:]):
        mean = Fraction(sum(half), 4)
        if mean:
            squares += sum(((count - mean) ** 2 for count in half), Fraction(0)) / mean
    return max(Fraction(1), squares / 6)


def trend(weeks: Sequence[int]) -> tuple[str, Fraction | None]:
    """Return the direction of eight weekly counts (the older four first), and their dispersion."""
    older, newer = sum(weeks[:4]), sum(weeks[4:])
    if older + newer < 10:
        return "insufficient_data", None
    scatter = dispersion(weeks)
    z = (newer - older) / math.sqrt(scatter * (older + newer))
    return ("up" if z >= TREND_Z else "down" if z <= -TREND_Z else "flat"), scatter


def weekly(moments: Sequence[datetime], monday: datetime) -> list[int]:
    """Return how many moments lie in each of the eight weeks before a Monday, the oldest week first."""
    starts = [monday - timedelta(7 * back) for back in range(8, 0, -1)]
    return [sum(1 for moment in moments if start <= moment < start + timedelta(7)) for start in starts]

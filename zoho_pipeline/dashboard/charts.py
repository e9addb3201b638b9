"""Two kinds of charts: bars, and rates with their intervals. The tables beside them have the same numbers."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd

WIDEST_LABEL = 320
"""Pixels. The tables show the whole text."""


def bars(frame: pd.DataFrame, name: str, size: str, words: Mapping[str, str]) -> alt.Chart:
    """A bar per row, one below the other, in the order of the rows.

    Args:
        name, size: the columns of the texts and of the lengths.
        words: column → what the axis says.
    """
    shown = pd.DataFrame({name: _labels(frame[name]), size: frame[size].astype("float64")})
    chart: alt.Chart = alt.Chart(shown).mark_bar()
    return chart.encode(x=alt.X(f"{size}:Q", title=words[size]), y=_names(name))


def columns(frame: pd.DataFrame, day: str, size: str, words: Mapping[str, str]) -> alt.Chart:
    """A column per row, one beside the other, by date."""
    shown = pd.DataFrame({day: frame[day].dt.strftime("%Y-%m-%d"), size: frame[size].astype("float64")})
    days = alt.X(f"{day}:O", title=words[day], sort="ascending")
    chart: alt.Chart = alt.Chart(shown).mark_bar()
    return chart.encode(x=days, y=alt.Y(f"{size}:Q", title=words[size]))


def intervals(frame: pd.DataFrame, name: str, words: Mapping[str, str]) -> alt.LayerChart:
    """A point per row at `conversion_rate`, with a line from `ci_low` to `ci_high`. A row without a rate has none."""
    rates = frame.dropna(subset=["conversion_rate"])
    rates = rates[["conversion_rate", "ci_low", "ci_high"]].assign(**{name: _labels(rates[name])})
    base = alt.Chart(rates).encode(y=_names(name))
    low = alt.X("ci_low:Q", title=words["conversion_rate"], axis=alt.Axis(format="%"))
    lines = base.mark_rule(strokeWidth=3, opacity=0.4).encode(x=low, x2="ci_high:Q")
    points = base.mark_point(filled=True, size=90, opacity=1).encode(x="conversion_rate:Q")
    both: alt.LayerChart = lines + points
    return both


def _names(name: str) -> alt.Y:
    return alt.Y(f"{name}:N", title=None, sort=None, axis=alt.Axis(labelLimit=WIDEST_LABEL))


def _labels(column: "pd.Series[Any]") -> "pd.Series[str]":
    """A text per row. Equal texts get a number: two owners of one name are two bars."""
    texts = column.fillna("–").astype(str)
    place = texts.groupby(texts).cumcount()
    return texts.where(place == 0, texts + " (" + (place + 1).astype(str) + ")")

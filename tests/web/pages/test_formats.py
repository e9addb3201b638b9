"""Numbers, money, times and names as pages write them, and the geometry of charts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoho_pipeline.web.pages.charts import bars_of_weeks, round_top, shares, whiskers
from zoho_pipeline.web.pages.formats import hours, moment, money, percent, short_moment, shown, whole


@pytest.mark.parametrize(
    ("number", "indian", "other"),
    [
        (0, "0", "0"),
        (999, "999", "999"),
        (1234, "1,234", "1,234"),
        (123456, "1,23,456", "123,456"),
        (-12345678, "-1,23,45,678", "-12,345,678"),
        (2.5, "3", "3"),
        (None, "–", "–"),
    ],
)
def test_groups_of_digits(number: float | None, indian: str, other: str) -> None:
    assert (whole(number, "INR"), whole(number, "EUR")) == (indian, other)


@given(st.integers(-(10**15), 10**15))
def test_groups_change_no_digit(number: int) -> None:
    for currency in ("INR", "USD"):
        assert int(whole(number, currency).replace(",", "")) == number


def test_money() -> None:
    assert money(123456, "INR") == "₹\u00a01,23,456"
    assert money(1234.5, "XAF") == "XAF\u00a01,235"
    assert money(5, None) == "5"
    assert money(None, "INR") == "–"


def test_percentages_are_as_exact_as_their_sample() -> None:
    assert percent(0.1234, 1000) == "12.3\u00a0%"
    assert percent(0.1234, 40) == percent(0.1234) == "12\u00a0%"
    assert percent(None) == "–"


def test_times_are_local() -> None:
    at = datetime(2026, 11, 25, 20, 30, tzinfo=UTC)
    assert moment(at, "Asia/Kolkata") == "26 November 2026, 02:00"
    assert moment("2026-11-25T20:30:00") == "25 November 2026, 20:30"
    assert short_moment(at, "UTC") == "25\u00a0Nov\u00a02026, 20:30"
    assert short_moment(at, "UTC", year=2026) == "25\u00a0Nov, 20:30"
    assert short_moment(at, "UTC", year=2025) == "25\u00a0Nov\u00a02026, 20:30"
    assert (moment(None), hours(None)) == ("–", "–")
    assert [hours(value) for value in (0.4, 4.5, 60, 2160)] == ["24\u00a0min", "4.5 hours", "2.5 days", "90 days"]
    assert [hours(value) for value in (23.99, 24, 48)] == ["24 hours", "24 hours", "2 days"]


@given(st.text(max_size=300))
def test_names_are_one_short_line(text: str) -> None:
    found = shown(text, 50)
    assert 0 < len(found) <= 50
    assert not any(ord(character) < 32 or character in "\u202e\u2066\u200f\u2028" for character in found)


@given(st.floats(0, 1e9))
def test_an_axis_ends_at_an_even_round_number(largest: float) -> None:
    top = round_top(largest)
    assert top >= largest
    assert top % 2 == 0
    assert top <= max(2, 2 * largest)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=13))
def test_bars_stay_in_the_plot(counts: list[int]) -> None:
    weeks = [
        {"period_start": f"2026-0{1 + n // 4}-0{1 + n % 4}", "n_leads": c, "is_partial": False}
        for n, c in enumerate(counts)
    ]
    found = bars_of_weeks(weeks)
    assert found is not None
    for bar, count in zip(found.bars, counts, strict=True):
        assert bar.count == count
        assert bar.y + bar.height == pytest.approx(100, abs=0.02)
        assert bar.height == pytest.approx(100 * count / found.top, abs=0.01)
        assert 0 <= bar.x < bar.x + bar.width <= 100


def test_one_week_is_a_bar_and_no_wall() -> None:
    found = bars_of_weeks([{"period_start": "2026-01-05", "n_leads": 3, "is_partial": True}])
    assert found is not None
    (bar,) = found.bars
    assert bar.width <= 12
    assert bar.x + bar.width / 2 == pytest.approx(50)


def test_weeks_without_data_have_no_chart() -> None:
    assert bars_of_weeks([{"period_start": "2026-01-05", "n_leads": None, "is_partial": False}]) is None


def test_whiskers_share_a_scale_that_uncertain_ones_do_not_stretch() -> None:
    row = {"label": "a", "rate": 0.1, "low": 0.05, "high": 0.2, "n": 100, "x": 10, "is_uncertain": False}
    wild = row | {"label": "b", "n": 3, "x": 0, "rate": 0.0, "low": 0.0, "high": 0.7, "is_uncertain": True}
    found, end = whiskers([row, wild, row | {"rate": None, "low": None, "high": None}])
    assert end == 0.2
    assert (found[0].start, found[0].at, found[0].end) == (25, 50, 100)
    assert (found[1].at, found[1].end) == (0, 100)
    assert found[2].at is None
    assert [row.is_cut for row in found] == [False, True, False]
    few = wild | {"n": 12, "high": 0.61}
    assert whiskers([row, few])[1] == 0.8, "an interval that can be read is on the scale, though its sample is small"


def test_shares_add_up() -> None:
    assert shares([("a", 3), ("b", 1)]) == [("a", 3, 0.75, 100.0), ("b", 1, 0.25, 33.33)]
    assert shares([]) == []

"""Parameters of tests with many cases: `make test` runs a choice of them, `make proofs` runs the others."""

from collections.abc import Container, Iterable, Sequence
from itertools import product
from typing import Any

import pytest


def choice(values: Iterable[Any], quick: Container[Any]) -> list[Any]:
    """The values in their order. Those that are not in `quick` have the mark `long`."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.long) for value in values]


def combined(*axes: Iterable[Any], quick: Container[tuple[Any, ...]]) -> list[Any]:
    """Every combination of the values of several parameters. Those that are not in `quick` have the mark `long`."""
    return [pytest.param(*row, marks=() if row in quick else pytest.mark.long) for row in product(*axes)]


def each_nth(n: int, cases: Sequence[Any]) -> list[Any]:
    """Many cases, whose neighbours are alike. All but each n-th one, from the first one on, have the mark `long`."""
    rows = (case if isinstance(case, tuple) else (case,) for case in cases)
    return [pytest.param(*row, marks=() if place % n == 0 else pytest.mark.long) for place, row in enumerate(rows)]


def both_engines(quick: str | None = None) -> pytest.MarkDecorator:
    """Run a test on DuckDB and on Postgres: in `make test` on the engine `quick` alone, or on none without it."""
    return pytest.mark.parametrize("warehouse_env", choice(["duckdb", "postgres"], [quick]), indirect=True)

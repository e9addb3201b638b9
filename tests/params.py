"""Parameters of tests with many cases: `make test` runs a choice of them, `make proofs` runs the others."""

from collections.abc import Container, Iterable
from itertools import product
from typing import Any

import pytest


def choice(values: Iterable[Any], quick: Container[Any]) -> list[Any]:
    """The values in their order. Those that are not in `quick` have the mark `long`."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.long) for value in values]


def combined(*axes: Iterable[Any], quick: Container[tuple[Any, ...]]) -> list[Any]:
    """Every combination of the values of several parameters. Those that are not in `quick` have the mark `long`."""
    return [pytest.param(*row, marks=() if row in quick else pytest.mark.long) for row in product(*axes)]


def both_engines(quick: str) -> pytest.MarkDecorator:
    """Run a test on DuckDB and on Postgres, and in `make test` on the engine `quick` alone."""
    return pytest.mark.parametrize("warehouse_env", choice(["duckdb", "postgres"], [quick]), indirect=True)

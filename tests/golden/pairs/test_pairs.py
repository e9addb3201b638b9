"""Every pair of CSV files, on both engines, with one transform per engine."""

from collections.abc import Callable

import pytest

from tests.golden.pairs.csv_pairs import BUILD_AT, Expectation, Row, broken, expectations, given
from tests.golden.sql_lab import write_raw
from zoho_pipeline.reading import published
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse

Marts = dict[str, list[Row]]


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def pair_marts(request: pytest.FixtureRequest, empty_warehouse: Callable[[str], Warehouse]) -> Marts:
    warehouse = empty_warehouse(request.param)
    with warehouse.connect(read_only=False) as connection:
        write_raw(connection, given())
    report = transform(warehouse, build_at=BUILD_AT)
    assert (report.failed_checks, report.held_back) == ((), {})
    with published.connect(warehouse) as connection:
        return {mart: connection.rows(f"select * from {mart}") for mart in Project.load().marts}


@pytest.mark.parametrize("expected", expectations(), ids=lambda e: f"{e.case}-{e.mart}")
def test_given_rows_make_the_expected_ones(expected: Expectation, pair_marts: Marts) -> None:
    assert broken(expected, pair_marts[expected.mart]) == []


def test_every_mart_has_a_pair() -> None:
    marts = {name for name, model in Project.load().marts.items() if not model.docs.formerly}  # the others get no rows
    assert {expected.mart for expected in expectations()} == marts


def test_a_broken_row_is_seen() -> None:
    expected = Expectation("c", "m", ({"channel_id": "c", "n": "1", "rate": "1/3"},), is_complete=True)
    good = {"channel_id": "c", "n": 1, "rate": 1 / 3}
    assert broken(expected, [good]) == []
    assert broken(expected, [good, {**good, "channel_id": "other"}]) == []
    for bad in ([], [good, good], [{**good, "n": 2}], [{**good, "n": None}], [{**good, "rate": 0.3333}]):
        assert broken(expected, bad)

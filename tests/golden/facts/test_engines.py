"""DuckDB and Postgres give the same cells for every raw world of this folder."""

from collections.abc import Mapping

import pytest

from tests.golden.conftest import Builder
from tests.golden.facts import (
    test_deals,
    test_first_contact,
    test_leads,
    test_matching,
    test_random_sources,
)
from tests.golden.facts.text_tables import MARTS


@pytest.mark.parametrize(
    "raw",
    [
        test_first_contact.RAW,
        test_matching.RAW,
        test_deals.RAW,
        test_leads.RAW,
        test_random_sources.RAW,
    ],
    ids=["first_contact", "matching", "deals", "leads", "sources"],
)
@pytest.mark.long
def test_every_cell_is_equal(build_marts: Builder, raw: Mapping[str, str]) -> None:
    ours, theirs = build_marts("duckdb", raw, None), build_marts("postgres", raw, None)
    for mart in MARTS:
        rows = ours.all_rows(mart)
        assert rows == theirs.all_rows(mart)
        assert rows

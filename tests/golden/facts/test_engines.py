"""DuckDB and Postgres give the same cell everywhere, in every world of this folder."""

from collections.abc import Mapping

import pytest

from tests.golden.conftest import Builder
from tests.golden.facts import test_deals, test_first_contact, test_leads, test_matching
from tests.golden.facts.tables import MARTS


@pytest.mark.parametrize(
    "raw",
    [test_first_contact.RAW, test_matching.RAW, test_deals.RAW, test_leads.RAW],
    ids=["first_contact", "matching", "deals", "leads"],
)
def test_every_cell_is_equal(built: Builder, raw: Mapping[str, str]) -> None:
    ours, theirs = built("duckdb", raw, None), built("postgres", raw, None)
    for mart in MARTS:
        rows = ours.all_rows(mart)
        assert rows == theirs.all_rows(mart)
        assert rows

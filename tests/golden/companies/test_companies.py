"""Generated companies: the marts compared with the plain pandas oracle, lead by lead and rate by rate."""

import os
from datetime import timedelta

import pandas as pd
import pytest

from tests.golden.companies.company_ledgers import FIRST, companies
from tests.golden.companies.company_oracle import CONFIDENCE, LEAD, CompanyOracle
from tests.golden.sql_lab import SqlLab

SHORT = range(8)
WORLDS = int(os.environ.get("GOLDEN_COMPANIES", "2000"))
A_TIME = 50
LONG = [range(start, start + A_TIME) for start in range(1000, 1000 + WORLDS, A_TIME)]
NAMES = {"channel_id": "channel", "zoho_lead_id": "lead"}


def test_a_few_companies() -> None:
    expected = compare(SHORT)
    assert set(expected.touches["rule"]) == set(CONFIDENCE)
    assert expected.contacts["status"].nunique() == 4


@pytest.mark.long
@pytest.mark.parametrize("seeds", LONG, ids=lambda seeds: f"from-{seeds.start}")
def test_thousands_of_companies(seeds: range) -> None:
    compare(seeds)


def compare(seeds: range) -> CompanyOracle:
    """Compare every match, credit, first contact, deal figure and conversion rate of these companies."""
    ledgers = companies(seeds)
    lab, expected = SqlLab(ledgers.raw(), FIRST + timedelta(days=1)), CompanyOracle(ledgers)
    assert lab.failing() == []
    facts = frame(lab, "lead_source_attribution").merge(frame(lab, "lead_first_contact"), on=LEAD)
    assert len(facts) == len(expected.leads) > 20 * len(seeds)
    matches(facts, expected)
    deals(facts, expected)
    first_contacts(facts, expected)
    credits(lab, expected)
    rates(lab, expected)
    return expected


def frame(lab: SqlLab, mart: str) -> pd.DataFrame:
    return pd.DataFrame(lab.rows(mart)).rename(columns=NAMES)


def equal(got: pd.Series, wanted: pd.Series, within: float | None = None) -> None:
    """Assert that the cells are equal. A null equals a null."""
    if within is None:
        same = (got == wanted) | (got.isna() & wanted.isna())
    else:
        got, wanted = got.astype(float), wanted.astype(float)
        same = ((got - wanted).abs() <= within) | (got.isna() & wanted.isna())
    wrong = pd.DataFrame({"got": got, "wanted": wanted})[~same]
    assert wrong.empty, f"{got.name}: {len(wrong)} wrong\n{wrong.head()}"


def matches(facts: pd.DataFrame, expected: CompanyOracle) -> None:
    both = facts.merge(expected.last(), on=LEAD, validate="1:1")
    equal(both["match_rule"], both["rule"])
    equal(both["content_id"], both["content"])
    equal(both["match_confidence"], both["confidence"], 1e-9)


def deals(facts: pd.DataFrame, expected: CompanyOracle) -> None:
    both = facts.merge(expected.outcomes(), on=LEAD, validate="1:1", suffixes=("", "_wanted"))
    equal(both["n_deals"], both["n_deals_wanted"].fillna(0))
    equal(both["n_won_deals"], both["n_won"].fillna(0))
    equal(both["won_revenue_all"], both["revenue"].fillna(0), 0.005)
    equal(pd.to_datetime(both["deal_linked_at"], utc=True), both["deal_at"])
    wait = (both["deal_at"] - both["created"]).dt.total_seconds()
    equal(both["deal_within_30d"], wait <= 2_592_000)


def first_contacts(facts: pd.DataFrame, expected: CompanyOracle) -> None:
    both = facts.merge(expected.contacts, on=LEAD, validate="1:1")
    equal(both["contact_status"], both["status"])
    equal(both["seconds_to_first_contact"], both["seconds"], 0)
    equal(both["observed_seconds"], both["observed"], 0)


def credits(lab: SqlLab, expected: CompanyOracle) -> None:
    got, wanted = frame(lab, "lead_touch_credit"), expected.credits()
    assert len(got) == len(wanted)
    both = got.merge(wanted, left_on=[*LEAD, "touch_seq", "model"], right_on=[*LEAD, "seq", "model"], validate="1:1",
                     suffixes=("", "_wanted"))  # fmt: skip
    assert len(both) == len(wanted)
    equal(both["touch_type"], both["touch"])
    equal(both["content_id"], both["content"])
    equal(both["credit"], both["credit_wanted"], 1e-9)


def rates(lab: SqlLab, expected: CompanyOracle) -> None:
    wanted, seen = expected.conversion_rates(), set()
    for row in lab.rows("conversion_rate"):
        if row["dimension"] in ("all", "content"):
            key = (row["channel_id"], row["stage"], row["definition"], row["dimension_value"])
            n, x, *figures = wanted.get(key, (0, 0, None, None, None))
            seen.add(key)
            assert (row["n_leads"], row["n_converted"]) == (n, x), key
            for name, figure in zip(("conversion_rate", "ci_low", "ci_high"), figures, strict=True):
                assert (row[name] is None) == (figure is None), (key, name, row[name], figure)
                assert figure is None or abs(row[name] - figure) < 1e-9, (key, name, row[name], figure)
    assert seen >= wanted.keys()

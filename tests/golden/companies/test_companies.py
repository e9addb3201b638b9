"""Generated companies: the marts compared with the plain pandas oracle, lead by lead and rate by rate."""

import os
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from tests.golden.companies.company_ledgers import FIRST, Ledgers, companies
from tests.golden.companies.company_oracle import CONFIDENCE, LEAD, CompanyOracle
from tests.golden.facts.text_tables import Marts
from tests.golden.sql_lab import SqlLab, write_raw
from tests.golden.tables.compare import FACTS, KEYS
from tests.golden.tables.compare import check as check_tables
from zoho_pipeline.transform.run.transform import transform
from zoho_pipeline.warehouse.warehouse import Warehouse

SHORT = range(8)
WORLDS = int(os.environ.get("GOLDEN_COMPANIES", "2000"))
A_TIME = 50
LONG = [range(start, start + A_TIME) for start in range(1000, 1000 + WORLDS, A_TIME)]
NAMES = {"channel_id": "channel", "zoho_lead_id": "lead"}


def test_a_few_companies() -> None:
    expected = compare(SHORT)
    assert set(expected.touches["rule"]) == set(CONFIDENCE)
    assert expected.contacts["status"].nunique() == 4
    assert set(expected.submissions["relation"]) == {"creating", "earlier", "later", "none"}
    assert set(expected.bases()["basis"]) == {"zoho", "form", "mixed"}
    assert expected.taken().groupby(LEAD).size().max() > 2


@pytest.mark.long
@pytest.mark.parametrize("seeds", LONG, ids=lambda seeds: f"from-{seeds.start}")
def test_thousands_of_companies(seeds: range) -> None:
    compare(seeds)


@pytest.mark.long
def test_two_companies_on_postgres(empty_warehouse: Callable[[str], Warehouse]) -> None:
    ledgers = companies(range(8, 10))
    warehouse = empty_warehouse("postgres")
    raw = {name: rows.to_pylist() if isinstance(rows, pa.Table) else rows for name, rows in ledgers.raw().items()}
    with warehouse.connect(read_only=False) as connection:
        write_raw(connection, raw)
    report = transform(warehouse, build_at=FIRST + timedelta(days=1))
    assert not report.failed_checks
    check(Marts(warehouse, report), ledgers)


def compare(seeds: range) -> CompanyOracle:
    """Compare every match, credit, first contact, deal figure and conversion rate of these companies."""
    ledgers = companies(seeds)
    lab = SqlLab(ledgers.raw(), FIRST + timedelta(days=1))
    assert lab.failing() == []
    return check(lab, ledgers)


def check(lab: SqlLab | Marts, ledgers: Ledgers) -> CompanyOracle:
    expected = CompanyOracle(ledgers)
    facts = frame(lab, "lead_source_attribution").merge(frame(lab, "lead_first_contact"), on=LEAD)
    assert len(facts) == len(expected.leads) > 20 * len(ledgers.as_of)
    matches(facts, expected)
    forms(lab, expected)
    deals(facts, expected)
    first_contacts(facts, expected)
    credits(lab, expected)
    rates(lab, expected)
    raw = {name: rows.to_pylist() if isinstance(rows, pa.Table) else rows for name, rows in ledgers.raw().items()}
    check_tables({mart: rows_of(lab, mart) for mart in (*KEYS, *FACTS)}, raw, FIRST + timedelta(days=1))
    return expected


def rows_of(lab: SqlLab | Marts, mart: str) -> list[dict[str, Any]]:
    return lab.rows(mart) if isinstance(lab, SqlLab) else lab.all_rows(mart)


def frame(lab: SqlLab | Marts, mart: str) -> pd.DataFrame:
    return pd.DataFrame(rows_of(lab, mart)).rename(columns=NAMES)


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
    both = facts.merge(expected.bases(), on=LEAD, validate="1:1")
    equal(both["touch_input_basis"], both["basis"])


def forms(lab: SqlLab | Marts, expected: CompanyOracle) -> None:
    got, wanted = frame(lab, "form_submission"), expected.submissions
    both = got.merge(wanted, on=["channel", "submission_id"], validate="1:1", suffixes=("", "_wanted"))
    assert len(both) == len(got) == len(wanted)
    equal(both["lead"], both["lead_wanted"])
    equal(both["matched_by"], both["by"])
    equal(both["relation"], both["relation_wanted"])
    equal(both["is_ambiguous"], both["is_ambiguous_wanted"])


def deals(facts: pd.DataFrame, expected: CompanyOracle) -> None:
    both = facts.merge(expected.outcomes(), on=LEAD, validate="1:1", suffixes=("", "_wanted"))
    equal(both["n_deals"], both["n_deals_wanted"].fillna(0))
    equal(both["n_won_deals"], both["n_won"].fillna(0))
    equal(both["won_revenue_all"], both["revenue"].fillna(Decimal(0)))
    equal(pd.to_datetime(both["deal_linked_at"], utc=True), both["deal_at"])
    wait = (both["deal_at"] - both["created"]).dt.total_seconds()
    equal(both["deal_within_30d"], wait <= 2_592_000)


def first_contacts(facts: pd.DataFrame, expected: CompanyOracle) -> None:
    both = facts.merge(expected.contacts, on=LEAD, validate="1:1")
    equal(both["contact_status"], both["status"])
    equal(both["seconds_to_first_contact"], both["seconds"], 0)
    equal(both["observed_seconds"], both["observed"], 0)


def credits(lab: SqlLab | Marts, expected: CompanyOracle) -> None:
    got, wanted = frame(lab, "lead_touch_credit"), expected.credits()
    assert len(got) == len(wanted)
    both = got.merge(wanted, left_on=[*LEAD, "touch_seq", "model"], right_on=[*LEAD, "seq", "model"], validate="1:1",
                     suffixes=("", "_wanted"))  # fmt: skip
    assert len(both) == len(wanted)
    equal(both["touch_type"], both["kind"])
    equal(both["content_id"], both["content"])
    equal(both["credit"], both["credit_wanted"], 1e-9)


def rates(lab: SqlLab | Marts, expected: CompanyOracle) -> None:
    wanted, seen = expected.conversion_rates(), set()
    for row in rows_of(lab, "conversion_rate"):
        if row["dimension"] in ("all", "content"):
            key = (row["channel_id"], row["stage"], row["definition"], row["dimension_value"])
            n, x, *figures = wanted.get(key, (0, 0, None, None, None))
            seen.add(key)
            assert (row["n_leads"], row["n_converted"]) == (n, x), key
            for name, figure in zip(("conversion_rate", "ci_low", "ci_high"), figures, strict=True):
                assert (row[name] is None) == (figure is None), (key, name, row[name], figure)
                assert figure is None or abs(row[name] - figure) < 1e-9, (key, name, row[name], figure)
    assert seen >= wanted.keys()

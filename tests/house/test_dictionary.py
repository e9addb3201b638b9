"""docs/dictionary.md is what the yml says, and says everything."""

import pytest

from scripts.dictionary import PAGE, page, unit
from zoho_pipeline.transform.project.docs import DocumentedColumn
from zoho_pipeline.transform.project.project import Project


def test_the_page_is_the_yml() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make dictionary`"


def test_every_mart_view_and_column_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    sections = {part.partition("\n")[0]: part for part in text.split("\n## ")[1:]}
    marts = Project.load().marts
    assert sections.keys() == marts.keys()
    for name, model in marts.items():
        rows = [line.split(" | ") for line in sections[name].splitlines() if line.startswith("| `")]
        assert [row[0].strip("| `") for row in rows] == list(model.selects), name
        assert [row[0].strip("| `") for row in rows if row[3] == "key"] == [
            column for column in model.selects if column in model.docs.primary_key
        ], name
        assert all(row[1] and row[4] and row[5].strip(" |") for row in rows), name


@pytest.mark.parametrize(
    ("name", "kind", "measure"),
    [
        ("first_contact_at", "timestamp", "UTC"),
        ("created_local", "timestamp", "local time"),
        ("closing_date", "date", "local day"),
        ("avg_hours_to_first_contact", "decimal(12,2)", "hours"),
        ("median_business_hours", "decimal(12,2)", "hours"),
        ("duration_seconds", "bigint", "seconds"),
        ("n_leads_90d", "bigint", "count"),
        ("contacted_rate", "double", "0 to 1"),
        ("conversion_rate_30d", "double", "0 to 1"),
        ("conversion_rate_30d_n", "bigint", "count"),
        ("amount_home", "decimal(20,4)", "home currency"),
        ("won_revenue", "decimal(20,4)", "`currency`"),
        ("days_in_stage", "bigint", "days of 86,400 s"),
        ("days_to_deal", "decimal(12,2)", "days of 86,400 s"),
        ("probability", "bigint", "per cent"),
        ("owner_id", "text", ""),
    ],
)
def test_a_column_has_its_unit(name: str, kind: str, measure: str) -> None:
    assert unit("m", DocumentedColumn(name, "", kind)) == measure


def test_a_number_without_a_unit_is_named() -> None:
    with pytest.raises(LookupError, match=r"m\.warmth"):
        unit("m", DocumentedColumn("warmth", "", "double"))

"""`explain_metric` gives the paragraph of docs/metrics.md. tests/install shows it in an installed package."""

from pathlib import Path

import pytest

from zoho_pipeline.agents.metric_texts import PAGE, explain_metric
from zoho_pipeline.agents.model import InsightNumbers
from zoho_pipeline.agents.refusals import Refused

ROOT = Path(__file__).resolve().parents[2]


def test_the_paragraph_and_the_definition() -> None:
    found = explain_metric("lift")
    assert found.definition == "shrunk_rate / p0. It is null if p0 is 0 or null."
    assert found.paragraphs[0].startswith("**What to write about**\n\nThe topics use the leads created 90 to 30 days")
    assert any("shrunk rate / base rate" in text for text in found.paragraphs)


def test_a_name_may_be_written_as_people_do() -> None:
    assert explain_metric("Conversion rate 30d") == explain_metric("conversion_rate_30d")
    assert explain_metric("Business time").paragraphs
    assert explain_metric("what to write about").paragraphs


@pytest.mark.parametrize("name", [name for name in InsightNumbers.model_fields if name != "oldest_uncontacted_days"])
def test_every_number_of_the_insight_is_explained(name: str) -> None:
    assert explain_metric(name).definition


def test_an_unknown_name_gets_similar_ones_and_is_not_repeated() -> None:
    with pytest.raises(Refused, match=r"Similar names: .*conversion_rate") as refused:
        explain_metric("conversion_rat`; drop table")
    assert "drop" not in str(refused.value)


def test_the_page_is_the_one_of_the_docs() -> None:
    assert PAGE.samefile(ROOT / "docs" / "metrics.md")

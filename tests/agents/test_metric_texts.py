"""`explain_metric` gives the paragraph of docs/metrics.md, also where only the package is installed."""

import subprocess
import sys
import zipfile
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


def test_the_page_is_the_one_of_the_docs_and_the_wheel_holds_it(tmp_path: Path) -> None:
    assert PAGE.samefile(ROOT / "docs" / "metrics.md")
    build = "from setuptools import build_meta; import sys; print(build_meta.build_wheel(sys.argv[1]))"
    source = tmp_path / "source"
    copied = ["zoho_pipeline", "dbt_like_sql", "docs", "pyproject.toml", "README.md", "LICENSE"]
    source.mkdir()
    subprocess.run(["cp", "-R", *(str(ROOT / name) for name in copied), str(source)], check=True)
    command = [sys.executable, "-W", "ignore", "-c", build, str(tmp_path)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        page = packed.read("zoho_pipeline/agents/metrics.md").decode()
        assert page == (ROOT / "docs" / "metrics.md").read_text()
        packed.extractall(tmp_path / "installed")
    code = "from zoho_pipeline.agents.metric_texts import explain_metric as e; print(e('lift').paragraphs[0])"
    paths = [str(tmp_path / "installed"), *(path for path in sys.path if path and Path(path) != ROOT)]
    alone = f"import sys; sys.path[:0] = {paths!r}; {code}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", alone], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("**What to write about**")

"""The notebook of the examples runs from its first cell to its last one, on marts that the shipped models made."""

import asyncio
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.web.world import publish_world

NOTEBOOK = Path(__file__).parents[2] / "examples" / "insight.ipynb"


def _results(notebook: Any) -> list[str]:
    """The plain text of the result of each code cell."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = [output for cell in cells for output in cell.outputs if output.output_type == "execute_result"]
    assert len(shown) == len(cells)
    return [output["data"]["text/plain"] for output in shown]


@pytest.mark.long
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_world(tmp_path)
    monkeypatch.setenv("ZOHO_PIPELINE_HOME", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    asyncio.run(NotebookClient(notebook, timeout=120, kernel_name="python3").async_execute())
    channels, found, weeks, sources, content, own = _results(notebook)
    assert "Asia/Kolkata" in channels
    assert "'data_status': 'ok'" in found
    assert weeks.splitlines()[-1].endswith("True")  # the current week
    assert "LinkedIn" in sources
    assert "post" in content
    assert "Chat" in own


def test_the_notebook_is_stored_without_results() -> None:
    """Results would hold numbers and names of the machine that ran it last."""
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None

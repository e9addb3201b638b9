"""Ten mutants, which are typical mistakes of an ingestion, each in a copy of the package. The story fails on each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MUTANTS = {
    "none": None,
    "strict greater than": (
        "zoho/read/coql.py",
        "(Modified_Time >= '{format_time(low)}' and",
        "(Modified_Time > '{format_time(low)}' and",
    ),
    "cursor plus a second": (
        "ingest/routes/records_route.py",
        "                since = ahead\n",
        "                since = ahead + SECOND\n",
    ),
    "converted left at its default": (
        "ingest/routes/records_route.py",
        'converted="both" if self._module == "Leads" else None',
        "converted=None",
    ),
    "offset paging": (
        "ingest/routes/records_route.py",
        "        seen: dict[str, str] = {}\n        tail, known_at = 0, None\n",
        "        for answer in self._walk(since):\n"
        "            yield Batch(answer.rows, answer.last, self._window.now())\n"
        "        return\n"
        "        seen: dict[str, str] = {}\n        tail, known_at = 0, None\n",
    ),
    "cursor and watermark committed early": (
        "ingest/extract/checkpoints.py",
        "        pending: list[Row] = []\n",
        "        self.state = with_proof(self.state, [self._module.window.hi])\n"
        "        yield self.at({}, self._module.window.hi)\n"
        "        pending: list[Row] = []\n",
    ),
    "no overlap": ("ingest/routes/window.py", "OVERLAP = timedelta(minutes=5)", "OVERLAP = timedelta(0)"),
    "deletions ignored": (
        "ingest/extract/module_reader.py",
        "        if not self.spec.has_deletions:\n            return\n        hi, known",
        "        if self.spec:\n            return\n        hi, known",
    ),
    "the tail of an early read left out": (
        "ingest/extract/module_reader.py",
        "                yield from self._rows_since(early, tail=True)\n",
        "                yield self.checkpoints.at({}, self.module.window.hi)\n",
    ),
    "an early read trusted up to now": (
        "ingest/routes/window.py",
        "        return (at - self.lag - SKEW).replace(microsecond=0)\n",
        "        return at.replace(microsecond=0) + SECOND\n",
    ),
    "id as a number": (
        "ingest/extract/row_filter.py",
        "        rows = [row for row in batch.rows if",
        '        rows = [{**row, "id": str(int(float(row["id"])))} for row in batch.rows if',
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("name", MUTANTS)
def test_the_story_catches_a_mutant(name: str, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("zoho_pipeline", "tests", "dbt_like_sql"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    if (change := MUTANTS[name]) is not None:
        path, was, becomes = change
        file = tmp_path / "zoho_pipeline" / path
        text = file.read_text()
        assert text.count(was) == 1, f"{path} no longer has the line that this mutant changes"
        file.write_text(text.replace(was, becomes))
    ran = subprocess.run(
        [sys.executable, "-m", "tests.ingest.story"],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}, capture_output=True, text=True,
    )  # fmt: skip
    if change is None:
        assert ran.returncode == 0, ran.stderr[-2_000:]
    else:
        assert ran.returncode == 1
        assert "AssertionError" in ran.stderr, ran.stderr[-2_000:]

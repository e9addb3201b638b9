"""Typical mistakes of a run in batches, each in a copy of the package: the tests of batches fail on each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOOP = "            self._build(batch, raw)\n            raw = self.engine.raw()\n"
MUTANTS = {
    "none": None,
    "the last batch is dropped": ("transform.py", "for batch in batches:", "for batch in batches[:-1] or batches:"),
    "each batch is published": (
        "transform.py",
        LOOP,
        LOOP.replace("raw)\n", "raw)\n            self._publish(set(batch) - self.held_back.keys())\n", 1),
    ),
    "a mart shows the rows of other batches": (
        "published_files/file_marts.py",
        'where rowid >= {start}"  # noqa: S608\n            self.connection.execute(f"create temporary view',
        'where rowid >= 0"  # noqa: S608\n            self.connection.execute(f"create temporary view',
    ),
    "a failed batch leaves its rows": (
        "published_files/file_marts.py",
        'f"delete from {self._table(model.name)} where rowid >= {start}"',
        'f"delete from {self._table(model.name)} where rowid < 0"',
    ),
    "failures of the last batch only": (
        "batches/results.py",
        "failures=one.failures + other.failures",
        "failures=other.failures",
    ),
}
TESTS = ["full_rebuild", "few_changed", "odd_channel", "later_batch", "check_counts", "fails_late"]


@pytest.mark.long
@pytest.mark.parametrize("name", MUTANTS)
def test_the_tests_of_batches_catch_a_mutant(name: str, tmp_path: Path) -> None:
    for part in ("zoho_pipeline", "tests", "scripts", "dbt_like_sql"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    if (change := MUTANTS[name]) is not None:
        file, was, becomes = tmp_path / "zoho_pipeline" / "transform" / "run" / change[0], *change[1:]
        text = file.read_text()
        assert text.count(was) == 1, f"{file.name} no longer has the line that this mutant changes"
        file.write_text(text.replace(was, becomes))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/transform/test_batches.py"]
    ran = subprocess.run(
        [*command, "-m", "long or not long", "-k", " or ".join(TESTS)],  # one of the tests has the mark `long`
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == (0 if change is None else 1), ran.stdout[-2_000:]

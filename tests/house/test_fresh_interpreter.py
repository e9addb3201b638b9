"""A new process shows help without the heavy libraries, and loads the whole Dagster code location."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("dagster", "dlt", "pandas", "pyarrow", "duckdb", "sqlalchemy", "sqlglot", "httpx", "uvicorn", "rich", "mcp")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["channels", "add", "--help"], ["sync", "--help"], ["--version"]])
def test_help_answers_without_heavy_imports(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom zoho_pipeline.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("HEAVY []"), done.stdout[-300:]


@pytest.mark.long
def test_the_code_location_loads_without_what_only_its_runs_need(tmp_path: object) -> None:
    """A second load, which finds the manifest of the models. Once `sqlalchemy` and `httpx` doubled its time."""
    code = (
        f"import os\nos.environ['ZOHO_PIPELINE_HOME'] = {str(tmp_path)!r}\n"
        "from zoho_pipeline.definitions import defs\n"
        "repository = defs.get_repository_def()\n"
        "names = {job.name for job in repository.get_all_jobs()}\n"
        "print(len(repository.assets_defs_by_key), sorted(names))\n"
        f"import sys\nprint(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    run_python(code)
    done = run_python(code)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[0]) > 20
    assert done.stdout.splitlines()[-1] == "['dagster']"


def test_the_definitions_validate(tmp_path: Path) -> None:
    """Dagster's own check, with the workspace file that a deployment uses."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(root / "workspace.yaml")]
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(tmp_path / "home"), "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "All code locations passed validation" in done.stdout + done.stderr

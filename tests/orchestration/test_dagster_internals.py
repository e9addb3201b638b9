"""Only `orchestration/instance` uses Dagster's private modules: a new Dagster release can break them.

import-linter sees an external package as a whole, so it cannot tell `dagster._core` from `dagster`.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "zoho_pipeline"
PRIVATE = ("dagster._", "dagster_shared", "dagster_postgres")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.long
def test_private_modules_of_dagster_are_imported_in_the_instance_folder_alone() -> None:
    found = {
        path.relative_to(PACKAGE).parent.as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith(PRIVATE) for name in imports(path))
    }
    assert found == {"orchestration/instance"}

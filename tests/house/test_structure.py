"""The layout is small enough to remember: small folders, short modules, a door sign per folder, no import cycle."""

import ast
import re
from collections.abc import Container
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "zoho_pipeline"
SQL = ROOT / "dbt_like_sql"
MOST_MODULES = 12
MOST_LINES = 350


def folders() -> list[Path]:
    return sorted({path.parent for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts})


def shown(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix()


def modules(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.py") if path.name != "__init__.py"]


def imports_of(path: Path, names: Container[str]) -> set[str]:
    """Those of our modules (`names`) that a file imports. A module that is named through its package counts alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("zoho_pipeline"):
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {part if part in names else node.module for part in parts}
    return found


@pytest.mark.parametrize("folder", folders(), ids=shown)
def test_a_folder_holds_few_modules(folder: Path) -> None:
    assert len(modules(folder)) <= MOST_MODULES, [path.name for path in modules(folder)]


@pytest.mark.parametrize("folder", sorted({path.parent for path in SQL.rglob("*.sql")}), ids=shown)
def test_a_folder_of_models_holds_few_models(folder: Path) -> None:
    most = 30 if folder.name == "tests" else MOST_MODULES  # singular tests are a flat list, as is usual in dbt
    assert len(list(folder.glob("*.sql"))) <= most


def test_no_module_is_long() -> None:
    lines = {shown(path): len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert lines
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("folder", folders(), ids=shown)
def test_a_folder_has_a_door_sign(folder: Path) -> None:
    """It says what belongs here, what does not, who calls it, and which file to read first, in at least four lines."""
    sign = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    if folder.name == "versions":  # Alembic's folder: each file is one step
        assert sign
        return
    lines = [line for line in sign.splitlines() if line.strip()]
    assert len(lines) >= 4, f"{shown(folder)}: {sign!r}"
    first = re.search(r"\b[Rr]ead(?: first:)?\s+`?([\w/]+\.py)", sign)
    assert first, f"{shown(folder)}: the sign names no file to read first"
    assert (folder / first.group(1)).exists(), f"{shown(folder)}: {first.group(1)} does not exist"


@pytest.mark.long
def test_no_two_modules_import_each_other() -> None:
    """No cycles between files. Imports under TYPE_CHECKING and inside functions count too."""
    names = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {name: imports_of(path, names) & names.keys() - {name} for name, path in names.items()}
    # the __init__.py of a package imports only what it re-exports; a file may import names of its own package
    state: dict[str, int] = {}
    trail: list[str] = []

    def visit(name: str) -> None:
        state[name] = 1
        trail.append(name)
        for other in sorted(graph[name]):
            if state.get(other) == 1:
                raise AssertionError(" → ".join([*trail[trail.index(other) :], other]))
            if other not in state:
                visit(other)
        trail.pop()
        state[name] = 2

    for name in sorted(graph):
        if name not in state:
            visit(name)


PATCHING = {"setattr", "delattr", "setitem", "delitem"}


def patches_of(path: Path) -> list[int]:
    """Lines at which a test changes a module or a class: by a fixture, by `unittest.mock`, or by an assignment."""
    tree, found, ours = ast.parse(path.read_text()), [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = getattr(node, "module", None) or ""
            named = {alias.name for alias in node.names}
            if "mock" in source or "mock" in named or "unittest.mock" in named:
                found.append(node.lineno)
            if source.startswith("zoho_pipeline") or any(name.startswith("zoho_pipeline") for name in named):
                ours |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in PATCHING and _first(node) != "socket.socket":
            found.append(node.lineno)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and ast.unparse(target).partition(".")[0] in ours:
                found.append(target.lineno)
    return found


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _first(call: ast.Call) -> str:
    return ast.unparse(call.args[0]) if call.args else ""


def test_tests_patch_nothing_of_ours() -> None:
    """The outside world is faked at the wire. `socket.socket` is the only thing that a test may patch."""
    found = [f"{shown(path)}:{line}" for path in (ROOT / "tests").rglob("*.py") for line in patches_of(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "line",
    [
        'monkeypatch.setattr("zoho_pipeline.reading.limits.BATCH", 2)',
        "monkeypatch.setattr(\n    limits,\n    'BATCH',\n    2,\n)",
        "patched.delattr(limits, 'BATCH')",
        "monkeypatch.setitem(vars(limits), 'BATCH', 2)",
        "setattr(limits, 'BATCH', 2)",
        "limits.BATCH = 2",
        "limits.BATCH: int = 2",
        "limits.BATCH += 2",
        "from unittest.mock import patch",
        "from unittest import mock",
        "import unittest.mock",
    ],
)
def test_a_patch_is_seen(tmp_path: Path, line: str) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(f"from zoho_pipeline.reading import limits\n{line}\n")
    assert patches_of(path) == [2]


def test_no_import_hides_from_the_contracts() -> None:
    """A module named by a text is in no graph of imports."""
    hidden = re.compile(r"\bimport_module\(|\b__import__\(|\brunpy\b")
    assert [shown(path) for path in PACKAGE.rglob("*.py") if hidden.search(path.read_text())] == []

"""The docs are complete: a command, option, setting, table or model that they do not mention fails a test."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from zoho_pipeline.cli import main
from zoho_pipeline.ingest.catalog.tables import RAW_TABLES
from zoho_pipeline.setting_checks import KNOWN_NAMES, PREFIX
from zoho_pipeline.zoho.accounts.data_centers import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
TABLES = (ROOT / "docs" / "tables.md").read_text()
ENV = (ROOT / ".env.example").read_text()


def command_names(group: click.Group = main, before: str = "") -> list[str]:
    names: list[str] = []
    for name, command in group.commands.items():
        whole = f"{before}{name}"
        names += command_names(command, f"{whole} ") if isinstance(command, click.Group) else [whole]
    return names


def settings() -> list[str]:
    """Every variable that the settings modules read, by the names in their source."""
    text = "".join((ROOT / "zoho_pipeline" / f"{name}.py").read_text() for name in ("settings", "service_settings"))
    ours = set(re.findall(r"\{PREFIX\}([A-Z_]+)", text)) | set(re.findall(r'\(values, "([A-Z_]+)"', text))
    return sorted({PREFIX + name for name in ours} | set(re.findall(r'"(ZOHO_CLIENT_[A-Z]+)"', text)))


@pytest.mark.parametrize("name", command_names())
def test_every_command_is_in_the_readme(name: str) -> None:
    assert re.search(rf"`(zoho-pipeline )?{name}[ `]", README)


def test_the_security_page_names_only_tests_that_exist() -> None:
    named = set(re.findall(r"`([a-z_/]+(?:\.py|/))`", (ROOT / "docs" / "security.md").read_text())) - {"tests/"}
    assert len(named) > 50
    assert not [name for name in named if not (ROOT / "tests" / name).exists()]


def option_names(group: click.Group = main) -> set[str]:
    found = {"--help"}
    for command in (group, *group.commands.values()):
        found |= {word for parameter in command.params for word in parameter.opts if word.startswith("--")}
        found |= option_names(command) if isinstance(command, click.Group) and command is not group else set()
    return found


def test_messages_name_only_options_that_exist() -> None:
    """Comments and docstrings count too. The list names the options of other programs."""
    foreign = {"--no-deps", "--reload"}
    for path in (ROOT / "zoho_pipeline").rglob("*.py"):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text()))
        assert named <= option_names() | foreign, path.name


def test_the_settings_are_found() -> None:
    assert {"ZOHO_CLIENT_ID", "ZOHO_PIPELINE_HOME", "ZOHO_PIPELINE_SYNC_LAG"} <= set(settings())


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_documented(name: str) -> None:
    assert f"`{name}`" in README
    assert re.search(rf"^#?{name}=", ENV, re.MULTILINE)


def test_what_the_docs_run_as_a_program_is_one() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    named = {name for page in pages for name in re.findall(r"python -m (zoho_pipeline[.\w]*)", page.read_text())}
    assert named
    for name in named:
        assert (ROOT / name.replace(".", "/") / "__main__.py").exists(), name


def test_nothing_documented_is_unknown() -> None:
    named = set(re.findall(r"ZOHO_[A-Z_]+[A-Z]", README + ENV))
    known = set(settings())
    unknown = {name for name in named - known if not re.fullmatch(r"ZOHO_CLIENT_SECRET_[A-Z]{2}", name)}
    assert not unknown


def test_every_variable_that_is_read_counts_as_known() -> None:
    """Else a command would call it misspelt."""
    named: set[str] = set(settings())
    for page in [*(ROOT / "deploy").rglob("*.*"), *(ROOT / "tests").rglob("test_crashes.py"), ROOT / "workspace.yaml"]:
        named |= set(re.findall(r"ZOHO_PIPELINE_[A-Z_]+[A-Z]", page.read_text()))
    assert named == KNOWN_NAMES


@pytest.mark.parametrize("table", [table.name for table in RAW_TABLES])
def test_every_raw_table_is_documented(table: str) -> None:
    assert f"`{table}`" in TABLES


@pytest.mark.parametrize("model", sorted(path.stem for path in (ROOT / "dbt_like_sql" / "marts").rglob("*.sql")))
def test_every_mart_is_documented(model: str) -> None:
    assert f"| `{model}` |" in TABLES


@pytest.mark.parametrize("center", BUILT_IN, ids=lambda center: center.name)
def test_every_data_center_is_in_the_readme(center: object) -> None:
    name, accounts, api = (getattr(center, key) for key in ("name", "accounts_server", "api_domain"))
    assert f"| `{name}` | `{accounts.removeprefix('https://')}` | `{api.removeprefix('https://')}` |" in README


def test_what_the_glossary_names_is_there() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| ")]
    named = {path for row in rows for path in re.findall(r"`([^`]+)`", row[3])}
    assert len(named) > 20
    for path in named:
        tries = (top / f"{path.rstrip('/')}{end}" for top in (ROOT, ROOT / "zoho_pipeline") for end in ("", ".py"))
        assert any(place.exists() for place in tries) or any(ROOT.glob(path)), path


def test_every_decision_says_context_choice_and_cost() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text()
        assert len(text.splitlines()) <= 20, page.name
        for part in ("**Context.**", "**Choice.**", "**Cost.**"):
            assert part in text, (page.name, part)


def test_links_of_the_docs_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


PAGES = [ROOT / "README.md", ROOT / "Makefile", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.*")]
HOME_LINES = [
    pytest.param(found, id=f"{page.name}:{found}")
    for page in PAGES
    for found in re.findall(r"DAGSTER_HOME=\$\(\S*python -m (\S+)\)", page.read_text())
]


@pytest.mark.parametrize("module", HOME_LINES)
def test_a_line_that_sets_the_dagster_home_prints_its_folder(module: str, tmp_path: Path) -> None:
    """A module without a main program prints nothing. With an empty DAGSTER_HOME, Dagster forgets its history."""
    command = [sys.executable, "-m", module]
    environment = {"ZOHO_PIPELINE_HOME": str(tmp_path / "home"), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    printed = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed == f"{tmp_path}/home/dagster\n"
    assert (tmp_path / "home" / "dagster" / "dagster.yaml").is_file()


def test_the_lines_that_set_the_dagster_home_are_found() -> None:
    assert len(HOME_LINES) >= 2

"""Files for people who work on the project: the workflow, the hooks, the development container, the security policy."""

import json
import re
import shlex
from typing import Any

import pytest
import yaml

from tests.install.conftest import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def workflow() -> dict[Any, Any]:
    (only,) = WORKFLOWS
    found: dict[Any, Any] = yaml.safe_load(only.read_text())
    return found


def steps() -> list[dict[str, Any]]:
    return [step for job in workflow()["jobs"].values() for step in job["steps"]]


def test_the_workflow_runs_the_tests_on_every_python_that_is_supported() -> None:
    matrix = workflow()["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert matrix == ["3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
    lines = [line for step in steps() for line in step.get("run", "").splitlines()]
    made = {words[1] for line in lines if (words := shlex.split(line)) and words[0] == "make"}
    assert made == {"test", "demo"}
    assert made <= TARGETS


def test_the_workflow_has_the_least_rights() -> None:
    assert workflow()["permissions"] == {"contents": "read"}
    assert not [job for job in workflow()["jobs"].values() if "permissions" in job]
    assert all("timeout-minutes" in job for job in workflow()["jobs"].values())
    for step in steps():
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@(v\d+|[0-9a-f]{40})", step["uses"])
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        assert "${{" not in step.get("run", ""), "a text of somebody else could become a command"


def test_a_hook_calls_a_tool_of_the_environment() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"], "nothing is downloaded"
    hooks = config["repos"][0]["hooks"]
    tools = {shlex.split(hook["entry"])[0] for hook in hooks}
    check = MAKEFILE.partition("\ncheck:")[2].partition("\n\n")[0]
    for tool in ("ruff", "mypy", "lint-imports"):
        assert f".venv/bin/{tool}" in tools
        assert f"$(BIN)/{tool}" in check
    for hook in hooks:
        assert hook["language"] == "system"
        for word in shlex.split(hook["entry"]):
            assert not word.startswith("tests/") or (ROOT / word).is_file()


def test_the_development_container_makes_what_make_makes() -> None:
    found = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    program, target = shlex.split(found["postCreateCommand"])
    assert program == "make"
    assert target in TARGETS
    assert set(found["forwardPorts"]) == {int(port) for port in found["portsAttributes"]}


def test_the_security_policy_says_how_to_report_and_names_no_address() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in text
    assert not re.search(r"[\w.]+@[\w-]+\.\w+", text)
    for name in ("ZOHO_CLIENT_SECRET", "ZOHO_PIPELINE_SECRET_KEY", "DAGSTER_POSTGRES_URL"):
        assert f"`{name}`" in text


@pytest.mark.parametrize("page", ["README.md", "docs/deployment.md"])
def test_the_pages_say_how_to_install(page: str) -> None:
    text = (ROOT / page).read_text()
    for words in ("uvx zoho-pipeline demo", "docker compose up", "SECURITY.md"):
        assert words in text

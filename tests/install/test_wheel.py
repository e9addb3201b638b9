"""The wheel holds what the product needs and nothing else, and it runs where there is no checkout."""

import json
import re
import signal
import socket
import subprocess
import tarfile
import urllib.request
from pathlib import Path

import pytest

from tests.install.conftest import ROOT, Installed, Shipped

IN_A_CHECKOUT = "dbt_like_sql/"
IN_A_WHEEL = "zoho_pipeline/_sql/"
BASE = ("fastapi", "uvicorn", "jinja2", "dagster", "dlt", "duckdb")
BESIDE = ("dagster_webserver", "mcp", "polars", "pytest", "hypothesis", "mypy", "selenium", "zohocrmsdk")


def tracked() -> set[str]:
    """What belongs into the package, by its name in the wheel."""
    folders = ("zoho_pipeline", "dbt_like_sql")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    names = {path.relative_to(ROOT).as_posix() for path in files if path.suffix not in (".pyc", ".swp")}
    return {name.replace(IN_A_CHECKOUT, IN_A_WHEEL, 1) if name.startswith(IN_A_CHECKOUT) else name for name in names}


def test_the_wheel_holds_every_file_and_nothing_else(shipped: Shipped) -> None:
    packed = {name for name in shipped.names if ".dist-info/" not in name}
    assert packed == tracked()
    assert {"zoho_pipeline/forms/disposable_domains.txt", "zoho_pipeline/_sql/marts/facts/lead.sql"} <= packed


def test_the_sdist_builds_the_same_wheel_and_has_no_second_copy(shipped: Shipped) -> None:
    """The wheel of these tests comes from the sdist, so only the sdist itself is looked at."""
    with tarfile.open(shipped.sdist) as packed:
        names = {member.name.partition("/")[2] for member in packed.getmembers() if member.isfile()}
        assert not [member.name for member in packed.getmembers() if member.issym() or member.islnk()]
    assert {"setup.py", "LICENSE", "dbt_like_sql/marts/facts/lead.sql", "zoho_pipeline/agents/metrics.md"} <= names
    assert not [name for name in names if name.startswith((IN_A_WHEEL, "tests/", "data/")) or ".env" in name]


def test_the_metadata_say_how_to_install_it(shipped: Shipped) -> None:
    extras = set(re.findall(r"^Provides-Extra: (\S+)", shipped.metadata, re.MULTILINE))
    assert extras == {"agents", "dashboard", "excel", "k8s", "polars", "test", "ui"}
    assert "Requires-Python: >=3.11" in shipped.metadata
    readme = (ROOT / "README.md").read_text()
    docs = readme + "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    code = "".join(path.read_text() for path in (ROOT / "zoho_pipeline").rglob("*.py"))
    for named in re.findall(r"zoho-pipeline\[([a-z0-9,]+)\]", docs + code):
        assert set(named.split(",")) <= extras, named


LOOK = """
import json, sys, importlib.util, pathlib
import zoho_pipeline
from zoho_pipeline.agents.metric_texts import explain_metric
from zoho_pipeline.forms import suspect
from zoho_pipeline.settings import SQL_PROJECT
from zoho_pipeline.transform.project.project import Project
names = sys.argv[1].split(",")
print(json.dumps({
    "package": zoho_pipeline.__file__, "sql": str(SQL_PROJECT), "models": len(Project.load().models),
    "metric": explain_metric("lift").paragraphs[0], "path": sys.path,
    "disposable": suspect._DISPOSABLE.is_file(),
    "found": [name for name in names if importlib.util.find_spec(name)],
}))
"""


@pytest.mark.long
def test_an_installed_package_finds_its_files_and_has_no_checkout_beside_it(installed: Installed) -> None:
    out = installed.run("python", "-c", LOOK, ",".join(BASE + BESIDE)).stdout
    found = json.loads(out)
    venv = str(installed.venv.resolve())
    assert found["package"].startswith(venv)
    assert found["sql"] == str(Path(found["package"]).parent / "_sql")
    assert found["models"] > 50
    assert found["metric"].startswith("**What to write about**")
    assert found["disposable"]
    assert found["found"] == list(BASE), "the environment has what the wheel asks for, and no more"
    assert str(ROOT) not in found["path"]


def test_the_installed_command_answers(installed: Installed) -> None:
    for program in (("zoho-pipeline",), ("python", "-m", "zoho_pipeline")):
        assert installed.run(*program, "--version").stdout.startswith("zoho-pipeline, version 0.1.0")
    listed = installed.run("zoho-pipeline", "channels", "list").stdout
    assert "No channel is registered" in listed
    assert (installed.folder / "data" / "registry.sqlite").is_file(), "the migrations are in the wheel"


@pytest.mark.parametrize(("arguments", "extra"), [(("mcp",), "agents"), (("demo", "--ui"), "ui")])
def test_a_part_that_is_not_installed_is_named(installed: Installed, arguments: tuple[str, ...], extra: str) -> None:
    home = installed.folder / f"without-{extra}"
    home.mkdir(exist_ok=True)
    known = {"port": 1, "client_id": "1000.DEMO", "client_secret": "0" * 16}
    (home / "demo.json").write_text(json.dumps(known))
    (home / "simulator.json").write_text("{}")
    done = subprocess.run(
        [str(installed.venv / "bin" / "zoho-pipeline"), *arguments],
        cwd=installed.folder, env=installed.environment | {"ZOHO_PIPELINE_HOME": str(home)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].endswith(f"Run: pip install 'zoho-pipeline[{extra}]'")


@pytest.mark.long
def test_the_product_runs_where_only_the_wheel_is(installed: Installed) -> None:
    """The demo, a transform and a query, Dagster's code location, and the web server with its worker."""
    demo = installed.run("zoho-pipeline", "demo", "--leads", "60").stdout
    assert "The insight before and after" in demo
    home = {"ZOHO_PIPELINE_HOME": str(installed.folder / "data" / "demo")}
    assert "models built" in installed.run("zoho-pipeline", "transform", "--full", **home).stdout
    rows = json.loads(
        installed.run("zoho-pipeline", "sql", "select count(*) as n from lead", "--format", "json", **home).stdout
    )
    assert rows[0]["n"] > 30
    location = ("definitions", "validate", "-m", "zoho_pipeline.definitions")
    validated = installed.run("python", "-m", "dagster", *location, **home)
    assert "All code locations passed validation" in validated.stdout + validated.stderr
    _serves(installed, home)


def _serves(installed: Installed, home: dict[str, str]) -> None:
    port = _free_port()
    command = [str(installed.venv / "bin" / "zoho-pipeline"), "serve", "--port", str(port)]
    environment = installed.environment | home
    with subprocess.Popen(command, cwd=installed.folder, env=environment, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        assert "Serving" in served.stdout.readline()
        for path in ("/healthz", "/openapi.json", "/docs", "/forms.js"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
                assert answer.status == 200
                assert answer.read()
        served.send_signal(signal.SIGTERM)
        rest, _ = served.communicate(timeout=60)
    assert served.returncode == 0
    assert "The server has stopped." in rest


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

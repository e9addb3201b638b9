"""Wrong input: one message that says what to do, exit code 1 or 2, no traceback, and nothing half written."""

import json
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import CLIENT, Answer, Run
from zoho_pipeline.simulator import Org, Simulator

ADD = ("channels", "add", "acme", "--data-center", "sim", "--refresh-token-file")


def refused(answer: Answer, code: int, *named: str) -> None:
    """The command printed one `error:` line that contains these texts, and nothing on stdout."""
    assert answer.code == code, (answer.out, answer.err)
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert "Traceback" not in answer.err
    for text in named:
        assert text in answer.err, answer.err


def nothing_registered(run: Run) -> None:
    assert run("channels", "list", "--format", "json").json == []


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_missing_client_id(run: Run, token: Path, simulator: Simulator) -> None:
    refused(run(*ADD, token, ZOHO_CLIENT_ID=""), 2, "ZOHO_CLIENT_ID")
    refused(run(*ADD, token, ZOHO_CLIENT_SECRET=""), 2, "ZOHO_CLIENT_SECRET")
    assert simulator.requests == []
    nothing_registered(run)


def test_a_wrong_client_id_or_secret(run: Run, token: Path) -> None:
    refused(run(*ADD, token, ZOHO_CLIENT_ID="1000.NOBODY"), 1, "ZOHO_CLIENT_ID")
    refused(run(*ADD, token, ZOHO_CLIENT_SECRET="wrong-secret-0123456789"), 1, "ZOHO_CLIENT_SECRET")
    nothing_registered(run)


def test_a_revoked_refresh_token(run: Run, token: Path, simulator: Simulator) -> None:
    simulator.hub.tokens.drop(simulator.hub.tokens.grants[token.read_text().strip()])
    answer = run(*ADD, token)
    refused(answer, 1, "refresh token")
    assert token.read_text().strip() not in answer.err
    nothing_registered(run)


def test_an_unknown_data_center(run: Run, token: Path, simulator: Simulator) -> None:
    answer = run("channels", "add", "acme", "--data-center", "moon", "--refresh-token-file", token)
    refused(answer, answer.code, "moon", "in", "eu")
    assert answer.code in (1, 2)
    assert simulator.requests == []


def test_an_unreachable_host(run: Run, token: Path) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    refused(run(*ADD, token, ZOHO_PIPELINE_DATA_CENTERS=json.dumps({"sim": url})), 1, url)
    nothing_registered(run)


def test_an_api_domain_that_is_not_zohos(run: Run, token: Path, simulator: Simulator) -> None:
    simulator.switches.api_domain = "https://evil.example"
    answer = run(*ADD, token)
    refused(answer, answer.code, "evil.example")
    assert answer.code != 0
    nothing_registered(run)


def test_a_token_file_without_one_token(run: Run, org: Org, tmp_path: Path) -> None:
    empty, two, binary = tmp_path / "empty", tmp_path / "two", tmp_path / "binary"
    empty.write_text("\n")
    two.write_text("a b")
    binary.write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent", tmp_path, empty, two, binary):
        refused(run(*ADD, path), 2, str(path))
    refused(run(*ADD, "-", stdin=""), 2, "standard input")
    both = ("--grant-code-file", empty)
    refused(run(*ADD, empty, *both), 2, "--grant-code-file")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZOHO_PIPELINE_WAREHOUSE", "mysql://x/y"),
        ("ZOHO_PIPELINE_WAREHOUSE", "warehouse.duckdb"),
        ("ZOHO_PIPELINE_REGISTRY", "oracle://x"),
        ("ZOHO_PIPELINE_LOG_LEVEL", "LOUD"),
        ("ZOHO_PIPELINE_DATA_CENTERS", "{"),
        ("ZOHO_PIPELINE_DATA_CENTERS", '{"x": "http://zoho.example"}'),
        ("ZOHO_PIPELINE_SECRET_KEY", "short"),
        ("ZOHO_PIPELINE_SYNC_LAG", "soon"),
        ("ZOHO_PIPELINE_CREDIT_BUDGET", "2"),
    ],
)
def test_a_bad_setting_is_named_before_anything_is_done(run: Run, home: Path, name: str, value: str) -> None:
    for command in (("channels", "list"), ("sync",), ("transform",), ("sql", "select 1")):
        refused(run(*command, **{name: value}), 2, name)
    assert not home.exists()


def test_a_home_that_cannot_be_written(run: Run, tmp_path: Path, simulator: Simulator, token: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    below = str(tmp_path / "file" / "home")
    for command in (("channels", "list"), ("sync",), (*ADD, token), ("demo",), ("sql", "select 1")):
        refused(run(*command, ZOHO_PIPELINE_HOME=below), 1, "ZOHO_PIPELINE_HOME", below)
    assert (tmp_path / "file").read_text() == "not a folder"
    assert simulator.requests == []


def test_an_invalid_channel_id(run: Run, token: Path) -> None:
    for bad in ("../x", "a b", "-", ""):
        answer = run("channels", "add", "--data-center", "sim", "--refresh-token-file", token, "--", bad)
        refused(answer, 2)


def test_another_org_under_a_known_id(run: Run, channel: str, simulator: Simulator, token: Path) -> None:
    other = simulator.add_org(name="Other Ltd")
    token.write_text(other.grant(*CLIENT, "ZohoCRM.modules.READ ZohoCRM.users.READ ZohoCRM.org.READ"))
    refused(run(*ADD, token), 1, "Acme Tools", "Other Ltd")
    assert run("channels", "show", channel, "--format", "json").json["org_name"] == "Acme Tools"


def test_sql_before_the_first_sync_and_transform(run: Run) -> None:
    refused(run("sql", "select 1"), 1, "zoho-pipeline transform")
    refused(run("sql", "--raw", "select 1"), 2, "zoho-pipeline sync")


def test_a_taken_port_is_named(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(run("simulator", "--port", port), 1, str(port), "--port")


def test_the_demo_on_a_taken_port_suggests_no_option_that_it_lacks(run: Run, simulator: Simulator, home: Path) -> None:
    home.mkdir()
    simulator.save(home / "simulator.json")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (home / "demo.json").write_text(json.dumps({"port": port, "client_id": "c", "client_secret": "s" * 32}))
        answer = run("demo", "--ui")
    assert answer.code == 1
    assert str(port) in answer.err
    assert "zoho-pipeline demo` again" in answer.err
    assert "--port" not in answer.err


def test_a_state_file_without_a_state(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("nonsense")
    refused(run("simulator", "--port", 0, "--state", path), 2, str(path))


def test_the_demo_does_not_touch_the_home_of_a_real_pipeline(run: Run, channel: str, home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    refused(run("demo"), 2, "ZOHO_PIPELINE_HOME")
    refused(run("demo", "--ui"), 1, "zoho-pipeline demo")
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before

"""`zoho-pipeline mcp` as a process, by the official client over standard input and output."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.agents.conftest import connect
from tests.agents.world import MARK, Marks
from tests.web.world import put
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import load_settings

PROGRAM = ["-c", "from zoho_pipeline.cli import main; main()", "mcp"]


@pytest.fixture
def stdio_home(marked_world: tuple[Path, Marks], home: Path) -> Path:
    """HOME with the world in it."""
    connect(Registry(load_settings({"ZOHO_PIPELINE_HOME": str(home)}, dotenv=home / "no.env")))
    put(marked_world[0], home)
    return home


def environment(home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "ZOHO_PIPELINE_HOME": str(home), **more}


@pytest.mark.long
@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_on_this_machine(stdio_home: Path, mode: str) -> None:
    async def run() -> Any:
        command = StdioServerParameters(
            command=sys.executable, args=[*PROGRAM, "--channel", "acme"], env=environment(stdio_home)
        )
        async with Client(stdio_client(command), mode=mode) as client:
            tools = (await client.list_tools()).tools
            channels = await client.call_tool("list_channels", {})
            recent = await client.call_tool("recent_leads_by_content", {"channel": "acme", "last": 50})
            foreign = await client.call_tool("topics", {"channel": "foreign"})
            brief = (await client.read_resource("zoho://channels/acme/brief")).contents[0].text
            return tools, channels, recent, foreign, brief

    tools, channels, recent, foreign, brief = asyncio.run(run())
    assert len(tools) == 7
    assert [channel["id"] for channel in channels.structured_content["data"]["channels"]] == ["acme"]
    assert recent.structured_content["data"]["items"][0]["title"] == "Local SEO for dentists"
    assert foreign.is_error, "the command was started for one channel"
    assert MARK not in brief + recent.content[0].text
    rows = Audit(Registry(load_settings({"ZOHO_PIPELINE_HOME": str(stdio_home)})).database).rows()
    written = [(row["principal"], row["action"], row["channel_id"]) for row in rows]
    assert written[-4:] == [
        ("local:mcp", "agent.list_channels", None),
        ("local:mcp", "agent.recent_leads_by_content", "acme"),
        ("local:mcp", "agent.topics", None),
        ("local:mcp", "agent.brief", "acme"),
    ]


@pytest.mark.long
def test_it_ends_with_its_input_and_prints_nothing_else(stdio_home: Path) -> None:
    command = [sys.executable, *PROGRAM]
    done = subprocess.run(
        command, input="this is no message\n", env=environment(stdio_home), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert all(line.startswith("{") for line in done.stdout.splitlines()), done.stdout
    assert "Traceback" not in done.stderr


def ping(to: IO[str], number: int) -> None:
    to.write(f'{{"jsonrpc":"2.0","id":{number},"method":"ping"}}\n')
    to.flush()


@contextmanager
def listening(stdio_home: Path) -> Iterator[tuple[subprocess.Popen[str], IO[str], IO[str]]]:
    """A server that has answered a first call, its input and its output."""
    started = subprocess.Popen(
        [sys.executable, *PROGRAM],
        env=environment(stdio_home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdin is not None
    assert started.stdout is not None
    ping(started.stdin, 1)
    assert "jsonrpc" in started.stdout.readline()
    try:
        yield started, started.stdin, started.stdout
    finally:
        started.kill()
        started.wait(30)


@pytest.mark.long
def test_an_agent_that_has_gone_ends_it(stdio_home: Path) -> None:
    with listening(stdio_home) as (started, questions, answers):
        answers.close()
        ping(questions, 2)
        questions.close()
        assert started.wait(30) == 0
        assert started.stderr is not None
        assert started.stderr.read() == ""


@pytest.mark.long
def test_a_signal_ends_it(stdio_home: Path) -> None:
    with listening(stdio_home) as (started, _, _):
        started.send_signal(signal.SIGTERM)
        _, errors = started.communicate(timeout=30)
        assert started.returncode == 143, errors
        assert "Traceback" not in errors


def test_an_unknown_channel_is_named(stdio_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, *PROGRAM, "--channel", "acmee"],
        env=environment(stdio_home),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "acme" in done.stderr
    assert done.stdout == ""


def test_a_wrong_setting_is_named(stdio_home: Path) -> None:
    done = subprocess.run(
        [sys.executable, *PROGRAM],
        env=environment(stdio_home, ZOHO_PIPELINE_AGENTS_PII="all"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "ZOHO_PIPELINE_AGENTS_PII" in done.stderr

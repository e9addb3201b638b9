"""The MCP inspector's command line against our server: a client that we did not write, in another language."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agents.world import MARK, Marks
from tests.web.agents.conftest import Headers
from tests.web.agents.inspector import inspector
from tests.web.agents.test_mcp import TOOLS
from zoho_pipeline.settings import Settings

WAIT_MS = "120000"
"""For a server that starts by standard input and output on a busy machine; the default is 15 s."""

Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """`ask(target, method, *options)`: what the inspector prints, as JSON."""
    program = inspector()
    paths = os.pathsep.join(path for path in sys.path if path)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": paths}

    def call(target: list[str], method: str, *options: str) -> Any:
        command = [program, "--cli", *target, "--connect-timeout", WAIT_MS, "--method", method, *options]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=150)
        assert done.stdout, done.stderr
        assert MARK not in done.stdout
        return json.loads(done.stdout)

    return call


@pytest.mark.long  # each of its calls starts Node, for more than a second; the official client calls all in test_mcp
def test_the_inspector_lists_and_calls_everything_over_http(ask: Ask, port: int, key: Callable[..., Headers]) -> None:
    target = ["--transport", "http", "--server-url", f"http://127.0.0.1:{port}/mcp"]
    target += ["--header", f"Authorization: {key('agent')['Authorization']}"]
    tools = {tool["name"]: tool for tool in ask(target, "tools/list")["tools"]}
    assert set(tools) == set(TOOLS)
    assert all(tool["outputSchema"]["type"] == "object" for tool in tools.values())
    for name, arguments in TOOLS.items():
        pairs = [word for k, v in arguments.items() for word in ("--tool-arg", f"{k}={v}")]
        result = ask(target, "tools/call", "--tool-name", name, *pairs)
        assert not result.get("isError"), result
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    refused = ask(target, "tools/call", "--tool-name", "topics", "--tool-arg", "channel=foreign")
    assert refused["isError"]
    assert len(ask(target, "resources/templates/list")["resourceTemplates"]) == 2
    brief = ask(target, "resources/read", "--uri", "zoho://channels/acme/brief")
    assert brief["contents"][0]["mimeType"] == "text/markdown"
    assert [prompt["name"] for prompt in ask(target, "prompts/list")["prompts"]] == ["next_blog_posts"]
    prompt = ask(target, "prompts/get", "--prompt-name", "next_blog_posts", "--prompt-args", "channel=acme")
    assert "lift" in prompt["messages"][0]["content"]["text"]


@pytest.mark.long  # as above
def test_the_inspector_starts_our_command_and_calls_a_tool(
    ask: Ask, world: Marks, settings: Settings, tmp_path: Path
) -> None:
    agent = tmp_path / "agent.py"
    agent.write_text("from zoho_pipeline.cli import main; main(['mcp', '--channel', 'acme'])\n")
    target = ["-e", f"ZOHO_PIPELINE_HOME={settings.home}", "--transport", "stdio", sys.executable, str(agent)]
    result = ask(target, "tools/call", "--tool-name", "topics", "--tool-arg", "channel=acme")
    assert not result.get("isError"), result
    assert result["structuredContent"]["channel"] == "acme"

"""The MCP inspector's command line against our server: a client that we did not write, in another language.

It runs where MCP_INSPECTOR names the program (CONTRIBUTING.md says how to get it); it comes from npm.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agents.world import MARK
from tests.web.agents.conftest import Headers
from tests.web.agents.test_mcp import TOOLS

INSPECTOR = os.environ.get("MCP_INSPECTOR", "")

pytestmark = pytest.mark.skipif(not INSPECTOR, reason="MCP_INSPECTOR does not name the inspector")
Ask = Callable[..., Any]


@pytest.fixture(params=["http", "stdio"])
def ask(request: pytest.FixtureRequest, tmp_path: Path, key: Callable[..., Headers]) -> Ask:
    """`ask(method, *options)`: what the inspector prints, as JSON."""
    port, home = request.getfixturevalue("port"), request.getfixturevalue("settings").home
    http = ["--transport", "http", "--server-url", f"http://127.0.0.1:{port}/mcp"]
    http += ["--header", f"Authorization: {key('agent')['Authorization']}"]
    stdio = ["-e", f"ZOHO_PIPELINE_HOME={home}", "--transport", "stdio", sys.executable]
    stdio += [str(tmp_path / "agent.py")]
    (tmp_path / "agent.py").write_text("from zoho_pipeline.cli import main; main(['mcp', '--channel', 'acme'])\n")
    target = http if request.param == "http" else stdio
    paths = os.pathsep.join(path for path in sys.path if path)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": paths}

    def call(method: str, *options: str) -> Any:
        command = [INSPECTOR, "--cli", *target, "--method", method, *options]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.stdout, done.stderr
        assert MARK not in done.stdout
        return json.loads(done.stdout)

    return call


def test_the_inspector_lists_and_calls_everything(ask: Ask) -> None:
    tools = {tool["name"]: tool for tool in ask("tools/list")["tools"]}
    assert set(tools) == set(TOOLS)
    assert all(tool["outputSchema"]["type"] == "object" for tool in tools.values())
    for name, arguments in TOOLS.items():
        pairs = [word for k, v in arguments.items() for word in ("--tool-arg", f"{k}={v}")]
        result = ask("tools/call", "--tool-name", name, *pairs)
        assert not result.get("isError"), result
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    refused = ask("tools/call", "--tool-name", "topics", "--tool-arg", "channel=foreign")
    assert refused["isError"]
    assert len(ask("resources/templates/list")["resourceTemplates"]) == 2
    assert ask("resources/read", "--uri", "zoho://channels/acme/brief")["contents"][0]["mimeType"] == "text/markdown"
    assert [prompt["name"] for prompt in ask("prompts/list")["prompts"]] == ["next_blog_posts"]
    prompt = ask("prompts/get", "--prompt-name", "next_blog_posts", "--prompt-args", "channel=acme")
    assert "lift" in prompt["messages"][0]["content"]["text"]

"""docs/agents.md is carried out as it is written: by a shell, and by the official client with each configuration."""

import asyncio
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.agents.conftest import connect
from tests.agents.world import Marks
from tests.postgres import free_port
from tests.web.test_platform_guide import BLOCK, Shell
from tests.web.world import put
from zoho_pipeline.agents import limits
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "agents.md").read_text()
INSTALLED = "/srv/zoho-pipeline"


@pytest.fixture
def page(marked_world: tuple[Path, Marks], home: Path, tmp_path: Path) -> Iterator[tuple[str, Shell]]:
    """The page with a free port and with this HOME, and a shell. `serve` runs without a worker to end sooner."""
    connect(Registry(load_settings({"ZOHO_PIPELINE_HOME": str(home)}, dotenv=home / "no.env")))
    put(marked_world[0], home)
    text = PAGE.replace("8480", str(free_port())).replace("serve --port", "serve --no-worker --port")
    program = tmp_path / "zoho-pipeline"
    program.write_text(f"#!{sys.executable}\nfrom zoho_pipeline.cli import main\nmain()\n")
    program.chmod(0o755)
    text = text.replace(f"{INSTALLED}/.venv/bin/zoho-pipeline", str(program)).replace(f"{INSTALLED}/data", str(home))
    env = {name: value for name, value in os.environ.items() if not name.startswith("ZOHO_")}
    env |= {"ZOHO_PIPELINE_HOME": str(home), "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{env['PATH']}"}
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    shell = Shell(tmp_path, env)
    yield text, shell
    shell.stop()


async def titles(transport: Any) -> list[str]:
    async with Client(transport) as client:
        found = await client.call_tool("recent_leads_by_content", {"channel": "acme", "last": 100})
        return [item["title"] for item in found.structured_content["data"]["items"]]


def by_http(url: str, headers: dict[str, str], key: str) -> list[str]:
    sent = {name: re.sub(r"\$\{[\w:-]+\}|\$\w+", key, value) for name, value in headers.items()}

    async def run() -> list[str]:
        async with httpx2.AsyncClient(headers=sent, timeout=30) as http:
            return await titles(streamable_http_client(url, http_client=http))

    return asyncio.run(run())


def by_stdio(server: dict[str, Any]) -> list[str]:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | server["env"]
    command = StdioServerParameters(command=server["command"], args=server["args"], env=dict(env))
    return asyncio.run(titles(stdio_client(command)))


@pytest.mark.long
def test_every_block_does_what_the_page_says(page: tuple[str, Shell], tmp_path: Path) -> None:
    text, shell = page
    configured = []
    for kind, title, code in BLOCK.findall(text):
        if kind == "bash":
            shell.run(code)
            continue
        assert kind == "json", kind
        settings = json.loads(code)
        (server,) = settings.get("mcpServers", settings.get("servers")).values()
        key = re.search(r'AGENT_KEY="?(zpk_[^"\n]+)', (tmp_path / "exports").read_text())
        assert key
        url = server.get("url") or server.get("httpUrl")
        found = by_http(url, server["headers"], key.group(1)) if url else by_stdio(server)
        assert found[0] == "Local SEO for dentists", title
        configured.append(title)
    assert len(configured) == 5
    assert set(json.loads((tmp_path / "context.json").read_text())["data"]) == {"recent_leads", "topics"}
    assert "Local SEO for dentists" in (tmp_path / "log").read_text()


def test_the_page_names_the_limits() -> None:
    for number in (limits.PER_MINUTE, limits.ROWS, limits.CHARACTERS, limits.SECONDS, limits.TEXT_CHARACTERS):
        assert f"{number:,g}" in PAGE

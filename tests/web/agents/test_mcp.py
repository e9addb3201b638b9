"""MCP over Streamable HTTP, by the official client, in the protocol of today and in that of older clients."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from tests.agents.world import MARK, Marks
from tests.web.agents.conftest import Headers, talk
from tests.web.server import serving
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.platform.keys import ApiKeys
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.service_settings import ServiceSettings
from zoho_pipeline.settings import Settings
from zoho_pipeline.web.agents.mcp_door import allowed
from zoho_pipeline.web.app import create_app

MODES = ("auto", "legacy")
TOOLS: dict[str, dict[str, Any]] = {
    "list_channels": {},
    "get_insight": {"channel": "acme"},
    "recent_leads_by_content": {"channel": "acme", "last": 20},
    "topics": {"channel": "acme"},
    "content_performance": {"channel": "acme", "limit": 5, "order": "revenue"},
    "lead_sources": {"channel": "acme", "months": 2},
    "explain_metric": {"name": "lift"},
}
NO_CHANNEL = "There is no such channel. The tool list_channels names those that you may read."
MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.mark.parametrize("mode", MODES)
def test_the_seven_tools_answer_as_their_schemas_say(
    port: int, key: Callable[..., Headers], registry: Registry, mode: str
) -> None:
    async def work(client: Client) -> list[tuple[Any, Any]]:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(listed) == set(TOOLS)
        return [(listed[name], await client.call_tool(name, given)) for name, given in TOOLS.items()]

    for tool, result in talk(port, key("agent"), work, mode=mode):
        assert not result.is_error, (tool.name, result.content)
        assert tool.annotations.read_only_hint
        assert tool.annotations.open_world_hint is False
        assert tool.output_schema["type"] == "object"
        Draft202012Validator(tool.output_schema).validate(result.structured_content)
        (text,) = [part.text for part in result.content]
        assert json.loads(text) == result.structured_content
        assert len(text) <= 32_000
        assert MARK not in text
        if tool.name != "explain_metric":
            assert result.structured_content["untrusted"] is True
    written = [row["action"] for row in Audit(registry.database).rows() if str(row["action"]).startswith("agent.")]
    assert written == [f"agent.{name}" for name in TOOLS]


@pytest.mark.parametrize("mode", MODES)
def test_the_two_resources_and_the_prompt(port: int, key: Callable[..., Headers], mode: str) -> None:
    async def work(client: Client) -> Any:
        templates = (await client.list_resource_templates()).resource_templates
        resources = (await client.list_resources()).resources
        prompts = (await client.list_prompts()).prompts
        brief = (await client.read_resource("zoho://channels/acme/brief")).contents[0]
        insight = (await client.read_resource("zoho://channels/acme/insight")).contents[0]
        tool = await client.call_tool("get_insight", {"channel": "acme"})
        prompt = await client.get_prompt("next_blog_posts", {"channel": "acme"})
        return templates, resources, prompts, brief, insight, tool, prompt

    templates, resources, prompts, brief, insight, tool, prompt = talk(port, key("agent"), work, mode=mode)
    assert {t.uri_template for t in templates} == {f"zoho://channels/{{channel}}/{n}" for n in ("brief", "insight")}
    shown = {str(resource.uri) for resource in resources}
    assert shown == {f"zoho://channels/{c}/{n}" for c in ("acme", "never") for n in ("brief", "insight")}
    assert [found.name for found in prompts] == ["next_blog_posts"]
    assert brief.mime_type == "text/markdown"
    assert brief.text.startswith("# Channel acme")
    read, told = json.loads(insight.text), tool.structured_content
    assert {**read, "generated_at": None} == {**told, "generated_at": None}
    assert "lift" in prompt.messages[0].content.text
    for text in (brief.text, insight.text, prompt.messages[0].content.text):
        assert MARK not in text


@pytest.mark.parametrize("mode", MODES)
def test_a_foreign_channel_is_one_that_does_not_exist(port: int, key: Callable[..., Headers], mode: str) -> None:
    async def work(client: Client) -> list[str]:
        said = []
        for channel in ("foreign", "nobody", "a b", "../acme"):
            for name in sorted(TOOLS.keys() - {"list_channels", "explain_metric"}):
                result = await client.call_tool(name, {"channel": channel})
                assert result.is_error
                said.append(result.content[0].text.replace(name, "TOOL"))
        return said

    assert set(talk(port, key("agent"), work, mode=mode)) == {f"Error executing tool TOOL: {NO_CHANNEL}"}

    async def others(client: Client) -> list[tuple[int, str]]:
        said = []
        for channel in ("foreign", "nobody"):
            for call in (
                client.read_resource(f"zoho://channels/{channel}/insight"),
                client.read_resource(f"zoho://channels/{channel}/brief"),
                client.get_prompt("next_blog_posts", {"channel": channel}),
            ):
                with pytest.raises(MCPError) as error:
                    await call
                said.append((error.value.error.code, error.value.error.message))
        return said

    assert set(talk(port, key("agent"), others, mode=mode)) == {(-32602, NO_CHANNEL)}


def test_what_is_not_understood_is_refused_and_audited(
    port: int, key: Callable[..., Headers], registry: Registry
) -> None:
    async def work(client: Client) -> list[Any]:
        return [
            await client.call_tool("run_sql", {"sql": "select 1"}),
            await client.call_tool("topics", {"channel": "acme", "limit": 101}),
            await client.call_tool("recent_leads_by_content", {"channel": "acme", "last": 15}),
            await client.call_tool("get_insight", {}),
            await client.call_tool("get_insight", {"channel": f"{MARK}9" * 100}),
        ]

    results = talk(port, key("agent"), work)
    assert [result.is_error for result in results] == [True] * 5
    assert "less than or equal to 100" in results[1].content[0].text
    assert "multiple of 10" in results[2].content[0].text
    rows = [row for row in Audit(registry.database).rows() if str(row["action"]).startswith("agent.")]
    assert [row["detail"] for row in rows] == ["refused: not understood"] * 5
    assert MARK not in json.dumps(rows, default=str)


def test_a_wrong_prompt_is_told_what_there_is(port: int, key: Callable[..., Headers], caplog: Any) -> None:
    async def work(client: Client) -> list[tuple[int, str]]:
        said = []
        for name, arguments in (("nope", {}), ("next_blog_posts", {}), ("next_blog_posts", {"channel": "x" * 300})):
            with pytest.raises(MCPError) as error:
                await client.get_prompt(name, arguments)
            said.append((error.value.error.code, error.value.error.message))
        return said

    for mode in MODES:
        for code, message in talk(port, key("agent"), work, mode=mode):
            assert code == -32602
            assert message.startswith("There is one prompt, next_blog_posts.")
    assert "Traceback" not in caplog.text


def test_requests_of_agents_have_a_series_of_their_own(port: int, key: Callable[..., Headers]) -> None:
    post(port, key("agent"))
    assert 'route="/mcp"' in httpx.get(f"http://127.0.0.1:{port}/metrics").text


@pytest.mark.long
def test_a_server_without_the_part_for_agents_says_so(settings: Settings, registry: Registry) -> None:
    """Everything else works there. `None` in sys.modules is how Python hides a package."""
    _, secret = ApiKeys(registry.database).add("test", tenants=["acme-inc"], scopes=["agent"])
    code = (
        "import sys; sys.modules['mcp'] = None\n"
        "from fastapi.testclient import TestClient\n"
        "from zoho_pipeline.service_settings import ServiceSettings\n"
        "from zoho_pipeline.settings import load_settings\n"
        "from zoho_pipeline.web.app import create_app\n"
        "client = TestClient(create_app(load_settings(), ServiceSettings()))\n"
        f"answer = client.post('/mcp', json={{}}, headers={{'Authorization': 'Bearer {secret.reveal()}'}})\n"
        "print(answer.status_code, answer.json()['detail'], client.get('/healthz').status_code)\n"
        "from zoho_pipeline.cli import main\n"
        "main(['mcp'])"
    )
    env = {**os.environ, "ZOHO_PIPELINE_HOME": str(settings.home)}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "503 This server was installed without its part for agents. 200"
    assert done.returncode == 1
    assert "pip install 'zoho-pipeline[agents]'" in done.stderr


def post(port: int, headers: Headers, body: Any = MESSAGE) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}/mcp", headers=ACCEPT | headers, json=body)


def test_who_may_come_in(port: int, key: Callable[..., Headers]) -> None:
    where = 'resource_metadata="http://localhost:8480/.well-known/oauth-protected-resource/mcp"'
    for headers in (
        {},
        {"Authorization": "Bearer zpk_wrong"},
        {"Authorization": "Basic x"},
        {"Cookie": "zp_operator=x"},
    ):
        answer = post(port, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert where in answer.headers["WWW-Authenticate"]
    answer = post(port, key("read", "pii", "admin"))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert 'error="insufficient_scope", scope="agent"' in answer.headers["WWW-Authenticate"]
    answer = post(port, key("agent", tenants=None))
    assert (answer.status_code, answer.json()["code"]) == (400, "tenant_required")
    assert post(port, key("agent", tenants=None) | {"Zoho-Pipeline-Tenant": "acme-inc"}).status_code == 200
    metadata = httpx.get(f"http://127.0.0.1:{port}/.well-known/oauth-protected-resource/mcp").json()
    assert metadata["resource"] == "http://localhost:8480/mcp"
    assert metadata["scopes_supported"] == ["agent", "pii"]


def test_a_foreign_host_or_page_is_refused(port: int, key: Callable[..., Headers]) -> None:
    good = key("agent")
    assert post(port, good | {"Host": "evil.example"}).status_code == 421
    assert post(port, good | {"Host": "localhost.evil.example:8480"}).status_code == 421
    assert post(port, good | {"Origin": "https://evil.example"}).status_code == 403
    assert post(port, good | {"Origin": "null"}).status_code == 403
    assert post(port, good | {"Origin": "http://localhost:8480"}).status_code == 200
    hosts, origins = allowed(ServiceSettings(public_url="https://crm.example.com"))
    assert (hosts, origins) == (["crm.example.com", "crm.example.com:443"], ["https://crm.example.com"])


def test_no_stream_is_kept_open(port: int, key: Callable[..., Headers]) -> None:
    for method in ("GET", "DELETE", "PUT", "OPTIONS", "HEAD"):
        answer = httpx.request(method, f"http://127.0.0.1:{port}/mcp", headers=ACCEPT | key("agent"), timeout=10)
        assert answer.status_code == 405, method
        assert answer.headers["Allow"] == "POST"
    listen = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": {}}
    modern = key("agent") | {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}
    assert post(port, modern, listen).status_code in (400, 404)
    assert post(port, key("agent"), [MESSAGE, MESSAGE]).status_code == 400
    assert post(port, key("agent"), MESSAGE | {"params": {"x": "y" * 70_000}}).status_code == 413


def test_a_revoked_key_ends_at_once(port: int, key: Callable[..., Headers], registry: Registry) -> None:
    headers = key("agent")
    assert post(port, headers).status_code == 200
    (made,) = ApiKeys(registry.database).list()
    ApiKeys(registry.database).revoke(made.id)
    assert post(port, headers).status_code == 401


def test_a_session_token_sees_its_channels_only(
    port: int, key: Callable[..., Headers], registry: Registry, origins: str
) -> None:
    asked = {"channel_ids": ["never"], "scopes": ["agent"], "end_user": "ann@example.com", "origin": origins}
    made = httpx.post(f"http://127.0.0.1:{port}/v1/sessions", headers=key("agent", "read"), json=asked)
    token = {"Authorization": f"Bearer {made.json()['token']}"}

    async def work(client: Client) -> Any:
        listed = await client.call_tool("list_channels", {})
        return listed.structured_content, await client.call_tool("topics", {"channel": "acme"})

    listed, refused = talk(port, token, work)
    assert [channel["id"] for channel in listed["data"]["channels"]] == ["never"]
    assert NO_CHANNEL in refused.content[0].text
    rows = [row for row in Audit(registry.database).rows() if str(row["action"]).startswith("agent.")]
    assert re.fullmatch(r"session:[0-9a-f]{16}", str(rows[0]["principal"])), "no end user's name"


def test_initials_need_the_setting_and_the_scope(world: Marks, settings: Settings, key: Callable[..., Headers]) -> None:
    async def work(client: Client) -> Any:
        return (await client.call_tool("recent_leads_by_content", {"channel": "acme", "last": 100})).structured_content

    shown = []
    for pii in ("none", "masked"):
        with serving(create_app(settings, ServiceSettings(agents_pii=pii)), lifespan="on") as port:
            for scopes in (("agent",), ("agent", "pii")):
                items = talk(port, key(*scopes), work)["data"]["items"]
                shown.append(any(item["initials"] for item in items))
    assert shown == [False, False, False, True]


@pytest.mark.long
def test_the_limit_per_minute_says_so(port: int, key: Callable[..., Headers]) -> None:
    async def work(client: Client) -> list[Any]:
        results = [await client.call_tool("explain_metric", {"name": "lift"}) for _ in range(61)]
        await client.list_tools()  # it is not counted
        return results

    results = talk(port, key("agent"), work)
    assert [result.is_error for result in results] == [False] * 60 + [True]
    assert "The limit is 60 calls per minute" in results[-1].content[0].text

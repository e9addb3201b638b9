"""`GET /v1/channels/{id}/agent-context`: the same content as JSON."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from mcp.client.client import Client

from tests.agents.world import MARK, Marks
from tests.web.agents.conftest import Headers, talk
from zoho_pipeline.channels.platform.audit import Audit
from zoho_pipeline.channels.registry.registry import Registry

PATH = "/v1/channels/{}/agent-context"
TOOL_OF = {"insight": "get_insight", "recent_leads": "recent_leads_by_content", "topics": "topics"}
TOOL_OF |= {"content": "content_performance", "sources": "lead_sources"}


@pytest.mark.long
def test_each_section_is_the_data_of_its_tool(port: int, client: TestClient, key: Callable[..., Headers]) -> None:
    async def work(client: Client) -> dict[str, Any]:
        return {s: (await client.call_tool(t, {"channel": "acme"})).structured_content for s, t in TOOL_OF.items()}

    answers = talk(port, key("agent"), work)
    found = client.get(PATH.format("acme"), headers=key("agent"))
    assert found.status_code == 200
    body = found.json()
    assert list(body) == ["channel", "as_of", "data_status", "generated_at", "untrusted", "data"]
    assert (body["channel"], body["untrusted"], body["data_status"]) == ("acme", True, "ok")
    assert body["data"] == {section: answer["data"] for section, answer in answers.items()}
    assert MARK not in found.text


def test_some_sections(world: Marks, client: TestClient, key: Callable[..., Headers], registry: Registry) -> None:
    headers = key("agent")
    found = client.get(PATH.format("acme"), params={"sections": "topics, insight"}, headers=headers).json()
    assert list(found["data"]) == ["insight", "topics"]
    assert Audit(registry.database).rows("acme")[-1]["action"] == "agent.context"
    for wrong in ("topics,leads", f"topics,{'x' * 500}"):
        before = len(Audit(registry.database).rows())
        refused = client.get(PATH.format("acme"), params={"sections": wrong}, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "sections")
        (last,) = Audit(registry.database).rows()[before:]
        assert (last["action"], last["tenant"]) == ("agent.context", "acme-inc")
        assert last["detail"] == "refused: not understood"


@pytest.mark.parametrize("channel", ["foreign", "nobody", "a%20b"])
def test_a_foreign_channel_is_not_found(
    world: Marks, client: TestClient, key: Callable[..., Headers], channel: str
) -> None:
    found = client.get(PATH.format(channel), headers=key("agent"))
    assert (found.status_code, found.json()["code"]) == (404, "not_found")
    assert found.json()["detail"] == "There is nothing here, or it is not yours."


def test_it_needs_the_scope(world: Marks, client: TestClient, key: Callable[..., Headers]) -> None:
    assert client.get(PATH.format("acme")).status_code == 401
    assert client.get(PATH.format("acme"), headers=key("read", "pii")).status_code == 403


@pytest.mark.long
def test_its_calls_are_counted_with_those_of_the_tools(
    world: Marks, client: TestClient, key: Callable[..., Headers]
) -> None:
    headers = key("agent")
    answers = [client.get(PATH.format("acme"), params={"sections": "insight"}, headers=headers) for _ in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert int(answers[-1].headers["Retry-After"]) <= 60

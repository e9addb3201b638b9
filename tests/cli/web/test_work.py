"""The command `work`, and the events that the other commands leave for open pages and endpoints."""

import pytest
from sqlalchemy import select

from tests.cli.conftest import Built
from zoho_pipeline.channels.registry.platform_tables import channel_events
from zoho_pipeline.channels.registry.registry import Registry
from zoho_pipeline.channels.sync_requests import queue
from zoho_pipeline.settings import load_settings


def registry_of(built: Built) -> Registry:
    return Registry(load_settings({"ZOHO_PIPELINE_HOME": str(built.home)}))


def told(registry: Registry) -> list[str]:
    with registry.database.read() as transaction:
        types = transaction.scalars(select(channel_events.c.type).order_by(channel_events.c.seq))
        return [kind for kind in types if kind not in ("channel.status", "sync.progress")]


def without_leads(types: list[str]) -> list[str]:
    """Other tests change leads of the same org, and each sync tells that too."""
    return [kind for kind in types if not kind.startswith("lead.")]


@pytest.mark.long
def test_the_commands_tell_what_they_did(built: Built) -> None:
    registry = registry_of(built)
    assert told(registry) == ["connection.created", "sync.finished", "insight.published"]
    assert built.run("transform").code == 0
    assert told(registry)[3:] == [], "nothing changed, so nothing was published"
    assert built.run("sync", "acme", "--modules", "Leads").code == 0
    assert without_leads(told(registry)[3:]) == [], "a sync of some modules is not a finished sync"
    (run,) = queue.history(registry, "acme", 10)
    assert (run.reason, run.state, run.error) == ("run", "done", None)


@pytest.mark.long
def test_work_once_does_what_waits(built: Built) -> None:
    registry = registry_of(built)
    request, _ = queue.request_sync(registry, "acme", reason="user", requested_by="key:k")
    answer = built.run("work", "--once", "--format", "json")
    assert answer.code == 0, answer.err
    assert answer.json == {"done": [request.id], "failed": {}, "left": {}}
    assert without_leads(told(registry)[3:]) == ["sync.finished", "insight.published"]
    queue.request_sync(registry, "acme", reason="user", requested_by="key:k")
    registry.pause("acme")
    failed = built.run("work", "--once")
    assert failed.code == 1
    assert failed.out == "0 requests are done, 1 failed, 0 are left.\n"
    assert "channels resume acme" in failed.err

"""What the channel page says of Zoho's notifications, and what they missed."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert

from tests.web.pages.conftest import HTML
from zoho_pipeline.channels.platform import push_queue
from zoho_pipeline.channels.registry.platform_tables import push_subscriptions
from zoho_pipeline.channels.registry.registry import Registry

pytestmark = pytest.mark.usefixtures("channels")
WORKS = "Zoho tells of each change"


def page(operator: TestClient, registry: Registry, **values: Any) -> str:
    """The page of a channel with this subscription."""
    now = registry.database.now()
    secrets = {f"{name}_{kind}": "-" for name in ("hook", "token", "workflow", "secret") for kind in ("hash", "seal")}
    row: dict[str, Any] = {"channel_id": "acme", "zoho_channel_id": "7", "events": {"Leads.all": "subscribed"}}
    row |= {"asked_expiry": now, "expires_at": now, "renew_at": now, "skew_seconds": 0.0, "state": "on"}
    row |= {"created_at": now, "renewed_at": now, "compared_at": now}
    row |= dict.fromkeys(("tries", "deliveries", "doubtful", "missed", "idle", "missed_total"), 0)
    with registry.database.write() as transaction:
        transaction.execute(insert(push_subscriptions).values({**secrets, **row, **values}))
    return operator.get("/ui/channels/acme", headers=HTML).text


def test_a_channel_without_push_says_nothing_of_it(operator: TestClient) -> None:
    assert WORKS not in operator.get("/ui/channels/acme", headers=HTML).text


@pytest.mark.parametrize(
    ("missed", "idle", "words"),
    [
        (1, 2, "found 1 change without a notification, and 2 notifications without a change."),
        (2, 0, "found 2 changes without a notification, and 0 notifications without a change."),
        (0, 1, "found 0 changes without a notification, and 1 notification without a change."),
        (0, 0, None),
    ],
)
def test_the_proof_of_the_last_sync_is_shown(
    operator: TestClient, registry: Registry, missed: int, idle: int, words: str | None
) -> None:
    text = page(operator, registry, missed=missed, idle=idle)
    assert WORKS in text
    assert (words in text) if words else ("without a notification" not in text)


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_an_end_is_said(operator: TestClient, registry: Registry, state: str) -> None:
    text = page(operator, registry, state=state)
    assert "Zoho’s notifications have stopped" in text
    assert WORKS not in text


def test_nothing_is_claimed_until_a_gap_is_closed(operator: TestClient, registry: Registry) -> None:
    text = page(operator, registry, gap_since=registry.database.now())
    assert "Notifications of Zoho may have been lost" in text
    assert WORKS not in text


def test_used_up_credits_are_said(operator: TestClient, registry: Registry) -> None:
    with registry.database.write() as transaction:
        now = registry.database.now_in(transaction)
        push_queue.log_load(transaction, "acme", "Leads", "records", (1, 1, 1e9), now)
    assert "the numbers change once per hour" in page(operator, registry)

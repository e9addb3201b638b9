"""A damaged row of one subscription, or of one channel, keeps the notifications of no other from their work."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tests.push.conftest import PUSH_LIMITS, PushBench
from zoho_pipeline.push.insight_lane import InsightLane
from zoho_pipeline.push.publication import note_publication
from zoho_pipeline.push.status import DAMAGED, read_status
from zoho_pipeline.settings import PipelineError

DAMAGES = ("state = 'later'", "events = '{'")
ONLY_SQLITE = ("renew_at = 'no time'", "skew_seconds = 'much'", "detail = x'ff'")
"""Postgres has no such values in a typed column."""


@pytest.fixture
def two(bench: PushBench) -> PushBench:
    """Two subscribed channels; both must be renewed."""
    for name in ("acme", "beta"):
        bench.connect(name)
        bench.subscriber.turn_on(name)
    bench.store(renew_at=datetime(2020, 1, 1, tzinfo=UTC))
    return bench


def change(bench: PushBench, statement: str) -> None:
    with bench.place.registry.database.write() as transaction:
        transaction.execute(text(statement))


@pytest.mark.parametrize("damage", [*DAMAGES, *ONLY_SQLITE])
def test_a_damaged_subscription(two: PushBench, damage: str) -> None:
    registry = two.place.registry
    if damage in ONLY_SQLITE and registry.database.is_postgres:
        return
    change(two, f"update registry_push_subscriptions set {damage} where channel_id = 'acme'")
    assert "beta" in two.subscriber.due()
    shown = [read_status(registry, two.service, channel) for channel in registry.list()]
    assert [(found.state, found.detail) for found in shown] == [("failed", DAMAGED), ("on", None)]
    note_publication(registry, ["acme", "beta"], datetime.now(UTC), whole=True)
    with pytest.raises(PipelineError, match="push off acme, then zoho-pipeline push on acme"):
        two.subscriber.renew("acme")
    assert "within a week" in str(two.subscriber.turn_off("acme"))
    two.subscriber.turn_on("acme")
    assert two.row().state == "on"


def test_a_damaged_channel(two: PushBench) -> None:
    registry = two.place.registry
    two.store(gap_since=datetime.now(UTC))
    change(two, "update registry_channels set scopes = '{' where channel_id = 'acme'")
    lane = InsightLane(registry, two.service, PUSH_LIMITS)
    assert lane.request_syncs(at_once=True) == ["beta"]

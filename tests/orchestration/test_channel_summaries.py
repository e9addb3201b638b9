"""The summaries of channels agree with the registry."""

from datetime import UTC, datetime

from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration.channel_summaries import channels_synced_since, read_channel_summaries


def test_a_summary_has_the_same_values_as_the_channel_of_the_registry(deployment: Deployment) -> None:
    for module in ("Leads", "Deals"):
        deployment.record_sync("acme", module, datetime(2026, 6, 1, tzinfo=UTC), "complete")
    deployment.record_sync("acme", "Notes", None, "skipped")
    deployment.record_sync("bolt", "Deals", datetime(2026, 6, 1, tzinfo=UTC), "complete")
    deployment.record_sync("bolt", "Leads", None, "skipped")
    deployment.registry.set_status("bolt", "reconnect_needed", "the user is deleted")
    names = ("status", "status_detail", "timezone", "connected_at", "last_complete_sync_at")
    summaries = {s.id: {name: getattr(s, name) for name in names} for s in read_channel_summaries(deployment.registry)}
    assert summaries == {c.id: {name: getattr(c, name) for name in names} for c in deployment.registry.list()}
    assert summaries["acme"]["last_complete_sync_at"] is not None
    assert summaries["bolt"]["last_complete_sync_at"] is None, "its leads were never read"


def test_a_channel_counts_as_synced_when_no_module_failed_since_then(deployment: Deployment) -> None:
    registry, before = deployment.registry, datetime.now(UTC)
    for channel, outcome in (("acme", "complete"), ("bolt", "failed")):
        deployment.record_sync(channel, "Leads", None, "complete")
        deployment.record_sync(channel, "Deals", None, outcome)
    assert channels_synced_since(registry, ["acme", "bolt", "unknown"], before) == {"acme"}
    assert channels_synced_since(registry, ["bolt"], before) == set()
    assert channels_synced_since(registry, ["acme"], datetime.now(UTC)) == set(), "the sync was earlier"

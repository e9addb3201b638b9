"""A gap is closed by a whole sync that begins after it, whatever became of the request that was made at once."""

import pytest

from tests.push.conftest import PUSH_LIMITS, PushBench
from zoho_pipeline.channels.sync_requests import claims, queue
from zoho_pipeline.push.insight_lane import InsightLane


@pytest.mark.parametrize("how", ["joined", "failed", "refused"])
@pytest.mark.long
def test_a_gap_is_asked_for_again(bench: PushBench, how: str) -> None:
    registry = bench.place.registry
    bench.connect()
    bench.subscriber.turn_on("acme", ["Leads"])
    bench.work()
    insight = InsightLane(registry, bench.service, PUSH_LIMITS)
    assert insight.request_syncs() == []
    if how == "joined":
        queue.request_sync(registry, "acme", reason="user", requested_by="key:k1")
        assert claims.claim(registry, "w") is not None
    if how == "refused":
        registry.pause("acme")
    bench.org.subscriptions.clear()
    bench.subscriber.renew("acme")
    assert bench.row().gap_since is not None
    if how == "failed":
        assert claims.claim(registry, "w") is not None
    for request in queue.unfinished(registry):
        claims.finish(registry, "w", request.id, "it broke" if how == "failed" else None)
    if how == "refused":
        assert insight.request_syncs() == []
        registry.resume("acme")
    assert insight.request_syncs() == ["acme"]
    assert [request.reason for request in queue.unfinished(registry)] == ["gap"]
    bench.work()
    assert bench.row().gap_since is None
    assert insight.request_syncs() == []

"""The checks of a channel: what the reconciliation found, and which channels are fresh."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.orchestration.conftest import NO_WAITS, Deployment
from zoho_pipeline.orchestration.assets.channel_checks import freshness
from zoho_pipeline.orchestration.channel_summaries import read_channel_summaries
from zoho_pipeline.warehouse.warehouse import open_warehouse


@pytest.mark.long
def test_reconciliation_reports_the_differences_per_channel_and_module(in_memory: Deployment) -> None:
    in_memory.sync()
    warehouse = open_warehouse(in_memory.settings)
    with warehouse.connect(read_only=False) as connection:
        connection.execute(
            "insert into zoho_raw.leads select * replace ('999' as id) from zoho_raw.leads"
            " where channel_id = 'acme' limit 1"
        )
    config = {"ops": {"reconcile": {"config": {"channels": ["acme", "bolt"], **NO_WAITS}}}}
    assert in_memory.run("reconcile_channels", run_config=config).success
    assert in_memory.check_results("matches_zoho", "leads") == {"acme": False, "bolt": True}
    assert in_memory.run("reconcile_channels", run_config=config).success
    assert in_memory.check_results("matches_zoho", "leads") == {"acme": True, "bolt": True}, "it was repaired"


@pytest.mark.long
def test_the_hourly_check_logs_nothing_for_a_channel_that_stays_fresh(in_memory: Deployment) -> None:
    in_memory.sync("acme")
    assert in_memory.run("check_freshness").success
    assert in_memory.check_results("fresh") == {"acme": True, "bolt": True}, "bolt was connected a moment ago"
    again = in_memory.run("check_freshness")
    assert not [e for e in again.all_events if e.event_type_value == "ASSET_CHECK_EVALUATION"]


@pytest.mark.parametrize(
    ("hours", "status", "passed", "is_error"),
    [
        (1, "active", True, False),
        (27, "active", False, False),
        (37, "active", False, True),
        (37, "paused", False, False),
    ],
)
def test_the_age_from_which_a_channel_is_not_fresh(
    deployment: Deployment, hours: int, status: str, passed: bool, is_error: bool
) -> None:
    now = datetime.now(UTC)
    deployment.record_sync("acme", "Leads", now - timedelta(hours=hours), "complete")
    channel = next(channel for channel in read_channel_summaries(deployment.registry) if channel.id == "acme")
    result = freshness(replace(channel, status=status), now)
    assert (result.passed, result.is_error) == (passed, is_error)


def test_a_channel_that_was_never_synced_is_stale_a_day_and_a_half_after_it_was_connected(
    deployment: Deployment,
) -> None:
    channel = read_channel_summaries(deployment.registry)[0]
    for hours, passed, is_error in ((1, True, False), (27, False, False), (37, False, True)):
        result = freshness(channel, channel.connected_at + timedelta(hours=hours))
        assert (result.passed, result.is_error) == (passed, is_error)
        assert result.metadata["never_synced"] is True

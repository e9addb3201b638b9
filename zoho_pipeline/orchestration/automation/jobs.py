"""Jobs: what a person or a schedule can launch as one thing."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from zoho_pipeline.orchestration.assets.asset_events import CHANNELS_KEY, FRESH
from zoho_pipeline.orchestration.assets.model_assets import MODELS_OP
from zoho_pipeline.orchestration.partitions import channel_partitions

KIND = "zoho_pipeline/kind"
SYNC_TAG, MARTS_TAG, STATE_TAG = {KIND: "sync"}, {KIND: "marts"}, {KIND: "state"}
NEVER_RETRIED = {"dagster/max_retries": "0"}  # the next tick is the retry

Job = UnresolvedAssetJobDefinition


def sync_job(raw: dg.AssetsDefinition) -> Job:
    """Zoho → raw for a channel, for a range of channels, or for those its config names."""
    return dg.define_asset_job(
        "sync_channels",
        selection=dg.AssetSelection.assets(raw).without_checks(),
        partitions_def=channel_partitions,
        description="Zoho → raw. One partition is one channel; a batch of channels is one run.",
        tags=SYNC_TAG,
    )


def reconcile_job(checks: dg.AssetChecksDefinition) -> Job:
    """Every record compared with Zoho id by id, differences repaired."""
    return dg.define_asset_job(
        "reconcile_channels",
        selection=dg.AssetSelection.checks(checks),
        partitions_def=channel_partitions,
        description="Syncs, compares every module with Zoho id by id, repairs what differs; a check a module. Name the "
        "channels in the op's config.",
        tags=SYNC_TAG,
    )


def state_job() -> Job:
    """The freshness check of every channel; asks nobody but the registry."""
    return dg.define_asset_job(
        "check_freshness",
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(CHANNELS_KEY, FRESH)),
        partitions_def=channel_partitions,
        description="Which channels have no complete sync of the last day and a half.",
        tags=STATE_TAG | NEVER_RETRIED,
    )


def marts_job(models: dg.AssetsDefinition) -> Job:
    """Raw → marts for the channels whose data or settings changed, with all checks."""
    return dg.define_asset_job(
        "refresh_marts",
        selection=dg.AssetSelection.assets(models),
        description="Raw → marts for every channel that changed, checks included; published in one piece.",
        tags=MARTS_TAG,
    )


def weekly_insight_job(models: dg.AssetsDefinition) -> Job:
    """The same for all channels, and the channel_insight rows it writes are marked `is_weekly`."""
    return dg.define_asset_job(
        "weekly_insight",
        selection=dg.AssetSelection.assets(models),
        description="The weekly ChannelInsight of every channel; its rows are marked is_weekly and kept.",
        config={"ops": {MODELS_OP: {"config": {"weekly": True, "full": True}}}},
        tags=MARTS_TAG,
    )

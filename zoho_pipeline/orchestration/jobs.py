"""Jobs: what a person or a schedule can launch as one thing."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from zoho_pipeline.orchestration.partitions import channel_partitions

SYNC_TAG = {"zoho_pipeline/kind": "sync"}
MARTS_TAG = {"zoho_pipeline/kind": "marts"}


def sync_job(raw: dg.AssetsDefinition) -> UnresolvedAssetJobDefinition:
    """Zoho → raw for a channel, or for a range of channels in one run."""
    return dg.define_asset_job(
        "sync_channels",
        selection=dg.AssetSelection.assets(raw),
        partitions_def=channel_partitions,
        description="Zoho → raw. One partition is one channel; a range of partitions is one run.",
        tags=SYNC_TAG,
    )


def marts_job(models: dg.AssetsDefinition) -> UnresolvedAssetJobDefinition:
    """Raw → marts for the channels whose data or settings changed, with all checks."""
    return dg.define_asset_job(
        "refresh_marts",
        selection=dg.AssetSelection.assets(models),
        description="Raw → marts for every channel that changed, checks included; published in one piece.",
        tags=MARTS_TAG,
    )


def weekly_insight_job(models: dg.AssetsDefinition, op_name: str) -> UnresolvedAssetJobDefinition:
    """The same for all channels, and the channel_insight rows it writes are marked `is_weekly`."""
    return dg.define_asset_job(
        "weekly_insight",
        selection=dg.AssetSelection.assets(models),
        description="The weekly ChannelInsight of every channel; its rows are marked is_weekly and kept.",
        config={"ops": {op_name: {"config": {"weekly": True, "full": True}}}},
        tags=MARTS_TAG,
    )

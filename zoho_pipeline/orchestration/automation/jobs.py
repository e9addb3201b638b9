"""Jobs: what a person, a schedule or a sensor launches as one run."""

import dagster as dg

from zoho_pipeline.orchestration.assets.asset_events import CHANNELS_KEY, FRESH
from zoho_pipeline.orchestration.assets.model_assets import MODELS_OP
from zoho_pipeline.orchestration.instance.asset_job import AssetJob
from zoho_pipeline.orchestration.partitions import channel_partitions

KIND = "zoho_pipeline/kind"
SYNC_TAG, MARTS_TAG, STATE_TAG = {KIND: "sync"}, {KIND: "marts"}, {KIND: "state"}
NO_RUN_RETRIES = {"dagster/max_retries": "0"}  # the next tick of the schedule is the retry


def sync_job(raw: dg.AssetsDefinition) -> AssetJob:
    """Zoho → raw for one partition, for a range of partitions, or for the channels that the op's config names."""
    return dg.define_asset_job(
        "sync_channels",
        selection=dg.AssetSelection.assets(raw).without_checks(),
        partitions_def=channel_partitions,
        description="Loads what changed in Zoho into the raw tables. One partition is one channel. One run can sync "
        "many channels.",
        tags=SYNC_TAG,
    )


def reconcile_job(checks: dg.AssetChecksDefinition) -> AssetJob:
    """Compares every record with Zoho id by id and repairs the differences."""
    return dg.define_asset_job(
        "reconcile_channels",
        selection=dg.AssetSelection.checks(checks),
        partitions_def=channel_partitions,
        description="Syncs, then compares every module with Zoho id by id, repairs the differences, and logs one "
        "check per module. Name the channels in the config of the op.",
        tags=SYNC_TAG,
    )


def freshness_job() -> AssetJob:
    """The check `fresh` of every channel. It reads only the registry."""
    return dg.define_asset_job(
        "check_freshness",
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(CHANNELS_KEY, FRESH)),
        partitions_def=channel_partitions,
        description="Finds the channels whose last complete sync is older than 26 hours.",
        tags=STATE_TAG | NO_RUN_RETRIES,
    )


def marts_job(models: dg.AssetsDefinition) -> AssetJob:
    """Raw → marts for the channels whose data or settings changed, with all checks."""
    return dg.define_asset_job(
        "refresh_marts",
        selection=dg.AssetSelection.assets(models),
        description="Rebuilds the models of every channel that changed, runs the checks, and publishes all marts "
        "together.",
        tags=MARTS_TAG,
    )


def weekly_insight_job(models: dg.AssetsDefinition) -> AssetJob:
    """Raw → marts for all channels. The rows that it writes to channel_insight are marked `is_weekly`."""
    return dg.define_asset_job(
        "weekly_insight",
        selection=dg.AssetSelection.assets(models),
        description="Builds the weekly row of channel_insight for every channel. It is marked is_weekly and is kept.",
        config={"ops": {MODELS_OP: {"config": {"weekly": True, "full": True}}}},
        tags=MARTS_TAG,
    )

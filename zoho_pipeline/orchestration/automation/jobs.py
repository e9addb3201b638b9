"""Jobs: what a person, a schedule or a sensor launches as one run."""

import dagster as dg

from zoho_pipeline.orchestration.assets.asset_events import FRESH
from zoho_pipeline.orchestration.instance.asset_job import AssetJob
from zoho_pipeline.orchestration.naming import (
    FRESHNESS_JOB,
    MARTS_JOB,
    MODELS_OP,
    RECONCILE_JOB,
    SYNC_JOB,
    WEEKLY_JOB,
    Naming,
)

KIND = "zoho_pipeline/kind"
SYNC_TAG, MARTS_TAG, FRESHNESS_TAG = {KIND: "sync"}, {KIND: "marts"}, {KIND: "freshness"}
IN_PROCESS = dg.in_process_executor  # a run has one or two steps: a process per step would only cost time
NO_RUN_RETRIES = {"dagster/max_retries": "0"}  # the next tick of the schedule is the retry


def sync_job(naming: Naming, raw: dg.AssetsDefinition) -> AssetJob:
    """Zoho → raw for one partition, for a range of partitions, or for the channels that the op's config names."""
    return dg.define_asset_job(
        naming.name(SYNC_JOB),
        selection=dg.AssetSelection.assets(raw).without_checks(),
        description="Loads what changed in Zoho into the raw tables. One partition is one channel. One run can sync "
        "many channels.",
        tags=SYNC_TAG,
        executor_def=IN_PROCESS,
    )


def reconcile_job(naming: Naming, checks: dg.AssetChecksDefinition) -> AssetJob:
    """Compares every record with Zoho id by id and repairs the differences."""
    return dg.define_asset_job(
        naming.name(RECONCILE_JOB),
        selection=dg.AssetSelection.checks(checks),
        description="Syncs, then compares every module with Zoho id by id, repairs the differences, and logs one "
        "check per module. Name the channels in the config of the op.",
        tags=SYNC_TAG,
        executor_def=IN_PROCESS,
    )


def freshness_job(naming: Naming) -> AssetJob:
    """The check `fresh` of every channel. It reads only the registry."""
    return dg.define_asset_job(
        naming.name(FRESHNESS_JOB),
        selection=dg.AssetSelection.checks(dg.AssetCheckKey(naming.channels_key, FRESH)),
        description="Finds the channels whose last complete sync is older than 26 hours.",
        tags=FRESHNESS_TAG | NO_RUN_RETRIES,
        executor_def=IN_PROCESS,
    )


def marts_job(naming: Naming, models: dg.AssetsDefinition) -> AssetJob:
    """Raw → marts for the channels whose data or settings changed, with all checks."""
    return dg.define_asset_job(
        naming.name(MARTS_JOB),
        selection=dg.AssetSelection.assets(models),
        description="Rebuilds the models of every channel that changed, runs the checks, and publishes all marts "
        "together.",
        tags=MARTS_TAG,
        executor_def=IN_PROCESS,
    )


def weekly_insight_job(naming: Naming, models: dg.AssetsDefinition) -> AssetJob:
    """Raw → marts for all channels. The rows that it writes to channel_insight are marked `is_weekly`."""
    return dg.define_asset_job(
        naming.name(WEEKLY_JOB),
        selection=dg.AssetSelection.assets(models),
        description="Builds the weekly row of channel_insight for every channel. It is marked is_weekly and is kept.",
        config={"ops": {naming.name(MODELS_OP): {"config": {"weekly": True, "full": True}}}},
        tags=MARTS_TAG,
        executor_def=IN_PROCESS,
    )

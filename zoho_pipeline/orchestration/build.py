"""Definitions from settings: every asset, check, job, schedule and sensor of the code location."""

import warnings
from typing import TYPE_CHECKING

import dagster as dg

from zoho_pipeline.orchestration.assets.channel_checks import build_channel_checks
from zoho_pipeline.orchestration.assets.model_assets import build_model_assets, seed_specs
from zoho_pipeline.orchestration.assets.model_manifest import load_catalogue
from zoho_pipeline.orchestration.assets.raw_assets import build_raw_assets
from zoho_pipeline.orchestration.assets.raw_specs import zoho_specs
from zoho_pipeline.orchestration.automation.failure_sensor import build_failure_hook, checked_webhook
from zoho_pipeline.orchestration.automation.jobs import (
    marts_job,
    reconcile_job,
    state_job,
    sync_job,
    weekly_insight_job,
)
from zoho_pipeline.orchestration.automation.schedules import build_schedules
from zoho_pipeline.orchestration.automation.sensors import build_sensors
from zoho_pipeline.orchestration.services import Rooms
from zoho_pipeline.settings import Settings

if TYPE_CHECKING:
    from zoho_pipeline.ingest.limits import SyncLimits


def build(settings: Settings, limits: "SyncLimits | None" = None) -> dg.Definitions:
    """The code location for these settings; nothing is connected to until something runs.

    `limits`: the limits of each sync; None: the product's.
    """
    with warnings.catch_warnings():
        # Links to files are beta in Dagster 1.13, checks by partition a preview: known, and not worth a line a load.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return _build(Rooms(settings, limits))


def _build(rooms: Rooms) -> dg.Definitions:
    settings = rooms.settings
    catalogue = load_catalogue(settings)
    raw, models = build_raw_assets(rooms.dialect), build_model_assets(catalogue, rooms.dialect)
    reconcile_check, state_check = build_channel_checks()
    sync, marts, weekly = sync_job(raw), marts_job(models), weekly_insight_job(models)
    reconcile, state = reconcile_job(reconcile_check), state_job()
    return dg.Definitions(
        assets=[*zoho_specs(), *seed_specs(catalogue), raw, models],
        asset_checks=[reconcile_check, state_check],
        jobs=[sync, reconcile, marts, weekly, state],
        schedules=build_schedules(sync, reconcile, weekly, state, settings.schedule_timezone),
        sensors=[*build_sensors(sync, marts), build_failure_hook(checked_webhook(settings.failure_webhook))],
        resources={"rooms": dg.ResourceDefinition.hardcoded_resource(rooms)},
        executor=dg.in_process_executor,  # a run is one or two steps: a process of its own for each buys nothing
    )

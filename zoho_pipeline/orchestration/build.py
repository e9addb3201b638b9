"""Builds the Dagster definitions from the settings: every asset, check, job, schedule and sensor."""

import warnings
from typing import TYPE_CHECKING

import dagster as dg

from zoho_pipeline.orchestration.assets.channel_checks import build_channel_checks
from zoho_pipeline.orchestration.assets.model_assets import build_model_assets, seed_specs
from zoho_pipeline.orchestration.assets.model_manifest import load_model_manifest
from zoho_pipeline.orchestration.assets.raw_assets import build_raw_assets
from zoho_pipeline.orchestration.assets.raw_specs import zoho_specs
from zoho_pipeline.orchestration.automation.failure_sensor import build_failure_sensor, require_safe_webhook
from zoho_pipeline.orchestration.automation.jobs import (
    freshness_job,
    marts_job,
    reconcile_job,
    sync_job,
    weekly_insight_job,
)
from zoho_pipeline.orchestration.automation.known_assets import build_known_assets_sensor
from zoho_pipeline.orchestration.automation.schedules import build_schedules
from zoho_pipeline.orchestration.automation.sensors import build_sensors
from zoho_pipeline.orchestration.automation.sync_request_sensor import build_sync_request_sensor
from zoho_pipeline.orchestration.services import Services
from zoho_pipeline.settings import Settings

if TYPE_CHECKING:
    from zoho_pipeline.ingest.limits import SyncLimits


def build(settings: Settings, limits: "SyncLimits | None" = None) -> dg.Definitions:
    """The definitions of the code location. Nothing connects to a database or to Zoho before a run, sensor or schedule.

    Args:
        limits: the limits of each sync; None means the limits of the product.

    Raises:
        SettingsError: the failure webhook is not a URL that we send to.
        ProjectError: a model of the SQL project or its yml is wrong.
    """
    with warnings.catch_warnings():
        # Links to files are beta in Dagster 1.13, and checks with partitions are a preview. We use both on purpose.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return _build(Services(settings, limits))


def _build(services: Services) -> dg.Definitions:
    settings = services.settings
    manifest = load_model_manifest(settings)
    raw, models = build_raw_assets(services.dialect), build_model_assets(manifest, services.dialect)
    reconcile_check, state_check = build_channel_checks()
    sync, marts, weekly = sync_job(raw), marts_job(models), weekly_insight_job(models)
    reconcile, freshness = reconcile_job(reconcile_check), freshness_job()
    return dg.Definitions(
        assets=[*zoho_specs(), *seed_specs(manifest), raw, models],
        asset_checks=[reconcile_check, state_check],
        jobs=[sync, reconcile, marts, weekly, freshness],
        schedules=build_schedules(sync, reconcile, weekly, freshness, settings.schedule_timezone),
        sensors=[
            *build_sensors(sync, marts),
            build_sync_request_sensor(sync),
            build_known_assets_sensor(manifest),
            build_failure_sensor(require_safe_webhook(settings.failure_webhook)),
        ],
        resources={"services": dg.ResourceDefinition.hardcoded_resource(services)},
        executor=dg.in_process_executor,  # a run has one or two steps: a process per step would only cost time
    )

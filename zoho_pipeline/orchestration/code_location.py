"""Builds the Dagster definitions from the settings: every asset, check, job, schedule and sensor."""

import warnings

import dagster as dg

from zoho_pipeline.orchestration.assets.channel_checks import build_channel_checks
from zoho_pipeline.orchestration.assets.model_assets import build_model_assets
from zoho_pipeline.orchestration.assets.model_manifest import load_model_manifest
from zoho_pipeline.orchestration.assets.model_specs import model_specs, seed_specs
from zoho_pipeline.orchestration.assets.raw_assets import build_raw_assets
from zoho_pipeline.orchestration.assets.raw_specs import raw_specs, zoho_specs
from zoho_pipeline.orchestration.automation.failure_sensor import build_failure_sensor, require_safe_webhook
from zoho_pipeline.orchestration.automation.jobs import (
    freshness_job,
    marts_job,
    reconcile_job,
    sync_job,
    weekly_insight_job,
)
from zoho_pipeline.orchestration.automation.known_assets import build_known_assets_sensor
from zoho_pipeline.orchestration.automation.model_changes import MODELS_CHANGED, build_condition_sensor
from zoho_pipeline.orchestration.automation.schedules import build_schedules
from zoho_pipeline.orchestration.automation.sensors import build_sensors
from zoho_pipeline.orchestration.automation.sync_request_sensor import build_sync_request_sensor
from zoho_pipeline.orchestration.overrides import Finish, Overrides, require_known_places
from zoho_pipeline.orchestration.services import Services
from zoho_pipeline.settings import Settings, UsageError


def build(settings: Settings, overrides: Overrides | None = None) -> dg.Definitions:
    """The definitions of the pipeline, alone or to be merged into those of somebody else (docs/dagster.md).

    Nothing connects to a database or to Zoho before a run, sensor or schedule. The environment is not read.

    Args:
        settings: of `load_settings`. Two builds with different settings may live in one Dagster instance.
        overrides: changes of names, owners, tags and automation; None for none.

    Raises:
        SettingsError: the failure webhook is not a URL that we send to.
        UsageError: an override names an asset that does not exist, `overrides` is none of `Overrides`, or `settings`
            are none of `load_settings`.
        ProjectError: a model of the SQL project or its yml is wrong.
    """
    if overrides is not None and not isinstance(overrides, Overrides):
        raise UsageError(f"build(…, {overrides!r}): it takes overrides as Overrides(prefix='crm').")
    if not isinstance(settings, Settings):
        raise UsageError("build(settings, overrides): settings takes those of load_settings().")
    with warnings.catch_warnings():
        # Links to files are beta in Dagster 1.13, and checks with partitions are a preview. We use both on purpose.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return _build(settings, overrides or Overrides())


def _build(settings: Settings, overrides: Overrides) -> dg.Definitions:
    services, naming = Services(settings, overrides.limits), overrides.naming
    manifest = load_model_manifest(settings)
    finish = Finish(overrides, settings.dagster_owners, MODELS_CHANGED if overrides.sensors else None)
    zoho, seeds = finish.all(zoho_specs(naming)), finish.all(seed_specs(naming, manifest))
    tables = finish.all(raw_specs(naming, services.dialect))
    marts = finish.all(model_specs(naming, manifest, services.dialect))
    specs = [*zoho, *seeds, *tables, *marts]
    require_known_places(overrides, [*tables, *marts], [*zoho, *seeds])
    raw, models = build_raw_assets(naming, tables), build_model_assets(naming, manifest, marts)
    reconcile_check, status_check = build_channel_checks(naming)
    sync, refresh, weekly = sync_job(naming, raw), marts_job(naming, models), weekly_insight_job(naming, models)
    reconcile, freshness = reconcile_job(naming, reconcile_check), freshness_job(naming)
    schedules = build_schedules(naming, sync, reconcile, weekly, freshness, settings.schedule_timezone)
    sensors = [
        *build_sensors(naming, sync, refresh),
        build_sync_request_sensor(naming, sync),
        build_known_assets_sensor(naming, manifest),
        build_condition_sensor(naming, [spec.key for spec in specs if spec.automation_condition is not None]),
        build_failure_sensor(
            naming, require_safe_webhook(settings.failure_webhook), frozenset(spec.key for spec in specs)
        ),
    ]
    return dg.Definitions(
        assets=[*zoho, *seeds, raw, models],
        asset_checks=[reconcile_check, status_check],
        jobs=[sync, reconcile, refresh, weekly, freshness],
        schedules=schedules if overrides.schedules else None,
        sensors=[sensor for sensor in sensors if sensor is not None] if overrides.sensors else None,
        resources={naming.resource: dg.ResourceDefinition.hardcoded_resource(services)},
    )

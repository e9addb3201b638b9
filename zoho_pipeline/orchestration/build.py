"""Definitions from settings: every asset, check, job, schedule and sensor of the code location."""

import dagster as dg

from zoho_pipeline.orchestration.jobs import marts_job, sync_job, weekly_insight_job
from zoho_pipeline.orchestration.model_assets import MODELS_OP, build_model_assets
from zoho_pipeline.orchestration.raw_assets import build_raw_assets
from zoho_pipeline.orchestration.resources import Rooms
from zoho_pipeline.orchestration.schedules import build_schedules
from zoho_pipeline.orchestration.sensors import build_sensors
from zoho_pipeline.settings import Settings


def build(settings: Settings) -> dg.Definitions:
    """The code location for these settings; nothing is connected to until something runs."""
    rooms = Rooms(settings)
    dialect = rooms.warehouse.dialect
    raw, models = build_raw_assets(dialect), build_model_assets(dialect)
    sync, marts, weekly = sync_job(raw), marts_job(models), weekly_insight_job(models, MODELS_OP)
    return dg.Definitions(
        assets=[raw, models],
        jobs=[sync, marts, weekly],
        schedules=build_schedules(sync, weekly, settings.schedule_timezone),
        sensors=build_sensors(sync, marts),
        resources={"rooms": dg.ResourceDefinition.hardcoded_resource(rooms)},
        executor=dg.in_process_executor,  # a run is one or two steps: a process of its own for each buys nothing
    )

"""The condition `MODELS_CHANGED`: the marts are built again when a release changes the SQL, also without a new sync.

It is a condition of Dagster and no sensor of ours, because it says the same in one line. What follows the syncs is a
sensor (`sensors.py`): a condition sees only what Dagster itself has materialized, and commands and the worker sync too.
"""

from collections.abc import Sequence

import dagster as dg

from zoho_pipeline.orchestration.automation.jobs import MARTS_TAG
from zoho_pipeline.orchestration.naming import Naming

MODELS_CHANGED = (
    dg.AutomationCondition.code_version_changed().since(dg.AutomationCondition.newly_requested())
    & ~dg.AutomationCondition.in_progress()
).with_label("the SQL models changed")
"""All models carry the fingerprint of the whole SQL project, so one change asks for one run of all models. A refresh
that is running ends first. If it had the new models, the run finds nothing to build."""

INTERVAL_SECONDS = 60


def build_condition_sensor(
    naming: Naming, assets: Sequence[dg.AssetKey]
) -> dg.AutomationConditionSensorDefinition | None:
    """The sensor `automation_conditions`, which evaluates the conditions of these assets; None if there are none."""
    if not assets:
        return None
    return dg.AutomationConditionSensorDefinition(
        name=naming.name("automation_conditions"),
        target=dg.AssetSelection.assets(*assets),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=INTERVAL_SECONDS,
        run_tags=MARTS_TAG,
        description="Builds the marts again when the SQL models have changed, as after an upgrade. Where the project "
        "sets conditions of its own, it evaluates those.",
    )

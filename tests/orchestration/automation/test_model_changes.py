"""The condition of the models: a changed SQL project asks for one run of all models."""

import json
from dataclasses import replace
from typing import Any

import dagster as dg

from tests.orchestration.automation.ticks import submit
from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration import build
from zoho_pipeline.orchestration.assets.model_manifest import load_model_manifest


def changed(deployment: Deployment) -> dg.Definitions:
    """The definitions after an upgrade that changed the SQL: the manifest has another fingerprint."""
    models = load_model_manifest(deployment.settings).models
    (path,) = (deployment.settings.home / "dagster").glob("models-*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "of the new release"}))
    defs = build(deployment.settings)
    assert len(models) == len(models_of(defs))
    return defs


def models_of(defs: dg.Definitions) -> list[dg.AssetKey]:
    return [spec.key for spec in defs.resolve_all_asset_specs() if spec.code_version]


def evaluate(deployment: Deployment, cursor: Any = None) -> Any:
    """A tick of the sensor `automation_conditions`."""
    selection = dg.AssetSelection.assets(*models_of(deployment.defs))
    return dg.evaluate_automation_conditions(
        deployment.defs, deployment.instance, asset_selection=selection, cursor=cursor
    )


def test_changed_models_are_built_once_and_after_the_refresh_that_is_running(in_memory: Deployment) -> None:
    before = evaluate(in_memory)
    assert before.total_requested == 0, "a new instance builds the marts after the first sync"
    defs = changed(in_memory)
    new = replace(in_memory, defs=defs)
    refresh = submit(new, dg.RunRequest(), "refresh_marts", dg.DagsterRunStatus.STARTED)
    waiting = evaluate(new, before.cursor)
    lead = dg.AssetKey(["marts", "lead"])  # the one asset of the run that `submit` makes
    assert waiting.get_num_requested(lead) == 0
    new.instance.report_run_canceled(refresh)
    after = evaluate(new, waiting.cursor)
    assert after.get_num_requested(lead) == 1
    assert waiting.total_requested + after.total_requested == len(models_of(defs))
    again = evaluate(new, after.cursor)
    assert again.total_requested == 0


def test_the_sensor_asks_for_one_run_that_counts_as_a_refresh(deployment: Deployment) -> None:
    sensor = deployment.defs.resolve_sensor_def("automation_conditions")
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
    assert sensor.run_tags == {"zoho_pipeline/kind": "marts"}
    graph = deployment.defs.resolve_asset_graph()
    assert sensor.asset_selection.resolve(graph) == set(models_of(deployment.defs))

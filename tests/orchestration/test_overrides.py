"""Overrides: names that do not collide, owners, conditions, and definitions without our sensors."""

import os
import subprocess
import sys
import warnings
from collections import namedtuple
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.production import ROOT
from tests.orchestration.automation.ticks import tomorrow
from tests.orchestration.conftest import Deployment
from zoho_pipeline.orchestration import Overrides, build
from zoho_pipeline.orchestration.naming import JOBS
from zoho_pipeline.setting_checks import dagster_owners
from zoho_pipeline.settings import Settings, UsageError, load_settings


@pytest.fixture
def settings(settings_env: Callable[..., dict[str, str]]) -> Settings:
    return load_settings(settings_env())


def names(defs: dg.Definitions) -> dict[str, set[str]]:
    """What Dagster finds by name, of definitions."""
    specs = list(defs.resolve_all_asset_specs())
    return {
        "assets": {spec.key.to_user_string() for spec in specs},
        "groups": {str(spec.group_name) for spec in specs},
        "partitions": {str(spec.partitions_def.name) for spec in specs if spec.partitions_def},  # type: ignore[attr-defined]
        "jobs": {job.name for job in defs.jobs or []},
        "schedules": {schedule.name for schedule in defs.schedules or []},
        "sensors": {sensor.name for sensor in defs.sensors or []},
        "resources": set(defs.resources or {}),
        "ops": {asset.node_def.name for asset in defs.resolve_asset_graph().assets_defs if asset.is_executable},
    }


@pytest.mark.long
def test_three_builds_in_one_instance_share_no_name(settings: Settings) -> None:
    builds = [build(settings), *(build(settings, Overrides(prefix=prefix)) for prefix in ("east", "west"))]
    found = [names(defs) for defs in builds]
    for kind in found[0]:
        assert all(each[kind] for each in found), kind
        assert len(set().union(*(each[kind] for each in found))) == sum(len(each[kind]) for each in found), kind
    merged = dg.Definitions.merge(*(build(settings, Overrides(prefix=prefix)) for prefix in ("", "east", "west")))
    merged.get_repository_def().load_all_definitions()


@pytest.mark.long
def test_each_build_has_nights_and_refreshes_of_its_own(deployment: Deployment) -> None:
    """Both builds know a channel `acme`. A run of one must not count as a sync of the other."""
    at = tomorrow()
    requests = {}
    for prefix in ("east", "west"):
        defs = build(deployment.settings, Overrides(prefix=prefix))
        context = dg.build_schedule_context(
            instance=deployment.instance, resources=dict(defs.resources or {}), scheduled_execution_time=at
        )
        (request,) = defs.resolve_schedule_def(f"{prefix}_nightly_sync").evaluate_tick(context).run_requests or []
        assert request.run_config == {"ops": {f"{prefix}_zoho_raw": {"config": {"channels": ["acme", "bolt"]}}}}
        deployment.instance.create_run_for_job(
            defs.resolve_job_def(f"{prefix}_sync_channels"),
            run_config=dict(request.run_config),
            tags=dict(request.tags),
        )
        assert not defs.resolve_schedule_def(f"{prefix}_nightly_sync").evaluate_tick(context).run_requests
        requests[prefix] = request
    assert len(requests) == 2


def test_the_failure_sensor_reports_our_runs_only(settings: Settings) -> None:
    naming = Overrides(prefix="crm").naming
    keys = {naming.raw_key("leads")}
    assert all(naming.owns(dg.DagsterRun(job_name=f"crm_{job}"), keys) for job in JOBS)
    assert not naming.owns(dg.DagsterRun(job_name="sync_channels"), keys), "the host has such a job too"
    ad_hoc = dg.DagsterRun(job_name="__ASSET_JOB", asset_selection=frozenset(keys))
    assert naming.owns(ad_hoc, keys)
    assert not naming.owns(ad_hoc, {dg.AssetKey("monday_report")})


def test_owners_and_conditions_are_chosen_by_asset_layer_or_models(settings: Settings) -> None:
    eager, cron = dg.AutomationCondition.eager(), dg.AutomationCondition.on_cron("0 7 * * *")
    defs = build(
        replace(settings, dagster_owners=("team:nobody",)),
        Overrides(
            owners={
                "raw": ["team:data"],
                "models": ["ana@example.com"],
                "marts/lead": ["team:sales", "bo@example.com"],
            },
            automation_conditions={"models": eager, "insight": cron},
            key_prefix=["lake", "zoho"],
        ),
    )
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    found = {key: (list(spec.owners), spec.automation_condition) for key, spec in specs.items()}
    assert found["lake/zoho/zoho_raw/leads"] == (["team:data"], None)
    assert found["lake/zoho/staging/stg_leads"] == (["ana@example.com"], eager)
    assert found["lake/zoho/marts/lead"] == (["team:sales", "bo@example.com"], eager)
    assert found["lake/zoho/marts/channel_insight"] == (["ana@example.com"], cron)
    assert found["lake/zoho/zoho_crm/Leads"] == ([], None)
    sensor = defs.resolve_sensor_def("automation_conditions")
    assert isinstance(sensor, dg.AutomationConditionSensorDefinition)


def test_a_host_can_do_without_our_sensors_and_schedules(settings: Settings) -> None:
    """Then no condition of ours is left either: the host's default sensor would evaluate it."""
    defs = build(settings, Overrides(sensors=False, schedules=False))
    assert not list(defs.sensors or []) + list(defs.schedules or [])
    assert all(spec.automation_condition is None for spec in defs.resolve_all_asset_specs())
    assert {job.name for job in defs.jobs or []} == set(JOBS)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"prefix": "my crm"}, "letters, digits"),
    ({"prefix": "1crm"}, "begins with a letter"),
    ({"prefix": "_crm"}, "begins with a letter"),
    ({"prefix": None}, "letters, digits"),
    ({"resource_key": "class"}, "for something else"),
    ({"resource_key": "io_manager"}, "for something else"),
    ({"group_prefix": 5}, "letters, digits"),
    ({"marts_pool": ""}, "letters, digits"),
    ({"key_prefix": "crm"}, r"\['crm'\]"),
    ({"key_prefix": [" "]}, "letters, digits"),
    ({"key_prefix": [5]}, "letters, digits"),
    ({"key_prefix": ["a/b"]}, "none has a /"),
    ({"owners": ["nobody"]}, "ana@example.com, team:crm"),
    ({"owners": "team:x"}, r"\['team:x'\]"),
    ({"owners": {"raw": ["team:"]}}, "team:NAME"),
    ({"owners": {"raw": "team:x"}}, r"\['team:x'\]"),
    ({"owners": ["ana@example.com,team:x"]}, "is not one owner"),
    ({"owners": [" team:x"]}, "without blanks"),
    ({"owners": [None]}, "is not one owner"),
    ({"owners": {"bronze": ["team:x"]}}, "no layer and no asset"),
    ({"automation_conditions": {"marts/leed": dg.AutomationCondition.eager()}}, "marts/channel_insight"),
    ({"tags": {"pii": "no"}}, "Choose another name"),
    ({"tags": {"my domain": "sales"}}, "Allowed characters"),
    ({"tags": {"domain": 5}}, "must be strings"),
    ({"tags": None}, "it takes a mapping"),
    ({"automation_conditions": dg.AutomationCondition.eager()}, "'models': AutomationCondition"),
    ({"automation_conditions": {"models": "eager"}}, "AutomationCondition"),
    ({"limits": 5}, "SyncLimits"),
    ({"key_prefix": 5}, r"\['crm'\]"),
    ({"key_prefix": (word for word in ["crm"])}, r"\['crm'\]"),
    ({"owners": (owner for owner in ["team:x"])}, "it takes a list"),
    ({"sensors": "false"}, "True or False"),
    ({"schedules": None}, "True or False"),
    ({"automation_conditions": {"source": dg.AutomationCondition.eager()}}, "nothing materializes 'source'"),
    ({"automation_conditions": {"zoho_crm/Leads": dg.AutomationCondition.eager()}}, "nothing materializes"),
]


@pytest.mark.parametrize(
    ("wrong", "cure"), WRONG, ids=[f"{next(iter(wrong))}-{n}" for n, (wrong, _) in enumerate(WRONG)]
)
def test_a_wrong_override_is_refused_with_what_it_takes(settings: Settings, wrong: dict[str, Any], cure: str) -> None:
    with pytest.raises(UsageError, match=cure) as error:
        build(settings, Overrides(**wrong))
    assert next(iter(wrong)) in str(error.value)


def test_overrides_are_no_mapping(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"Overrides\(prefix='crm'\)"):
        build(settings, {"prefix": "crm"})  # type: ignore[arg-type]


def test_settings_are_those_of_load_settings() -> None:
    with pytest.raises(UsageError, match=r"load_settings\(\)"):
        build(Overrides(prefix="crm"))  # type: ignore[arg-type]


@given(st.text("abz019_ -", max_size=6))
def test_each_prefix_is_refused_at_once_or_is_a_name_for_dagster(prefix: str) -> None:
    with suppress(UsageError):
        naming = Overrides(prefix=prefix).naming
        assert naming.resource.isidentifier()
        namedtuple("resources", naming.resource)  # what Dagster does with the resources of a run
        dg.AssetSpec(naming.raw_key("leads"), group_name=naming.group("raw"))
        dg.Definitions(
            resources={naming.resource: 1},
            jobs=[dg.define_asset_job(naming.name("sync_channels"))],
        ).get_repository_def()


@given(st.lists(st.from_regex(r"(team:)?[a-z .@|:-]{0,12}(\.[a-z]{0,8})?", fullmatch=True), max_size=3))
def test_owners_that_we_take_are_owners_for_dagster(given_owners: list[str]) -> None:
    from dagster._core.definitions.utils import is_valid_owner

    owners: tuple[str, ...] = ()
    with suppress(ValueError):
        owners = dagster_owners(", ".join(given_owners))
    assert all(is_valid_owner(owner) for owner in owners)


@pytest.mark.long
def test_the_package_reads_no_environment_and_imports_dagster_at_first_use() -> None:
    code = (
        "import sys, zoho_pipeline.orchestration as o; assert 'dagster' not in sys.modules;"
        " o.build; o.Overrides(prefix='crm'); assert 'dagster' in sys.modules; print('done')"
    )
    env = {**os.environ, "ZOHO_PIPELINE_SYNC_LAG": "nonsense", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "done\n", done.stderr


def test_the_definitions_load_without_a_warning(settings: Settings) -> None:
    """Dagster warns of what its next release removes. The tests otherwise ignore such warnings of libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(settings, Overrides(prefix="crm")).get_repository_def().load_all_definitions()

"""A Dagster project of somebody else (examples/dagster_host), which merges our definitions into its own."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from scripts.production import ROOT
from tests.orchestration.conftest import NO_WAITS, Deployment
from zoho_pipeline.simulator import Simulator
from zoho_pipeline.warehouse.warehouse import open_warehouse

REPORT = dg.AssetKey(["monday_report"])
INSIGHT = dg.AssetKey(["crm", "marts", "channel_insight"])


@pytest.fixture
def project(
    in_memory: Deployment,
    simulator: Simulator,
    settings_env: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Deployment]:
    """The definitions of the host, which read the environment of its process."""
    for name, value in settings_env(ZOHO_PIPELINE_DATA_CENTERS=json.dumps({"sim": simulator.url})).items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "dagster_host" / "src"))
    try:
        yield replace(in_memory, defs=importlib.import_module("acme_analytics.definitions").defs)
    finally:
        for name in [name for name in sys.modules if name.startswith("acme_analytics")]:
            del sys.modules[name]


@pytest.fixture
def host(project: Deployment) -> Deployment:
    """The same, with two synced channels."""
    project.instance.add_dynamic_partitions("crm_channels", list(project.orgs))
    assert sync(project, "acme", "bolt").success
    return project


def sync(host: Deployment, *channels: str) -> dg.ExecuteInProcessResult:
    config = {"ops": {"crm_zoho_raw": {"config": {"channels": list(channels), **NO_WAITS}}}}
    return host.run("crm_sync_channels", run_config=config)


def models_and_report(host: Deployment) -> dg.ExecuteInProcessResult:
    """One run of all our models and of the host's own asset, as when a person selects them together."""
    specs = host.defs.resolve_all_asset_specs()
    models = [spec.key for spec in specs if spec.key.path[0] == "crm" and spec.key.path[1] not in NOT_MODELS]
    job = host.defs.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(instance=host.instance, asset_selection=[*models, REPORT], raise_on_error=False)


NOT_MODELS = ("zoho_crm", "zoho_raw", "seeds")


def evaluate(host: Deployment, cursor: Any = None) -> Any:
    """A tick of the host's conditions."""
    selection = dg.AssetSelection.assets(REPORT)
    return dg.evaluate_automation_conditions(host.defs, host.instance, asset_selection=selection, cursor=cursor)


def materialized(result: dg.ExecuteInProcessResult) -> set[dg.AssetKey]:
    return {event.asset_key for event in result.get_asset_materialization_events() if event.asset_key}


@pytest.mark.long
def test_the_hosts_own_asset_follows_our_mart(host: Deployment) -> None:
    partitions = host.instance.get_materialized_partitions(dg.AssetKey(["crm", "zoho_raw", "leads"]))
    assert partitions == {"acme", "bolt"}
    before = evaluate(host)
    result = models_and_report(host)
    assert result.success
    assert {INSIGHT, REPORT} <= materialized(result)
    report = host.settings.home / "reports" / "monday.csv"
    assert report.read_text() == "channel_id,leads_this_month\nacme,5\nbolt,3\n"
    same = evaluate(host, before.cursor)
    host.orgs["acme"].insert("Leads", {"Last_Name": "Late", "Company": "Co"})
    assert sync(host, "acme").success
    assert host.run("crm_refresh_marts").success
    after = evaluate(host, same.cursor)
    assert after.get_num_requested(REPORT) == 1, "its own condition sees our mart"
    assert after.total_requested == 1


@pytest.mark.long
def test_a_failing_check_of_ours_stops_the_hosts_asset_in_the_same_run(host: Deployment) -> None:
    """The rows of the other channel are published. Of the failing one, the marts keep the last rows."""
    assert models_and_report(host).success
    with open_warehouse(host.settings).connect(read_only=False) as connection:
        connection.execute("insert into zoho_raw.leads select * from zoho_raw.leads where channel_id = 'acme' limit 1")
    host.orgs["bolt"].insert("Leads", {"Last_Name": "Late", "Company": "Co"})
    assert sync(host, "bolt").success
    result = models_and_report(host)
    assert not result.success
    assert INSIGHT in materialized(result)
    assert REPORT not in materialized(result)
    failed = [e for e in result.get_asset_check_evaluations() if not e.passed]
    graph = host.defs.resolve_asset_graph()
    checks = {key: graph.get_check_spec(key) for key in graph.asset_check_keys}
    blocking = [e for e in failed if checks[e.asset_check_key].blocking]
    assert blocking
    assert {str(e.metadata["channels"].value) for e in blocking} == {"acme"}
    text = checks[blocking[0].asset_check_key].description or ""
    assert "the channels with failing rows keep their last published rows" in text
    with open_warehouse(host.settings).published() as published:
        assert published is not None
        rows = published.fetch("select channel_id, leads_this_month from channel_insight order by channel_id")[1]
    assert rows == [("acme", 5), ("bolt", 4)]


def test_the_hosts_definitions_stay_its_own(project: Deployment) -> None:
    module = sys.modules["acme_analytics.definitions"]
    found = [name for name, value in vars(module).items() if isinstance(value, dg.Definitions)]
    assert found == ["defs"], "Dagster loads a module only if it has one"
    repository = project.defs.get_repository_def()
    repository.load_all_definitions()
    assert {"services", "crm_services"} <= set(project.defs.resources or {})
    assert project.defs.executor is None, "a job of the host keeps the executor of the host"
    specs = {spec.key: spec for spec in project.defs.resolve_all_asset_specs()}
    ours: list[Any] = [spec for key, spec in specs.items() if key.path[0] == "crm"]
    assert len(ours) == len(specs) - 1
    assert {tuple(spec.owners) for spec in ours} == {("team:revenue",)}
    assert {spec.tags["domain"] for spec in ours} == {"sales"}
    assert specs[INSIGHT].group_name == "crm_insight"
    assert all(name.startswith("crm_") for name in repository.job_names if not name.startswith("__ASSET"))

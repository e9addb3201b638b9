"""Loading a project: the order of models, references, docs, and errors with file and line."""

import re
from collections.abc import Callable

import pytest

from tests.transform.conftest import PROJECT
from tests.transform.portability import unsupported
from zoho_pipeline.settings import UsageError
from zoho_pipeline.transform.errors import ProjectError
from zoho_pipeline.transform.project.lineage import project_lineage
from zoho_pipeline.transform.project.project import Project
from zoho_pipeline.transform.run.checks import project_checks

MakeProject = Callable[..., Project]


def test_a_model_comes_after_the_models_that_it_reads(project: MakeProject) -> None:
    models = project()
    order = list(models.models)
    for model in models.models.values():
        assert all(order.index(name) < order.index(model.name) for name in model.depends_on if name in models.models)
    assert models.models["lead"].depends_on == ("stg_leads", "seed_names")
    assert models.models["stg_leads"].raw_tables == ("leads",)
    assert models.readers["lead"] == ("insight",)


def test_names_of_ctes_are_not_references(project: MakeProject) -> None:
    sql = """
        with recursive stg_channels as (select channel_id, 1 as n from stg_leads
            union all select channel_id, n + 1 from stg_channels where n < 3),
        int_clock as (select * from stg_channels)
        select channel_id from int_clock where channel_id in (select channel_id from insight)
    """
    model = project({"marts/extra.sql": sql}).models["extra"]
    assert set(model.depends_on) == {"stg_leads", "insight"}
    assert {r.name: r.line for r in model.references} == {"stg_leads": 1, "insight": 4}


@pytest.mark.parametrize(
    ("file", "sql", "message"),
    [
        ("marts/x.sql", "select 1 as a;\n\nselect 2 as a", r"marts/x\.sql:3: holds 2 statements"),
        ("marts/x.sql", "create table x as select 1", r"marts/x\.sql:1: is a CREATE"),
        ("marts/x.sql", "select a\nfrom lead\nwhere (a = 1", r"marts/x\.sql:3: is not SQL"),
        ("marts/x.sql", "select 'a", r"marts/x\.sql: is not SQL"),
        ("marts/x.sql", "-- nothing yet", r"marts/x\.sql:1: is empty"),
        ("marts/x.sql", "select a\nfrom nowhere", r"marts/x\.sql:2: reads nowhere, which is no model or seed"),
        ("marts/x.sql", "select a\nfrom zoho_raw.leads", r"x\.sql:2: reads zoho_raw\.leads; only staging reads"),
        ("metrics/x.sql", "select a\nfrom zoho_raw.leads", r"x\.sql:2: reads zoho_raw\.leads; only staging reads"),
        ("intermediate/x.sql", "select a\nfrom zoho_raw.leads", r"x\.sql:2: reads zoho_raw\.leads; only staging reads"),
        ("marts/x.sql", "select a\nfrom marts.lead", r"x\.sql:2: reads marts\.lead: models are read"),
        (
            "staging/stg_x.sql",
            "select a\n\nfrom zoho_raw.laeds",
            r"stg_x\.sql:3: reads zoho_raw\.laeds, declared in no",
        ),
        ("staging/lead.sql", "select 1 as a", r"marts/lead\.sql:1: is a second model called lead"),
        ("marts/Lead2.sql", "select 1 as a", r"Lead2\.sql:1: is called Lead2; names are lower case"),
        ("marts/run_channels.sql", "select 1 as a", r"run_channels\.sql: has the name of a relation that the runner"),
        ("seeds/lead.csv", "a\n1", r"seeds/lead\.csv: has the name of the model"),
        ("marts/x.yml", "models:\n  - name: laed", r"marts/x\.yml: documents laed, which is no model"),
        ("marts/x.yml", "models:\n  - name: lead", r"marts/x\.yml: documents lead again"),
        ("marts/x.yml", "models:\n  - nme: lead", r"marts/x\.yml: has an entry without a name"),
        ("marts/x.yml", "models: [\n  a: b: c", r"marts/x\.yml:2: is not YAML"),
        ("marts/x.yml", "- a", r"marts/x\.yml:1: is not a mapping"),
        ("marts/marts.yml", "models:\n  - name: lead\n    tests: [uniqe]", r"names an unknown test 'uniqe'"),
        ("marts/marts.yml", "models:\n  - name: lead\n    tests: [unique]", r"has a unique test without a column"),
        ("marts/marts.yml", "models:\n  - {name: lead, config: {severity: bad}}", r"has severity 'bad'"),
        ("marts/marts.yml", "models:\n  - {name: lead, config: {materialized: cube}}", r"has materialized 'cube'"),
        ("marts/marts.yml", "models:\n  - {name: lead, config: {cluster_by: 3}}", r"has cluster_by 3; it is a column"),
        (
            "marts/marts.yml",
            "models:\n  - {name: lead, config: {cluster_by: [id, nme]}}",
            r"marts\.yml: sorts lead by nme, which it does not select",
        ),
        (
            "marts/marts.yml",
            "models:\n  - {name: lead, config: {materialized: view}}",
            r"lead\.sql:1: is a view; a view is a mart",
        ),
        ("marts/marts.yml", "models:\n  - {name: insight, config: {materialized: view}}", r"insight\.sql:1: is a view"),
    ],
)
def test_a_wrong_file_is_refused_by_name_and_line(project: MakeProject, file: str, sql: str, message: str) -> None:
    with pytest.raises(ProjectError, match=message) as caught:
        project({file: sql})
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("file", "read", "message"),
    [
        (
            "staging/x.sql",
            "int_clock",
            "int_clock, which is in intermediate; a model in staging reads only staging.",
        ),
        (
            "intermediate/part/x.sql",
            "fact",
            "fact, which is in marts/facts; a model in intermediate reads only staging, intermediate. Move x to",
        ),
        (
            "marts/facts/x.sql",
            "metric",
            "metric, which is in metrics; a model in marts/facts reads only staging, intermediate, marts/facts.",
        ),
        (
            "metrics/part/x.sql",
            "lead",
            "lead, which is in marts; a model in metrics reads only staging, intermediate, marts/facts, metrics.",
        ),
    ],
)
def test_a_model_that_reads_a_higher_layer_is_refused(project: MakeProject, file: str, read: str, message: str) -> None:
    layers = {
        "marts/facts/fact.sql": "select channel_id from int_clock",
        "metrics/metric.sql": "select channel_id from fact",
        "marts/insight/page.sql": "select channel_id from metric",
    }
    assert project(layers).models["metric"].layer == "metrics"
    assert {"fact", "page"} <= project(layers).marts.keys()
    name = file.rpartition("/")[2]
    with pytest.raises(ProjectError, match=rf"{name}:2: reads {re.escape(message)}"):
        project({**layers, file: f"select channel_id\nfrom {read}"})


def test_a_cycle_is_refused_with_its_path(project: MakeProject) -> None:
    changes = {
        "marts/one.sql": "select channel_id\nfrom two",
        "marts/two.sql": "select channel_id from three",
        "marts/three.sql": "select channel_id from one",
    }
    with pytest.raises(ProjectError, match=r"(one|two|three)\.sql:\d: is part of a cycle: \w+ → \w+ → \w+ → \w+\."):
        project(changes)


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        ("insight", {"insight"}),
        ("+lead", {"lead", "stg_leads"}),
        ("stg_leads+", {"stg_leads", "lead", "insight"}),
        ("+int_clock+", {"stg_channels", "int_clock", "insight"}),
        ("seed_names+", {"lead", "insight"}),
        ("lead, stg_channels", {"lead", "stg_channels"}),
    ],
)
def test_selections(project: MakeProject, selection: str, chosen: set[str]) -> None:
    assert project().select(selection) == chosen


def test_an_unknown_selection_lists_the_models(project: MakeProject) -> None:
    with pytest.raises(UsageError, match=r"no model is called 'leads'. Models: .*stg_leads"):
        project().select("leads+")


def test_checks_have_unique_names_and_say_what_they_mean(project: MakeProject) -> None:
    yml = PROJECT["marts/marts.yml"].replace("tests: [not_null]", "tests: [not_null, not_null, unique]")
    checks = project_checks(project({"marts/marts.yml": yml}))
    assert [c.name for c in checks][1:3] == ["not_null_lead_id", "not_null_lead_id_2"]
    assert checks[1].description == "id is never null"


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("relationships: {to: ref('laed'), field: id}", "refers to laed, which is no model or seed"),
        ("accepted_values: {values: []}", "accepts no values"),
    ],
)
def test_a_check_of_nothing_is_refused(project: MakeProject, test: str, message: str) -> None:
    yml = f"models:\n  - name: lead\n    columns:\n      - name: id\n        tests:\n          - {test}\n"
    with pytest.raises(ProjectError, match=message):
        project_checks(project({"marts/marts.yml": yml}))


def test_a_singular_test_that_reads_no_model_is_refused(project: MakeProject) -> None:
    with pytest.raises(ProjectError, match="nothing would be checked"):
        project_checks(project({"tests/nothing.sql": "select 1 as channel_id"}))


def test_docs_reach_the_model(project: MakeProject) -> None:
    model = project().models["lead"]
    assert model.description == "One row per lead."
    assert [(c.name, c.description) for c in model.docs.columns] == [("id", "Zoho's id.")]
    assert model.docs.primary_key == ("channel_id", "id")


def test_the_fingerprint_follows_the_files(project: MakeProject) -> None:
    before = project().fingerprint
    assert project().fingerprint == before
    assert project({"seeds/seed_names.csv": "source,name\nweb,Home\n"}).fingerprint != before


def test_a_construct_another_engine_lacks_is_named(project: MakeProject) -> None:
    assert unsupported(project()) == []
    deep = "select channel_id, json_extract(source, '$.a..b') as found from lead"
    found = unsupported(project({"marts/x.sql": deep}))
    assert [line.split(": ")[:2] for line in found] == [["x", d] for d in ("snowflake", "bigquery", "databricks")]


def test_lineage_names_the_columns_that_a_column_comes_from(project: MakeProject) -> None:
    found = project_lineage(project())
    assert found["lead"]["amount"] == (("stg_leads", "amount"),)
    assert set(found["lead"]["source"]) == {("seed_names", "name"), ("stg_leads", "source")}
    assert found["stg_leads"]["source"] == (("zoho_raw.leads", "source"),)

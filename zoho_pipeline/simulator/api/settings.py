"""Modules, fields, layouts, pipelines, business hours, holidays, recycle bin (docs/zoho-facts.md, sections 7, 14)."""

from typing import Any

from zoho_pipeline.simulator.api.records import choice
from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.state.fields import Pick, Pipeline, field_json, forecast_category
from zoho_pipeline.simulator.state.store import ModuleStore, person_json
from zoho_pipeline.simulator.wire import (
    Answer,
    as_json,
    cut_page,
    missing_param,
    no_content,
    page_info,
    page_size,
    whole_number,
)


def modules(call: Call) -> Answer:
    """GET /settings/modules: all modules, with tracker modules; hidden ones have `viewable` false."""
    return as_json({"modules": [module_json(call, store) for store in call.org.modules.values()]})


def one_module(call: Call) -> Answer:
    """GET /settings/modules/{module}."""
    return as_json({"modules": [module_json(call, call.module())]})


def module_json(call: Call, store: ModuleStore) -> dict[str, Any]:
    """A module as the metadata shows it to this user."""
    viewable = store.api_supported and call.user.may_open(store.api_name)
    writable = viewable and store.generated_type != "field_tracker"
    return {
        "id": store.id,
        "api_name": store.api_name,
        "module_name": "Meetings" if store.api_name == "Events" else store.label,
        "singular_label": store.label.removesuffix("s"),
        "plural_label": store.label,
        "generated_type": store.generated_type,
        "api_supported": store.api_supported,
        "viewable": viewable,
        "visible": viewable,
        "visibility": 1 if viewable else 0,
        "creatable": writable,
        "editable": writable,
        "deletable": writable,
        "profiles": [{"name": name, "id": role_id} for name, role_id in call.org.roles.items()],
        "modified_time": None,
    }


def _asked_module(call: Call) -> ModuleStore:
    api_name = call.query.get("module")
    if not api_name:
        raise missing_param("module")
    return call.module(api_name)


def fields(call: Call) -> Answer:
    """GET /settings/fields?module=…: all fields; hidden ones have `visible` false."""
    store = _asked_module(call)
    kind = choice(call, "type", ("used", "all", "unused"))
    hidden = call.user.hidden_fields.get(store.api_name, set())
    ids = call.org.module_ids()
    listed = [field_json(f, ids, f.api_name in hidden) for f in store.fields.values() if f.listed]
    return as_json({"fields": listed}) if listed and kind != "unused" else no_content()


def one_field(call: Call) -> Answer:
    """GET /settings/fields/{id}?module=…"""
    store = _asked_module(call)
    found = [f for f in store.fields.values() if f.id == call.parts["id"]]
    return as_json({"fields": [field_json(f, call.org.module_ids(), False) for f in found]}) if found else no_content()


def layouts(call: Call) -> Answer:
    """GET /settings/layouts?module=…: in the simulator each module has one layout."""
    store = _asked_module(call)
    layout: dict[str, Any] = {
        "id": call.org.layout_ids.get(store.api_name),
        "name": "Standard",
        "display_label": "Standard",
        "status": "active",
        "visible": True,
        "has_more_profiles": False,
        "profiles": [],
        "sections": [],
    }
    return as_json({"layouts": [layout]})


def pipelines(call: Call) -> Answer:
    """GET /settings/pipeline?layout_id=…: stages with their forecast type."""
    layout = call.query.get("layout_id")
    if not layout:
        raise missing_param("layout_id")
    call.module("Deals")
    if layout != call.org.layout_ids["Deals"] or not call.org.pipelines:
        return no_content()
    return as_json({"pipeline": [_pipeline(n, p) for n, p in enumerate(call.org.pipelines)]})


def _pipeline(number: int, pipeline: Pipeline) -> dict[str, Any]:
    stages = [_stage(pipeline, n, pick) for n, pick in enumerate(pipeline.stages, 1)]
    named = {"id": pipeline.id, "display_value": pipeline.name, "actual_value": pipeline.name}
    return named | {"default": number == 0, "child_available": False, "parent": None, "maps": stages}


def _stage(pipeline: Pipeline, number: int, pick: Pick) -> dict[str, Any]:
    return {
        "id": str(int(pipeline.id) * 100 + number)[-19:],
        "display_value": pick.display,
        "actual_value": pick.actual,
        "sequence_number": number,
        "colour_code": None,
        "forecast_category": forecast_category(pick, pipeline.id),
        "forecast_type": pick.forecast_type,
    }


def related_lists(call: Call) -> Answer:
    """GET /settings/related_lists?module=…: notes, activities and mails."""
    store = _asked_module(call)
    names = ("Notes", "Tasks", "Events", "Calls", "Emails")
    lists = [{"id": f"{store.id}{n}"[-19:], "api_name": name, "module": name, "display_label": name, "name": name,
              "type": "default", "href": f"{store.api_name}/{{ENTITYID}}/{name}"}
             for n, name in enumerate(names)]  # fmt: skip
    return as_json({"related_lists": lists})


def recycle_bin(call: Call) -> Answer:
    """GET /settings/recycle_bin: the deleted rows of all modules that can be restored, newest first."""
    size, page = page_size(call.query), whole_number(call.query, "page", 1)
    entries = [
        (d.time, {"id": d.id, "display_name": d.display_name, "deleted_time": call.zone(d.time),
                  "module": {"api_name": store.api_name, "id": store.id},
                  "deleted_by": person_json(d.by)})
        for store in call.org.modules.values() for d in store.deletions if d.type == "recycle"
    ]  # fmt: skip
    entries.sort(key=lambda entry: entry[0], reverse=True)
    part, info = cut_page(entries, size, page)
    return as_json({"recycle_bin": [entry for _, entry in part], "info": info}) if part else no_content()


def business_hours(call: Call) -> Answer:
    """GET /settings/business_hours; 204 when none are set."""
    hours = call.org.business_hours
    return no_content() if hours is None else as_json({"business_hours": hours})


def holidays(call: Call) -> Answer:
    """GET /settings/holidays?year=…: the holidays of a year (default: the present one)."""
    year = whole_number(call.query, "year", call.hub.clock.now().year)
    found = [holiday for holiday in call.org.holidays if holiday["year"] == year]
    info = page_info(200, len(found), 1, more=False)
    return as_json({"holidays": found, "info": info}) if found else no_content()

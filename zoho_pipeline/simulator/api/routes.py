"""Every call that the simulated API answers. The first matching path wins."""

from zoho_pipeline.simulator.api import bulk, coql, counts, deleted, records, related, settings, users, watch, writes
from zoho_pipeline.simulator.calls.call import Route, route
from zoho_pipeline.simulator.calls.scopes import (
    of_bulk,
    of_coql,
    of_count,
    of_module,
    of_org,
    of_related,
    of_settings,
    of_update,
    of_users,
    of_watch,
)


def always(_: object) -> bool:
    """COQL calls always count towards the sub-limit of simultaneous calls."""
    return True


ROUTES: tuple[Route, ...] = (
    route("/settings/modules", settings.modules, of_settings("modules"), params="status"),
    route("/settings/modules/{module}", settings.one_module, of_settings("modules")),
    route("/settings/fields", settings.fields, of_settings("fields"), params="module type include layout_id"),
    route("/settings/fields/{id}", settings.one_field, of_settings("fields"), params="module"),
    route("/settings/layouts", settings.layouts, of_settings("layouts"), params="module"),
    route("/settings/pipeline", settings.pipelines, of_settings("pipeline"), params="layout_id"),
    route("/settings/related_lists", settings.related_lists, of_settings("related_lists"), params="module layout_id"),
    route("/settings/recycle_bin", settings.recycle_bin, of_settings("recycle_bin"), params="page per_page"),
    route("/settings/business_hours", settings.business_hours, of_settings("business_hours")),
    route("/settings/holidays", settings.holidays, of_settings("holidays", "business_hours"), params="year type page"),
    route("/users", users.list_users, of_users, params="type page per_page"),
    route("/users/{id}", users.one_user, of_users),
    route("/org", users.org, of_org),
    route(
        "/actions/watch",
        watch.handle,
        of_watch,
        methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        params=watch.PARAMS,
    ),
    route("/org/currencies", users.list_currencies, of_org),
    route("/coql", coql.run, of_coql, methods=("POST",), price=coql.price, sub_limited=always),
    route("/read", bulk.create, of_bulk, methods=("POST",), price=bulk.price_of_create, bulk=True),
    route("/read/{id}", bulk.status, of_bulk, bulk=True),
    route("/read/{id}/result", bulk.result, of_bulk, bulk=True),
    route("/{module}/deleted", deleted.list_deleted, of_module, params=deleted.PARAMS),
    route("/{module}/actions/count", counts.count, of_count, price=counts.price, params=counts.PARAMS),
    route(
        "/{module}",
        records.list_records,
        of_module,
        price=records.price,
        sub_limited=records.is_sorted,
        params=records.PARAMS,
    ),
    route("/{module}", writes.update, of_update, methods=("PUT",), price=writes.price),
    route(r"/{module}/(?P<id>\d+)", writes.update, of_update, methods=("PUT",), price=writes.price),
    route(r"/{module}/(?P<id>\d+)", records.get_record, of_module, params=records.PARAMS),
    route(r"/{module}/(?P<id>\d+)/{related}", related.list_related, of_related, params=related.PARAMS),
)

"""Every call the simulated API answers, most specific path first."""

from . import deleted, records, settings, users
from .call import Route, route
from .scopes import of_module, of_org, of_settings, of_users

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
    route("/{module}/deleted", deleted.list_deleted, of_module, params=deleted.PARAMS),
    route(
        "/{module}", records.list_records, of_module,
        price=records.price, sub_limited=records.is_sorted, params=records.PARAMS,
    ),
    route(r"/{module}/(?P<id>\d+)", records.get_record, of_module, params=records.PARAMS),
)  # fmt: skip

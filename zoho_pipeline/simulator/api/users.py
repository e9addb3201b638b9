"""GET /users, GET /org and GET /org/currencies (docs/zoho-facts.md, section 11)."""

from collections.abc import Callable

from zoho_pipeline.simulator.calls.call import Call
from zoho_pipeline.simulator.state.users import User
from zoho_pipeline.simulator.wire import Answer, as_json, bad_value, cut_page, no_content, page_size, whole_number

TYPES: dict[str, Callable[[User], bool]] = {
    "AllUsers": lambda u: not u.deleted,
    "ActiveUsers": lambda u: u.licensed,
    "DeactiveUsers": lambda u: u.status != "active" and not u.deleted,
    "ConfirmedUsers": lambda u: u.confirmed and not u.deleted,
    "NotConfirmedUsers": lambda u: not u.confirmed and not u.deleted,
    "DeletedUsers": lambda u: u.deleted,
    "ActiveConfirmedUsers": lambda u: u.confirmed and u.licensed,
    "AdminUsers": lambda u: u.is_admin and not u.deleted,
    "ActiveConfirmedAdmins": lambda u: u.is_admin and u.confirmed and u.licensed,
}
_PLACES = {"JPY": "0", "KWD": "3"}


def list_users(call: Call) -> Answer:
    """GET /users: the users of a type. `CurrentUser` is the user of the token; its answer has no `info`."""
    kind = call.query.get("type", "AllUsers")
    if kind == "CurrentUser":
        return as_json({"users": [call.user.as_json(call.zone, call.org.roles)]})
    if kind not in TYPES:
        raise bad_value("type", supported_values=[*TYPES, "CurrentUser"])
    size, page = page_size(call.query), whole_number(call.query, "page", 1)
    found = [user for user in call.org.users.values() if TYPES[kind](user)]
    part, info = cut_page(found, size, page)
    shown = [user.as_json(call.zone, call.org.roles) for user in part]
    return as_json({"users": shown, "info": info}) if part else no_content()


def one_user(call: Call) -> Answer:
    """GET /users/{id}; 204 when there is no such user."""
    user = call.org.users.get(call.parts["id"])
    return no_content() if user is None else as_json({"users": [user.as_json(call.zone, call.org.roles)]})


SYMBOLS = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "AUD": "A$", "CAD": "C$"}


def org(call: Call) -> Answer:
    """GET /org: name, time zone, home currency, edition."""
    found = call.org
    licence = {
        "paid": found.edition != "Free",
        "paid_type": found.edition.lower(),
        "trial_type": None,
        "users_license_purchased": len(found.users),
        "paid_expiry": None,
    }
    shown = {
        "id": found.id,
        "zgid": found.zgid,
        "domain_name": f"org{found.zgid}",
        "company_name": found.name,
        "time_zone": found.time_zone,
        "currency": found.currency,
        "iso_code": found.currency,
        "currency_symbol": SYMBOLS.get(found.currency, found.currency),
        "currency_locale": found.admin.locale,
        "type": found.environment,
        "mc_status": found.multi_currency,
        "license_details": licence,
        "primary_email": found.admin.email,
        "primary_zuid": found.admin.zuid,
        "country_code": found.time_zone.split("/")[0],
        "created_time": call.zone(found.admin.created),
    }
    return as_json({"org": [shown]})


def list_currencies(call: Call) -> Answer:
    """The home currency with its decimal places: an org without multi-currency (docs/zoho-facts.md, section 11)."""
    code = call.org.currency
    home = {"iso_code": code, "is_base": True, "is_active": True, "decimal_places": _PLACES.get(code, "2")}
    return as_json({"currencies": [home]})
